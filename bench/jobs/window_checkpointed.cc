// What state in RocksDB and a checkpoint every ten seconds cost the window benchmarks: events per second beside the
// same job in memory without checkpoints, p = 1. A line each for JSON and for records of three numbers. Each run is
// long enough for three checkpoints: the JSON file is read many times over, each time later in event time.
//   bench_window_checkpointed [json|binary]
#include <sys/resource.h>

#include <filesystem>
#include <string>
#include <string_view>
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
    command.insert(command.end(), {"-D", "state.backend.type=rocksdb", "-D", "execution.checkpointing.interval=10s",
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
      Rounds(3), [&] { return Run(input, events, true); }, [&] { return Run(input, events, false); });
  PrintLine(name, "memory without checkpoints", 1, comparison);
}

}  // namespace

int main(int argc, char** argv) {
  const auto wanted = [&](std::string_view name) { return argc < 2 || name == argv[1]; };
  if (wanted("json")) {
    constexpr int64_t kPasses = 20;
    const auto events = static_cast<int64_t>(4'000'000 * Scale());
    const std::string folder = fs::absolute(DataFolder()).string() + "/transactions-checkpointed";
    fs::create_directories(folder);
    const std::string path = folder + "/once";
    WriteTransactions(path, events);
    for (int64_t pass = 0; pass < kPasses; ++pass) {
      const std::string name = folder + "/pass-" + std::to_string(1'000 + pass) + ".ndjson";
      fs::remove(name);
      fs::create_hard_link(path, name);
    }
    CompareOn("json_window_checkpointed", {"--json", folder + "/pass-*.ndjson"}, events * kPasses);
  }
  if (wanted("binary")) {
    const auto events = static_cast<int64_t>(2'000'000'000 * Scale());
    CompareOn("binary_window_checkpointed", {"--events", std::to_string(events)}, events);
  }
}
