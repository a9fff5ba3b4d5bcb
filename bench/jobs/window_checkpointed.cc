// What state in RocksDB and a checkpoint every second cost the window benchmarks: events per second beside the same job
// in memory without checkpoints, p = 1. A line each for JSON and for records of three numbers.
#include <sys/resource.h>

#include <filesystem>
#include <string>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/cluster_processes.h"
#include "bench/limit/transaction.h"

using namespace eagre::bench;

namespace {

namespace fs = std::filesystem;

// Of those that have ended.
double CpuSecondsOfChildren() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Measured Run(const std::vector<std::string>& input, int64_t events, bool checkpointed) {
  const std::string checkpoints = fs::absolute(DataFolder()).string() + "/window-checkpoints";
  fs::remove_all(checkpoints);
  std::vector<std::string> command = {"run", "-p", "1"};
  if (checkpointed) {
    command.insert(command.end(), {"-D", "state.backend.type=rocksdb", "-D", "execution.checkpointing.interval=1s",
                                   "-D", "execution.checkpointing.dir=" + checkpoints});
  }
  command.insert(command.end(), {BinaryFolder() + "/jobs/window_job.so", "--"});
  command.insert(command.end(), input.begin(), input.end());
  const double started = MonotonicSeconds();
  const double cpu_before = CpuSecondsOfChildren();
  EagreProcess(std::move(command)).AwaitExit();
  Measured measured;
  measured.events = events;
  measured.wall_seconds = MonotonicSeconds() - started;
  measured.cpu_seconds = CpuSecondsOfChildren() - cpu_before;
  fs::remove_all(checkpoints);
  return measured;
}

void CompareOn(const char* name, const std::vector<std::string>& input, int64_t events) {
  const Comparison comparison = CompareMeasured(
      3, [&] { return Run(input, events, true); }, [&] { return Run(input, events, false); });
  PrintLine(name, "memory without checkpoints", 1, comparison);
}

}  // namespace

int main() {
  const auto json_events = static_cast<int64_t>(8'000'000 * Scale());
  const std::string path = fs::absolute(DataFolder()).string() + "/transactions-checkpointed.ndjson";
  WriteTransactions(path, json_events);
  CompareOn("json_window_checkpointed", {"--json", path}, json_events);
  const auto events = static_cast<int64_t>(150'000'000 * Scale());
  CompareOn("binary_window_checkpointed", {"--events", std::to_string(events)}, events);
}
