// Time from SIGKILL to the first record out again with 1 GB of state, for a worker and for a whole TaskManager, in
// parts, with the state from the checkpoint's folder and from local copies.
//   bench_recovery [word...]   only the cases that have all the words in their names: rocksdb-worker-local
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/cluster_processes.h"
#include "bench/jobs/stateful_run.h"
#include "client/job_client.h"

using namespace eagre;
using namespace eagre::bench;

namespace {

namespace fs = std::filesystem;

constexpr int kParallelism = 2;
constexpr int kPatienceSeconds = 120;

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void Await(const std::string& what, const std::function<bool()>& condition) {
  const double deadline = MonotonicSeconds() + kPatienceSeconds;
  while (!condition()) {
    if (MonotonicSeconds() > deadline) {
      fmt::print(stderr, "waited in vain for {}\n", what);
      std::exit(1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// The times of each kind of mark after `since_ms`.
std::map<std::string, std::vector<int64_t>> MarksSince(const std::string& path, int64_t since_ms) {
  std::map<std::string, std::vector<int64_t>> marks;
  std::ifstream file(path);
  std::string what;
  for (int64_t time_ms = 0; file >> what >> time_ms;) {
    if (time_ms >= since_ms) marks[what].push_back(time_ms);
  }
  return marks;
}

std::string Folder() {
  return fs::absolute(DataFolder()).string() + "/recovery";
}

struct Recovery {
  int64_t detect_ms = 0, redeploy_ms = 0, restore_ms = 0, replay_ms = 0;
  int64_t to_first_record_ms() const { return detect_ms + redeploy_ms + restore_ms; }
};

struct Case {
  std::string backend;
  bool whole_task_manager;
  bool local;
  std::string Name() const {
    return fmt::format("{}-{}-{}", backend, whole_task_manager ? "taskmanager" : "worker",
                       local ? "local" : "checkpoint");
  }
};

Recovery Measure(const Case& what, int64_t& state_bytes) {
  const std::string folder = Folder();
  // The copies of a TaskManager that is gone are found by another one of the machine. Above RocksDB most of the state
  // is not in memory.
  std::vector<std::string> properties = {"taskmanager.state.local.root-dirs=" + folder + "/local"};
  if (what.backend == "rocksdb") properties.push_back("taskmanager.memory.managed.size=256mb");
  BenchCluster cluster(kParallelism + 1, 1, properties);
  fs::create_directories(folder);
  StatefulJob job;
  job.value_bytes = 1'000;
  job.keys = std::max<int64_t>(static_cast<int64_t>(1'000'000 * Scale()), 1'000);
  job.rate = 50'000;
  job.events = int64_t{1} << 40;
  job.report = folder + "/report";
  job.marks = folder + "/marks";
  std::vector<std::string> command = {"run", "-d",
                                      "-m",  cluster.address(),
                                      "-p",  std::to_string(kParallelism),
                                      "-D",  "execution.checkpointing.interval=1s",
                                      "-D",  "execution.checkpointing.dir=" + folder + "/checkpoints",
                                      "-D",  "restart-strategy.type=fixed-delay",
                                      "-D",  "restart-strategy.fixed-delay.delay=0ms"};
  command.insert(command.end(), {"-D", "state.backend.type=" + what.backend});
  if (what.local) command.insert(command.end(), {"-D", "execution.state-recovery.from-local=true"});
  for (std::string& word : job.Arguments()) command.push_back(std::move(word));
  const std::string said = EagreProcess(std::move(command)).AwaitExit();
  const std::string job_id = said.substr(said.find("JobID ") + 6, 32);
  JobClient client(cluster.address());
  const auto details = [&] { return client.GetJob(job_id).value_or(proto::JobDetails()); };
  Await("the state to be made", [&] {
    const proto::JobDetails now = details();
    return now.vertices_size() > 0 && now.vertices(0).operators(0).records_out() > job.keys + job.rate &&
           now.checkpoints().latest().state_bytes() >= job.keys * job.value_bytes;
  });
  state_bytes = details().checkpoints().latest().state_bytes();

  // One that has a worker.
  const auto& task_managers = cluster.task_managers();
  const auto victim = std::find_if(task_managers.begin(), task_managers.end(),
                                   [](const auto& one) { return !ChildrenOf(one->pid()).empty(); });
  const pid_t pid = what.whole_task_manager ? (*victim)->pid() : ChildrenOf((*victim)->pid()).front();
  const int64_t killed_ms = NowMs();
  kill(pid, SIGKILL);
  std::map<std::string, std::vector<int64_t>> marks;
  Await("the job to catch up", [&] {
    marks = MarksSince(job.marks, killed_ms);
    return marks["caught-up"].size() >= kParallelism;
  });
  const int64_t detected_ms = details().failures(0).time_ms();
  const auto last = [&](const char* what) { return *std::max_element(marks[what].begin(), marks[what].end()); };
  const auto first = [&](const char* what) { return *std::min_element(marks[what].begin(), marks[what].end()); };
  Recovery recovery;
  recovery.detect_ms = detected_ms - killed_ms;
  recovery.redeploy_ms = first("opened") - detected_ms;
  recovery.restore_ms = first("first") - first("opened");
  recovery.replay_ms = last("caught-up") - first("first");
  (void)client.CancelJob(job_id);
  Await("the job's end", [&] { return details().summary().state() == "CANCELED"; });
  return recovery;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Case> cases;
  for (const char* backend : {"hashmap", "rocksdb"}) {
    for (const bool whole_task_manager : {false, true}) {
      for (const bool local : {false, true}) cases.push_back({backend, whole_task_manager, local});
    }
  }
  for (int i = 1; i < argc; ++i) {
    std::erase_if(cases, [&](const Case& one) { return one.Name().find(argv[i]) == std::string::npos; });
  }
  fs::remove_all(Folder());
  for (const Case& one : cases) {
    int64_t state_bytes = 0;
    const Recovery recovery = Measure(one, state_bytes);
    fs::remove_all(Folder());  // nobody deletes checkpoints there any more
    const double aim_ms = one.backend == "rocksdb" ? 1'000 : 3'000;
    fmt::print(
        R"({{"name":"recovery","backend":"{}","killed":"{}","state_from":"{}","ratio":{:.3f},)"
        R"("ratio_to":"the aim of {:.0f} ms","to_first_record_ms":{},"detect_ms":{},"redeploy_ms":{},"restore_ms":{},)"
        R"("replay_ms":{},"state_bytes":{}}})"
        "\n",
        one.backend, one.whole_task_manager ? "TaskManager" : "worker", one.local ? "local copies" : "checkpoint",
        static_cast<double>(recovery.to_first_record_ms()) / aim_ms, aim_ms, recovery.to_first_record_ms(),
        recovery.detect_ms, recovery.redeploy_ms, recovery.restore_ms, recovery.replay_ms, state_bytes);
  }
}
