// Kills workers, TaskManagers and the JobManager while a job runs that verifies its own state, and compares what it
// committed with the output of a run without faults. See `scripts/chaos.sh`. Every other kill comes at a random moment,
// the others right after the first checkpoint of what was restored: what is wrong in that shows with the next restore.
//
// A run consists of rounds: a bounded job each, on a cluster of its own. Ends with "K kills, L lost, D duplicated".
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "base/clock.h"
#include "base/file_system.h"
#include "proto/checkpoint.pb.h"
#include "state/checkpoint_metadata.h"
#include "tests/chaos/chaos_cluster.h"
#include "tests/testing/paths.h"

namespace eagre {
namespace {

namespace fs = std::filesystem;

constexpr int kParallelism = 2;
constexpr int64_t kRecordsPerSecond = 20'000;
constexpr int64_t kRoundSeconds = 30;
// Of a round's time, what the job would take without faults.
constexpr double kUndisturbed = 0.5;
constexpr int64_t kLongestPauseMs = 1'500;
constexpr std::chrono::seconds kLongestRound{300};

struct Options {
  int64_t seconds = 30;
  uint64_t seed = 1;
  std::vector<std::string> properties;  // of the job
  bool keep = false;
};

struct Outcome {
  int workers = 0;
  int task_managers = 0;
  int job_managers = 0;
  size_t lost = 0;
  size_t duplicated = 0;
  bool failed = false;
  std::vector<int64_t> recoveries_ms;
  int kills() const { return workers + task_managers + job_managers; }
};

// The lines of all committed files, sorted.
std::vector<std::string> CommittedLines(const std::string& folder) {
  std::vector<std::string> lines;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().filename().string().starts_with('.')) continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::vector<std::string> JobArguments(int64_t records, int64_t rate, const std::string& output) {
  return {BuildPath("jobs/chaos_self_verifying.so"),
          "--",
          "--records",
          std::to_string(records),
          "--rate",
          std::to_string(rate),
          "--parallelism",
          std::to_string(kParallelism),
          "--output",
          output};
}

// Watches the log of the job's checkpoints: with the first checkpoint that was begun after a kill and is complete, the
// job has recovered from it.
class RecoveryWatch {
 public:
  explicit RecoveryWatch(std::string checkpoints) : checkpoints_(std::move(checkpoints)) {}

  void OnKill() { kills_ms_.push_back(SystemClock().NowMs()); }
  bool AnyComplete() {
    Look();
    return latest_ms_ > 0;
  }
  // From all kills, as far as Look has seen.
  bool recovered() const { return kills_ms_.empty(); }
  void Look(std::vector<int64_t>* recoveries_ms = nullptr) {
    ReadNewest();
    if (recoveries_ms == nullptr) return;
    while (!kills_ms_.empty() && kills_ms_.front() < latest_ms_) {
      recoveries_ms->push_back(SystemClock().NowMs() - kills_ms_.front());
      kills_ms_.erase(kills_ms_.begin());
    }
  }

 private:
  void ReadNewest() {
    std::error_code ignored;
    std::set<std::string> entries;
    for (const fs::directory_entry& job : fs::directory_iterator(checkpoints_, ignored)) {
      for (const fs::directory_entry& entry : fs::directory_iterator(job.path() / "log", ignored)) {
        const std::string name = entry.path().filename();
        if (std::all_of(name.begin(), name.end(), isdigit)) entries.insert(entry.path());
      }
    }
    if (entries.empty() || *entries.rbegin() == newest_) return;
    newest_ = *entries.rbegin();
    const auto bytes = PosixFileSystem().ReadFile(newest_);
    proto::CheckpointLogEntry entry;
    if (!bytes.ok() || !UnframeCheckpointMessage("eagrelog", *bytes, newest_, entry).ok()) return;
    if (entry.has_completion()) latest_ms_ = entry.completion().time_ms();
  }

  const std::string checkpoints_;
  std::string newest_;
  int64_t latest_ms_ = 0;  // when the newest complete checkpoint was begun
  std::vector<int64_t> kills_ms_;
};

class Round {
 public:
  Round(const Options& options, std::string folder, int64_t seconds, std::mt19937_64& random)
      : options_(options),
        folder_(std::move(folder)),
        records_(static_cast<int64_t>(static_cast<double>(seconds * kRecordsPerSecond) * kUndisturbed)),
        random_(random),
        watch_(folder_ + "/checkpoints") {}

  Outcome Play() {
    fs::create_directories(folder_);
    ChaosCluster cluster({.folder = folder_});
    std::vector<std::string> arguments = {"-p", std::to_string(kParallelism),
                                          "-D", "execution.checkpointing.interval=100ms",
                                          "-D", "execution.checkpointing.dir=" + folder_ + "/checkpoints",
                                          "-D", "restart-strategy.type=fixed-delay",
                                          "-D", "restart-strategy.fixed-delay.attempts=1000000",
                                          "-D", "restart-strategy.fixed-delay.delay=10ms"};
    for (const std::string& property : options_.properties) arguments.insert(arguments.end(), {"-D", property});
    for (std::string& argument : JobArguments(records_, kRecordsPerSecond, folder_ + "/out")) {
      arguments.push_back(std::move(argument));
    }
    const std::unique_ptr<ChildProcess> job = cluster.Run(arguments);
    Torment(cluster, *job);
    const int status = job->AwaitExit(std::chrono::milliseconds(0));
    if (status != 0) {
      outcome_.failed = true;
      fmt::print(stderr, "the job did not finish (status {}):\n{}\n{}\n", status, job->Output(), cluster.Output());
      return outcome_;
    }
    Compare();
    return outcome_;
  }

 private:
  // Until the job has ended.
  void Torment(ChaosCluster& cluster, ChildProcess& job) {
    if (!AwaitTrue([&] { return watch_.AnyComplete() || !job.Running(); })) return;
    const auto deadline = std::chrono::steady_clock::now() + kLongestRound;
    auto next = std::chrono::steady_clock::now();
    bool at_once = false;  // when it has recovered
    AwaitTrue(
        [&] {
          watch_.Look(&outcome_.recoveries_ms);
          if (!job.Running()) return true;
          if (at_once ? !watch_.recovered() : std::chrono::steady_clock::now() < next) return false;
          at_once = KillSomething(cluster) && Below(2) == 0;
          next = std::chrono::steady_clock::now() + std::chrono::milliseconds(Below(kLongestPauseMs));
          return false;
        },
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()));
  }

  // False: there is no worker now.
  bool KillSomething(ChaosCluster& cluster) {
    const int64_t choice = Below(10);
    if (choice < 5) {
      const std::vector<pid_t> workers = cluster.Workers();
      if (workers.empty()) return false;
      kill(workers[static_cast<size_t>(Below(static_cast<int64_t>(workers.size())))], SIGKILL);
      watch_.OnKill();
      ++outcome_.workers;
      return true;
    }
    watch_.OnKill();
    if (choice < 8) {
      cluster.KillTaskManager(static_cast<int>(Below(cluster.task_managers())));
      ++outcome_.task_managers;
    } else {
      cluster.KillJobManager();
      ++outcome_.job_managers;
    }
    return true;
  }

  void Compare() {
    const std::string expected_folder = folder_ + "/expected";
    std::vector<std::string> command = {BuildPath("bin/eagre"), "run", "-p", std::to_string(kParallelism)};
    for (std::string& argument : JobArguments(records_, 0, expected_folder)) command.push_back(std::move(argument));
    ChildProcess reference(command, {.directory = folder_});
    if (reference.AwaitExit(kLongestRound) != 0) {
      outcome_.failed = true;
      fmt::print(stderr, "the run without faults failed:\n{}\n", reference.Output());
      return;
    }
    const std::vector<std::string> expected = CommittedLines(expected_folder);
    const std::vector<std::string> actual = CommittedLines(folder_ + "/out");
    std::vector<std::string> lost;
    std::vector<std::string> duplicated;
    std::set_difference(expected.begin(), expected.end(), actual.begin(), actual.end(), std::back_inserter(lost));
    std::set_difference(actual.begin(), actual.end(), expected.begin(), expected.end(), std::back_inserter(duplicated));
    outcome_.lost = lost.size();
    outcome_.duplicated = duplicated.size();
    if (!lost.empty()) fmt::print(stderr, "lost, the first of {}: {}\n", lost.size(), lost.front());
    if (!duplicated.empty()) {
      fmt::print(stderr, "duplicated, the first of {}: {}\n", duplicated.size(), duplicated.front());
    }
  }

  int64_t Below(int64_t bound) { return std::uniform_int_distribution<int64_t>(0, bound - 1)(random_); }

  const Options& options_;
  const std::string folder_;
  const int64_t records_;
  std::mt19937_64& random_;
  RecoveryWatch watch_;
  Outcome outcome_;
};

void Add(Outcome& total, const Outcome& round) {
  total.workers += round.workers;
  total.task_managers += round.task_managers;
  total.job_managers += round.job_managers;
  total.lost += round.lost;
  total.duplicated += round.duplicated;
  total.failed = total.failed || round.failed;
  total.recoveries_ms.insert(total.recoveries_ms.end(), round.recoveries_ms.begin(), round.recoveries_ms.end());
}

void Report(Outcome& total) {
  fmt::print("killed: {} workers, {} TaskManagers, {} JobManagers\n", total.workers, total.task_managers,
             total.job_managers);
  std::vector<int64_t>& times = total.recoveries_ms;
  std::sort(times.begin(), times.end());
  if (!times.empty()) {
    fmt::print(
        "from a kill to the end of the first checkpoint begun after it, of {}: p50 {} ms, p99 {} ms, max {} ms\n",
        times.size(), times[times.size() / 2], times[times.size() * 99 / 100], times.back());
  }
  fmt::print("{} kills, {} lost, {} duplicated\n", total.kills(), total.lost, total.duplicated);
}

[[noreturn]] void Usage() {
  fmt::print(stderr,
             "usage: chaos_state [--seconds N] [--seed S] [--backend hashmap|rocksdb] [--unaligned] [-D key=value]... "
             "[--keep]\n");
  exit(2);
}

template <typename Number>
Number ParseNumber(const std::string& text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number <= 0) Usage();
  return number;
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--keep") {
      options.keep = true;
    } else if (option == "--unaligned") {
      options.properties.emplace_back("execution.checkpointing.unaligned.enabled=true");
    } else if (i + 1 == argc) {
      Usage();
    } else if (option == "--seconds") {
      options.seconds = ParseNumber<int64_t>(argv[++i]);
    } else if (option == "--seed") {
      options.seed = ParseNumber<uint64_t>(argv[++i]);
    } else if (option == "--backend") {
      options.properties.push_back(fmt::format("state.backend.type={}", argv[++i]));
    } else if (option == "-D") {
      options.properties.emplace_back(argv[++i]);
    } else {
      Usage();
    }
  }
  return options;
}

int Main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  std::string folder = (fs::temp_directory_path() / "eagre-chaos-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    fmt::print(stderr, "cannot make a folder like {}\n", folder);
    return EXIT_FAILURE;
  }
  std::mt19937_64 random(options.seed);
  Outcome total;
  const int64_t begun_ms = SystemClock().NowMs();
  for (int round = 0; !total.failed; ++round) {
    const int64_t left = options.seconds - (SystemClock().NowMs() - begun_ms) / 1000;
    if (round > 0 && left <= 0) break;
    const std::string of_round = fmt::format("{}/round-{}", folder, round);
    Add(total, Round(options, of_round, std::clamp<int64_t>(left, 2, kRoundSeconds), random).Play());
    if (!options.keep && !total.failed && total.lost + total.duplicated == 0) fs::remove_all(of_round);
  }
  const bool good = !total.failed && total.lost == 0 && total.duplicated == 0 && total.kills() > 0;
  if (good && !options.keep) {
    fs::remove_all(folder);
  } else {
    fmt::print(stderr, "everything of it is in {}\n", folder);
  }
  Report(total);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace eagre

int main(int argc, char** argv) {
  return eagre::Main(argc, argv);
}
