#include <unistd.h>

#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/link.h"
#include "base/random.h"
#include "cli/commands.h"
#include "cli/job_cluster.h"
#include "eagre/job_stamp.h"
#include "jobmanager/job_manager.h"
#include "jobmanager/restore_check.h"
#include "state/state_backend_factory.h"
#include "taskmanager/artifact_fetcher.h"
#include "taskmanager/in_process_launcher.h"
#include "taskmanager/task_manager.h"
#include "taskmanager/thread_worker_host.h"

namespace eagre {
namespace {

constexpr const char* kLocalHost = "localhost";

// Runs `action` on the executor and waits for its result.
template <typename Action>
auto RunOn(Executor& executor, Action action) -> decltype(action()) {
  std::promise<decltype(action())> result;
  executor.Post([&] {
    if constexpr (std::is_void_v<decltype(action())>) {
      action();
      result.set_value();
    } else {
      result.set_value(action());
    }
  });
  return result.get_future().get();
}

TaskManagerOptions LocalTaskManagerOptions(const Configuration& config, Random& random, int slots) {
  TaskManagerOptions options;
  options.id = NewHexId(random);
  options.host = kLocalHost;
  options.version = EAGRE_VERSION;
  options.pid = getpid();
  options.slots = slots;
  options.slot_memory_bytes = SlotMemoryBytes(config, slots);
  options.heartbeat_interval_ms = config.GetDurationMs("heartbeat.interval");
  options.heartbeat_timeout_ms = config.GetDurationMs("heartbeat.timeout");
  options.deployment_timeout_ms = config.GetDurationMs("task.deployment.timeout");
  options.cancellation_timeout_ms = config.GetDurationMs("task.cancellation.timeout");
  return options;
}

// Both daemons' logic on one thread; the workers have threads of their own.
class LocalCluster final : public JobCluster {
 public:
  LocalCluster(const Configuration& config, int slots)
      : random_(NewSystemRandom()),
        artifacts_([](const proto::Artifact& artifact) -> StatusOr<std::string> { return artifact.file_name(); }) {
    RunOn(executor_, [&] { Start(config, slots); });
  }

  ~LocalCluster() override {
    std::promise<void> stopped;
    executor_.Post([&] { task_manager_->Stop([&] { stopped.set_value(); }); });
    stopped.get_future().wait();
    RunOn(executor_, [this] {
      task_manager_.reset();
      job_manager_.reset();
    });
    io_.Stop();
    executor_.Stop();
  }

  StatusOr<std::string> Submit(const proto::SubmitJobHeader& header, const std::string& library) override {
    // There is one copy of the library: the user's file, under its own path.
    auto artifact = std::make_shared<StoredArtifact>();
    artifact->info = header.artifact();
    artifact->info.set_file_name(library);
    artifact->path = library;
    std::optional<proto::CheckpointMetadata> restored;
    if (!header.restore_from().empty()) {
      EAGRE_ASSIGN_OR_RETURN(restored, ReadRestorePoint(PosixFileSystem(), header.restore_from()));
    }
    return RunOn(executor_, [&] { return job_manager_->SubmitJob(header, artifact, restored); });
  }

  StatusOr<proto::JobDetails> Watch(const std::string& job_id, int64_t interval_ms,
                                    std::function<void(const proto::JobDetails&)> on_progress) override {
    std::promise<proto::JobDetails> ended;
    const auto watcher = [&](const proto::JobDetails& details, bool last) {
      on_progress(details);
      if (last) ended.set_value(details);
    };
    const StatusOr<uint64_t> watch =
        RunOn(executor_, [&] { return job_manager_->WatchJob(job_id, interval_ms, watcher); });
    if (!watch.ok()) return watch.status();
    return ended.get_future().get();
  }

  Status Cancel(const std::string& job_id) override {
    return RunOn(executor_, [&] { return job_manager_->CancelJob(job_id); });
  }

  StatusOr<std::string> StopWithSavepoint(const std::string& job_id, const std::string& directory) override {
    std::promise<StatusOr<std::string>> stopped;
    executor_.Post([&] {
      job_manager_->StopJob(job_id, {.directory = directory}, /*drain=*/false,
                            [&stopped](const StatusOr<CheckpointCoordinator::Completed>& savepoint) {
                              if (!savepoint.ok()) return stopped.set_value(savepoint.status());
                              stopped.set_value(savepoint->path);
                            });
    });
    return stopped.get_future().get();
  }

 private:
  void Start(const Configuration& config, int slots) {
    JobManagerOptions options;
    options.version = EAGRE_VERSION;
    options.host = kLocalHost;
    options.config = config;
    options.io = &io_;
    job_manager_ = std::make_unique<JobManager>(executor_, *random_, std::move(options));
    const TaskManagerOptions task_manager = LocalTaskManagerOptions(config, *random_, slots);
    launcher_ = std::make_unique<InProcessWorkerLauncher>(
        NewThreadWorkerHostFactory({{"host", kLocalHost}, {"tm_id", task_manager.id}}), executor_);
    TaskManagerEnvironment environment;
    environment.executor = &executor_;
    environment.connect = [this] {
      auto [ours, theirs] = NewMemoryLinkPair();
      job_manager_->OnTaskManagerConnected(std::move(theirs));
      return std::move(ours);
    };
    environment.launcher = launcher_.get();
    environment.artifacts = &artifacts_;
    task_manager_ = std::make_unique<TaskManager>(task_manager, environment);
    task_manager_->Start();
  }

  const std::unique_ptr<Random> random_;
  LocalArtifactFetcher artifacts_;
  ThreadExecutor executor_{"cluster"};
  ThreadExecutor io_{"cluster-io"};
  std::unique_ptr<InProcessWorkerLauncher> launcher_;
  std::unique_ptr<JobManager> job_manager_;
  std::unique_ptr<TaskManager> task_manager_;
};

}  // namespace

std::unique_ptr<JobCluster> NewLocalCluster(const Configuration& config, int slots) {
  return std::make_unique<LocalCluster>(config, slots);
}

}  // namespace eagre
