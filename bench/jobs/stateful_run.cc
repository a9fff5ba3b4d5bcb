#include "bench/jobs/stateful_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "base/file_system.h"
#include "bench/jobs/bench_report.h"
#include "bench/jobs/cluster_processes.h"
#include "proto/checkpoint.pb.h"
#include "state/checkpoint_metadata.h"

namespace eagre::bench {
namespace {

namespace fs = std::filesystem;

// Reads the log of a job's checkpoints while it runs, since a job that has finished leaves none.
class CheckpointWatch {
 public:
  explicit CheckpointWatch(std::string folder) : folder_(std::move(folder)), thread_([this] { Run(); }) {}
  ~CheckpointWatch() {
    stopped_ = true;
    thread_.join();
  }
  void Stop(StatefulReport& report) {
    stopped_ = true;
    std::vector<int64_t> written;
    for (const auto& [id, bytes] : written_) written.push_back(bytes);
    report.checkpoints = static_cast<int64_t>(written.size());
    // Those of the first half are of the time in which the state was made.
    written.erase(written.begin(), written.begin() + static_cast<ptrdiff_t>(written.size() / 2));
    std::sort(written.begin(), written.end());
    if (!written.empty()) report.checkpoint_bytes = written[written.size() / 2];
  }

 private:
  void Run() {
    while (!stopped_) {
      Look();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  void Look() {
    std::error_code ignored;
    for (const fs::directory_entry& job : fs::directory_iterator(folder_, ignored)) {
      for (const fs::directory_entry& entry : fs::directory_iterator(job.path() / "log", ignored)) {
        const auto bytes = PosixFileSystem().ReadFile(entry.path());
        proto::CheckpointLogEntry message;
        if (!bytes.ok() || !UnframeCheckpointMessage("eagrelog", *bytes, "", message).ok()) continue;
        if (!message.has_completion()) continue;
        written_[message.completion().checkpoint_id()] = message.completion().written_bytes();
      }
    }
  }

  const std::string folder_;
  std::atomic<bool> stopped_ = false;
  std::map<int64_t, int64_t> written_;
  std::thread thread_;
};

void ReadReport(const std::string& path, StatefulReport& report, int64_t& first_ns, int64_t& last_ns) {
  std::ifstream file(path, std::ios::binary);
  StatefulReportHead head;
  if (!file.read(reinterpret_cast<char*>(&head), sizeof head)) return;
  report.pauses.Add(head.pauses);
  if (head.events > 0) {
    report.events += head.events;
    first_ns = first_ns == 0 ? head.first_ns : std::min(first_ns, head.first_ns);
    last_ns = std::max(last_ns, head.last_ns);
  }
  for (float value = 0; file.read(reinterpret_cast<char*>(&value), sizeof value);) report.microseconds.push_back(value);
}

}  // namespace

std::vector<std::string> StatefulJob::Arguments() const {
  std::vector<std::string> words = {BinaryFolder() + "/jobs/stateful_job.so", "--"};
  const auto add = [&](const char* name, const std::string& value) { words.insert(words.end(), {name, value}); };
  add("--keys", std::to_string(keys));
  add("--value-bytes", std::to_string(value_bytes));
  add("--hot", std::to_string(hot > 0 ? hot : keys));
  add("--events", std::to_string(events));
  add("--rate", std::to_string(rate));
  add("--measure-from", std::to_string(measure_from));
  add("--report", report);
  if (!marks.empty()) add("--marks", marks);
  return words;
}

double StatefulReport::LatencyMs(double part) const {
  if (microseconds.empty()) return 0;
  const auto at = static_cast<size_t>(part * static_cast<double>(microseconds.size()));
  return microseconds[std::min(microseconds.size() - 1, at)] / 1000.0;
}

StatefulReport RunStatefulJob(StatefulJob job, std::vector<std::string> options, const std::string& checkpoints) {
  job.report = fs::absolute(DataFolder()) / "stateful-report";
  for (int subtask = 0; subtask < 64; ++subtask) fs::remove(job.report + "." + std::to_string(subtask));
  options.insert(options.begin(), "run");
  StatefulReport report;
  const auto run = [&] {
    for (std::string& word : job.Arguments()) options.push_back(std::move(word));
    EagreProcess(std::move(options)).AwaitExit();
  };
  if (checkpoints.empty()) {
    run();
  } else {
    fs::remove_all(checkpoints);
    options.insert(options.end(), {"-D", "execution.checkpointing.interval=1s", "-D",
                                   "execution.checkpointing.dir=" + fs::absolute(checkpoints).string()});
    CheckpointWatch watch(checkpoints);
    run();
    watch.Stop(report);
    fs::remove_all(checkpoints);
  }
  int64_t first_ns = 0;
  int64_t last_ns = 0;
  for (int subtask = 0; subtask < 64; ++subtask) {
    ReadReport(job.report + "." + std::to_string(subtask), report, first_ns, last_ns);
  }
  report.seconds = static_cast<double>(last_ns - first_ns) / 1e9;
  std::sort(report.microseconds.begin(), report.microseconds.end());
  return report;
}

std::string PauseFields(const Pauses& pauses) {
  const auto fields = [](const char* name, const Pause& pause) {
    const auto ms = [](int64_t ns) { return static_cast<double>(ns) / 1e6; };
    return fmt::format(
        R"("{0}_ms":{1:.1f},"{0}_worked_ms":{2:.1f},"{0}_waited_for_processor_ms":{3:.1f},"{0}_slept_ms":{4:.1f})",
        name, ms(pause.wall_ns), ms(pause.worked_ns), ms(pause.waited_ns),
        ms(pause.wall_ns - pause.worked_ns - pause.waited_ns));
  };
  return fmt::format(R"({},"late_pauses":{},{},"most_worked_ms":{:.2f})", fields("longest_pause", pauses.longest),
                     pauses.late_count, fields("late", pauses.late), static_cast<double>(pauses.most_worked_ns) / 1e6);
}

std::vector<std::string> Backends() {
  if (const char* only = std::getenv("EAGRE_BENCH_BACKEND"); only != nullptr) return {only};
  const std::string config = EagreProcess({"config"}).AwaitExit();
  if (config.find("state.backend.type") == std::string::npos) return {"hashmap"};
  return {"hashmap", "rocksdb"};
}

}  // namespace eagre::bench
