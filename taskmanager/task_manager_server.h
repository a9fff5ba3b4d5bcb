// A whole TaskManager: the logic with its executor, launcher, artifact cache, gRPC client, work folder and metrics.
// What `eagre taskmanager` and `eagre local` start.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/executor.h"
#include "base/metrics.h"
#include "base/process_metrics.h"
#include "base/status.h"
#include "taskmanager/in_process_launcher.h"

namespace eagre {

class ArtifactCache;
class LocalStateFolders;
class RpcClient;
class TaskManager;
class WorkDirectory;
class WorkerLogs;

struct TaskManagerServerOptions {
  std::string id;  // empty: a new one
  std::string version;
  // Where the JobManager listens, host:port; empty: jobmanager.rpc.address and .port.
  std::string job_manager_address;
  // Workers as threads of this process (for `eagre local`) instead of processes of their own.
  bool in_process_workers = false;
  // The TaskManager was refused or found no JobManager in time; it does nothing any more. Called once, on the server's
  // own thread, from which Stop must not be called. May be empty.
  std::function<void(Status reason)> on_give_up;
};

class TaskManagerServer {
 public:
  // Makes the work folder and begins to connect; whether a JobManager is there yet does not matter.
  static StatusOr<std::unique_ptr<TaskManagerServer>> Start(const Configuration& config,
                                                            TaskManagerServerOptions options);
  ~TaskManagerServer();  // Stop

  // Leaves the JobManager, kills all workers, waits until they are gone and removes the work folder. Any thread but the
  // server's own; may be called again.
  void Stop();

  const std::string& id() const { return id_; }
  const std::string& host() const { return host_; }
  // True while the JobManager knows this TaskManager. Any thread.
  bool registered() const;

  // The process's own metrics and those of all live workers, under Flink's names, for Prometheus. Any thread.
  std::vector<MetricSample> CollectMetrics();

 private:
  TaskManagerServer(const Configuration& config, TaskManagerServerOptions options);
  Status Open(const Configuration& config);
  // Runs `task` on the executor and waits for it.
  void RunOnExecutor(Closure task) const;

  const TaskManagerServerOptions options_;
  const std::string id_;
  const std::string host_;
  // In the order of construction; Stop takes them down in the opposite one, but for the executor, which all use.
  std::unique_ptr<WorkDirectory> work_directory_;
  std::unique_ptr<ThreadExecutor> executor_;
  std::unique_ptr<LocalStateFolders> local_state_;
  std::unique_ptr<WorkerLogs> logs_;
  std::unique_ptr<RpcClient> rpc_;
  std::unique_ptr<ArtifactCache> artifacts_;
  std::unique_ptr<WorkerLauncher> launcher_;
  std::unique_ptr<TaskManager> task_manager_;  // on the executor

  mutable std::mutex lifecycle_mutex_;  // guards Stop and CollectMetrics against each other
  bool stopped_ = false;
  MetricRegistry registry_;
  std::unique_ptr<ProcessMetrics> process_metrics_;
  Gauge* slots_total_ = nullptr;
  Gauge* slots_available_ = nullptr;
};

}  // namespace eagre
