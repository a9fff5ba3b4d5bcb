#include "tests/sim/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <utility>

#include "tests/chaos/jobs/self_verifying.h"
#include "tests/sim/fault_injector.h"
#include "tests/sim/sim_cluster.h"

namespace eagre {
namespace {

using namespace std::chrono_literals;

constexpr char kOutput[] = "/out";
constexpr char kCheckpoints[] = "/checkpoints";
constexpr int64_t kLimitMs = 5 * 60'000;  // of virtual time, from the last fault to the end of the job
constexpr int64_t kAskEveryMs = 20;

// What else a seed decides.
struct Setting {
  int task_managers = 2;
  int slots_each = 2;
  int parallelism = 2;
  int64_t records = 0;
  double records_per_second = 0;
  int64_t window_ms = 0;
  bool blocking = false;
  int64_t pause_one_in = 0;  // batches before which a sink pauses; 0: none
  int64_t pause_ms = 0;      // at most
  int64_t io_delay_ns = 0;
  SimSlotPace pace;
  int64_t faults_ms = 0;  // so long there are faults
  std::map<std::string, std::string> config;

  static Setting Of(uint64_t seed) {
    SeededRandom random(seed * 2);
    const auto one_of = [&random](std::initializer_list<int64_t> values) {
      return *(values.begin() + random.Below(values.size()));
    };
    Setting setting;
    setting.parallelism = static_cast<int>(one_of({2, 2, 3}));
    setting.slots_each = static_cast<int>(one_of({1, 2}));
    setting.task_managers = setting.parallelism / setting.slots_each + static_cast<int>(random.Below(2));
    setting.task_managers = std::max(setting.task_managers, 2);
    while (setting.task_managers * setting.slots_each < setting.parallelism) ++setting.task_managers;
    setting.records = one_of({1'500, 2'500});
    setting.records_per_second = static_cast<double>(one_of({1'000, 3'000, 10'000}));
    setting.window_ms = one_of({50, 200});
    setting.blocking = random.Below(4) == 0;
    // Long ones are rare, so that the job comes to its end.
    setting.pause_ms = one_of({0, 10, 100, 1'000});
    setting.pause_one_in = setting.pause_ms == 0 ? 0 : std::max<int64_t>(2, setting.pause_ms / 10);
    setting.io_delay_ns = one_of({20'000, 5'000'000, 50'000'000});
    setting.pace = {.step_ns = one_of({0, 300'000, 2'000'000}),
                    .pause_one_in = one_of({0, 20, 200}),
                    .pause_ns = one_of({10'000'000, 100'000'000})};
    setting.faults_ms = one_of({500, 1'500, 3'000});
    setting.config = {{"parallelism.default", std::to_string(setting.parallelism)},
                      {"execution.checkpointing.interval", fmt::format("{}ms", one_of({10, 30, 100}))},
                      {"execution.checkpointing.dir", kCheckpoints},
                      {"execution.checkpointing.timeout", fmt::format("{}ms", one_of({200, 2'000, 60'000}))},
                      {"execution.checkpointing.tolerable-failed-checkpoints", "1000000"},
                      {"execution.checkpointing.num-retained", std::to_string(one_of({1, 1, 3}))},
                      {"restart-strategy.type", "fixed-delay"},
                      {"restart-strategy.fixed-delay.attempts", "1000000"},
                      {"restart-strategy.fixed-delay.delay", fmt::format("{}ms", one_of({1, 10, 200}))},
                      {"taskmanager.memory.segment-size", fmt::format("{}b", one_of({256, 1'024}))},
                      {"taskmanager.network.memory.buffers-per-channel", std::to_string(one_of({2, 4}))},
                      {"taskmanager.network.queue-batches", std::to_string(one_of({2, 8}))},
                      {"pipeline.auto-watermark-interval", fmt::format("{}ms", one_of({10, 50, 200}))},
                      {"execution.checkpointing.unaligned.max-in-flight-size", one_of({0, 1}) == 0 ? "256mb" : "1mb"}};
    return setting;
  }
};

// The sinks of one process.
class SimPauses final : public SinkPauses {
 public:
  SimPauses(const Setting& setting, const SimSurroundings& in)
      : one_in_(setting.pause_one_in), most_ms_(setting.pause_ms), scheduler_(in.scheduler), executor_(*in.executor) {}

  size_t RecordsBeforePause(size_t records) override {
    if (!scheduler_.OneIn(one_in_)) return records;
    return static_cast<size_t>(scheduler_.Choose(0, static_cast<int64_t>(records)));
  }
  void Pause(std::function<void()> wake) override {
    executor_.PostAfter(scheduler_.Choose(1, most_ms_), std::move(wake));
  }

 private:
  const int64_t one_in_;
  const int64_t most_ms_;
  SimScheduler& scheduler_;
  Executor& executor_;
};

SimCluster::JobBuilder Builder(const Setting& setting) {
  return [setting](Configuration config, const SimSurroundings& in) {
    auto graph = std::make_unique<StreamGraph>(std::move(config));
    Job job(*graph);
    SelfVerifyingOptions options{.records = setting.records,
                                 .records_per_second = setting.records_per_second,
                                 .parallelism = setting.parallelism,
                                 .keys_per_subtask = 16,
                                 .window = std::chrono::milliseconds(setting.window_ms),
                                 .timer_delay = 100ms,
                                 .output = kOutput,
                                 .files = &in.files,
                                 .blocking = setting.blocking};
    if (setting.pause_one_in > 0 && in.executor != nullptr) options.pauses = std::make_shared<SimPauses>(setting, in);
    DescribeSelfVerifying(job, options);
    return graph;
  };
}

// The lines of all committed files, sorted.
StatusOr<std::vector<std::string>> CommittedLines(FileSystem& files) {
  std::vector<std::string> lines;
  EAGRE_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(kOutput));
  for (const FileInfo& entry : entries) {
    if (BaseName(entry.path).starts_with('.')) continue;
    EAGRE_ASSIGN_OR_RETURN(const std::string content, files.ReadFile(entry.path));
    for (size_t at = 0; at < content.size();) {
      const size_t end = std::min(content.find('\n', at), content.size());
      lines.push_back(content.substr(at, end - at));
      at = end + 1;
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

// Why it is not further.
std::string Describe(const proto::JobDetails& details) {
  proto::JobDetails shown = details;
  shown.clear_graph();
  shown.clear_vertices();
  return shown.ShortDebugString();
}

// Asks as a client does that is connected as long as there is somebody to be connected to.
StatusOr<proto::JobDetails> AwaitEndOf(SimCluster& cluster, int64_t limit_ms) {
  std::string last = "no JobManager could be asked";
  for (int64_t waited_ms = 0; waited_ms < limit_ms; waited_ms += kAskEveryMs) {
    cluster.scheduler().RunUntil([] { return false; }, kAskEveryMs);
    const auto details = cluster.AskForJob();
    if (!details) continue;
    if (!details->ok()) return Internal("the JobManager has lost the job: {}", StatusMessage(details->status()));
    if ((*details)->summary().end_time_ms() != 0) return **details;
    last = Describe(**details);
  }
  return Internal("the job has not ended within {} ms: {}", limit_ms, last);
}

// One run; what it finds goes into the outcome.
class SimulatedRun {
 public:
  SimulatedRun(const SimulationOptions& options, const Setting& setting, std::vector<std::string> expected)
      : setting_(setting),
        expected_(std::move(expected)),
        profile_(FaultProfile::Of(options.seed)),
        cluster_(options.seed, ClusterOptions()),
        injector_(cluster_, profile_) {
    cluster_.disk().IgnoreSyncs(options.ignores_file_syncs, options.ignores_folder_syncs);
  }

  SimulationOutcome Play(const std::map<std::string, std::string>& mode) {
    std::map<std::string, std::string> config = setting_.config;
    config.insert(mode.begin(), mode.end());
    const Status submitted = cluster_.Submit(Builder(setting_), config);
    if (!submitted.ok()) {
      Violation("the job was not submitted: {}", StatusMessage(submitted));
    } else {
      Torment();
    }
    for (const std::string& problem : cluster_.problems()) Violation("{}", problem);
    outcome_.faults = injector_.faults() + slow_operations_;
    outcome_.trace_hash = cluster_.scheduler().trace_hash();
    outcome_.events = cluster_.scheduler().events_run();
    outcome_.virtual_ms = cluster_.scheduler().now_ns() / 1'000'000;
    return std::move(outcome_);
  }

 private:
  template <typename... Args>
  void Violation(fmt::format_string<Args...> format, Args&&... args) {
    outcome_.violations.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  SimClusterOptions ClusterOptions() {
    profile_.files.slow_operations = &slow_operations_;
    return {.task_managers = setting_.task_managers,
            .slots_each = setting_.slots_each,
            .network = profile_.network,
            .files = profile_.files,
            .pace = setting_.pace,
            .io_delay_ns = setting_.io_delay_ns};
  }

  void Torment() {
    injector_.Start();
    cluster_.scheduler().Schedule(setting_.faults_ms * 1'000'000, "end of faults", [this] { injector_.Stop(); });
    if (!AwaitEnd()) return;
    injector_.Stop();
    // What is committed when the job has ended stays, whatever happens then.
    cluster_.CrashAll(/*restart_ns=*/1'000'000);
    Compare("at the end of the job");
    if (!cluster_.scheduler().OneIn(4)) return;
    if (AwaitEnd()) Compare("after the JobManager was started once more");
  }

  // False: it has not come to a good end, which is a violation.
  bool AwaitEnd() {
    const StatusOr<proto::JobDetails> details = AwaitEndOf(cluster_, setting_.faults_ms + kLimitMs);
    if (!details.ok()) {
      Violation("{}", StatusMessage(details.status()));
      return false;
    }
    if (details->summary().state() == "FINISHED") return true;
    Violation("the job is {}: {}", details->summary().state(),
              details->failures().empty() ? "" : details->failures(0).message());
    return false;
  }

  void Compare(std::string_view when) {
    const StatusOr<std::vector<std::string>> actual = CommittedLines(cluster_.files());
    if (!actual.ok()) return Violation("no output {}: {}", when, StatusMessage(actual.status()));
    std::vector<std::string> lost, added;
    std::set_difference(expected_.begin(), expected_.end(), actual->begin(), actual->end(), std::back_inserter(lost));
    std::set_difference(actual->begin(), actual->end(), expected_.begin(), expected_.end(), std::back_inserter(added));
    if (!lost.empty())
      Violation("{} lines of {} are missing {}: {}", lost.size(), expected_.size(), when, lost.front());
    if (!added.empty()) Violation("{} lines are too many {}: {}", added.size(), when, added.front());
  }

  const Setting setting_;
  const std::vector<std::string> expected_;
  FaultProfile profile_;
  int64_t slow_operations_ = 0;
  SimulationOutcome outcome_;
  SimCluster cluster_;
  FaultInjector injector_;
};

}  // namespace

const std::vector<CheckpointMode>& CheckpointModes() {
  static const std::vector<CheckpointMode> modes = {
      {"aligned", {}},
      {"unaligned", {{"execution.checkpointing.unaligned.enabled", "true"}}},
      {"switching",
       {{"execution.checkpointing.unaligned.enabled", "true"},
        {"execution.checkpointing.aligned-checkpoint-timeout", "5 ms"}}},
  };
  return modes;
}

StatusOr<Simulator::Lines> Simulator::Expected(int64_t records, int parallelism, int64_t window_ms) {
  const std::tuple key(records, parallelism, window_ms);
  if (const auto known = expected_.find(key); known != expected_.end()) return known->second;
  SimCluster cluster(1, {.task_managers = parallelism, .slots_each = 1});
  EAGRE_RETURN_IF_ERROR(cluster.Submit(Builder({.parallelism = parallelism,
                                                .records = records,
                                                .records_per_second = 1e6,
                                                .window_ms = window_ms,
                                                .config = {}}),
                                       {{"parallelism.default", std::to_string(parallelism)},
                                        {"execution.checkpointing.interval", "50ms"},
                                        {"execution.checkpointing.dir", kCheckpoints}}));
  EAGRE_ASSIGN_OR_RETURN(const proto::JobDetails details, AwaitEndOf(cluster, kLimitMs));
  if (details.summary().state() != "FINISHED") return Internal("the job fails without faults");
  EAGRE_ASSIGN_OR_RETURN(Lines lines, CommittedLines(cluster.files()));
  if (lines.empty()) return Internal("the job without faults writes nothing");
  return expected_[key] = std::move(lines);
}

SimulationOutcome Simulator::Run(const SimulationOptions& options) {
  const Setting setting = Setting::Of(options.seed);
  StatusOr<Lines> expected = Expected(setting.records, setting.parallelism, setting.window_ms);
  if (!expected.ok()) return {.violations = {std::string(StatusMessage(expected.status()))}};
  for (const CheckpointMode& mode : CheckpointModes()) {
    if (mode.name == options.mode) return SimulatedRun(options, setting, *std::move(expected)).Play(mode.config);
  }
  return {.violations = {fmt::format("there is no checkpoint mode {}", options.mode)}};
}

}  // namespace eagre
