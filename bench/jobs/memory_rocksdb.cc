// How large the workers of two TaskManagers become that hold on RocksDB several times the state that they may have in
// memory, all of which changes as fast as it goes, with a checkpoint every second and half of the records from the
// other: the most memory of its own (RssAnon) that one has, beside taskmanager.memory.managed.size and what
// docs/state.md says comes on top.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/cluster_processes.h"
#include "bench/jobs/stateful_run.h"

using namespace eagre::bench;

namespace {

namespace fs = std::filesystem;

constexpr int kTaskManagers = 2;
constexpr int kSlots = 2;  // of each
constexpr int64_t kMiB = int64_t{1} << 20;
// As in docs/state.md.
constexpr int64_t kOverheadOfWorker = 64 * kMiB;
constexpr int64_t kOverheadOfSlot = 96 * kMiB;

// Looks at the children of TaskManagers: each is a worker.
class WorkerWatch {
 public:
  explicit WorkerWatch(BenchCluster& cluster) : cluster_(cluster), thread_([this] { Run(); }) {}
  ~WorkerWatch() {
    stopped_ = true;
    thread_.join();
  }
  int64_t most_bytes() const { return most_bytes_; }

 private:
  void Run() {
    while (!stopped_) {
      for (const auto& task_manager : cluster_.task_managers()) {
        for (const pid_t worker : ChildrenOf(task_manager->pid())) {
          most_bytes_ = std::max(most_bytes_.load(), AnonymousBytes(worker));
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  static int64_t AnonymousBytes(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/status", pid));
    for (std::string word; file >> word;) {
      if (word != "RssAnon:") continue;
      int64_t kib = 0;
      file >> kib;
      return kib * 1024;
    }
    return 0;
  }

  BenchCluster& cluster_;
  std::atomic<bool> stopped_ = false;
  std::atomic<int64_t> most_bytes_ = 0;
  std::thread thread_;
};

}  // namespace

int main() {
  const int64_t managed = std::max<int64_t>(static_cast<int64_t>(256 * Scale()), 16) * kMiB;
  StatefulJob job;
  job.value_bytes = 1'000;
  job.keys = 4 * kTaskManagers * managed / 1'000;
  job.measure_from = job.keys;
  job.events = job.keys * 3;
  const std::string folder = fs::absolute(DataFolder()).string() + "/memory-rocksdb";
  fs::remove_all(folder);
  fs::create_directories(folder);
  job.report = folder + "/report";
  std::vector<std::string> arguments = job.Arguments();
  arguments.erase(arguments.begin(), arguments.begin() + 2);  // the library and "--"
  BenchCluster cluster(kTaskManagers, kSlots, {fmt::format("taskmanager.memory.managed.size={}", managed)});
  const double started = MonotonicSeconds();
  int64_t most_bytes = 0;
  {
    WorkerWatch watch(cluster);
    cluster.Run("stateful_job", kTaskManagers * kSlots, arguments,
                {"state.backend.type=rocksdb", "execution.checkpointing.interval=1s",
                 "execution.checkpointing.dir=" + folder + "/checkpoints", "state.backend.rocksdb.localdir=" + folder});
    most_bytes = watch.most_bytes();
  }
  const double seconds = MonotonicSeconds() - started;
  fs::remove_all(folder);
  const int64_t budget = managed + kOverheadOfWorker + kSlots * kOverheadOfSlot;
  const auto mib = [](int64_t bytes) { return static_cast<double>(bytes) / kMiB; };
  fmt::print(
      R"({{"name":"memory_rocksdb","ratio":{:.3f},"ratio_to":"managed size and documented overhead","most_mib":{:.0f},)"
      R"("managed_mib":{:.0f},"over_managed_mib":{:.0f},"documented_overhead_mib":{:.0f},"state_mib":{:.0f},)"
      R"("task_managers":{},"slots_each":{},"events_per_second":{:.0f}}})"
      "\n",
      static_cast<double>(most_bytes) / static_cast<double>(budget), mib(most_bytes), mib(managed),
      mib(most_bytes - managed), mib(budget - managed), mib(job.keys * job.value_bytes), kTaskManagers, kSlots,
      static_cast<double>(job.events) / seconds);
}
