// A whole JobManager: the logic with its executor, artifact store, port and metrics. What `eagre jobmanager` and
// `eagre local` start. A cluster inside one process needs none of this: there JobManager alone, with TaskManagers on
// memory links, does.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/executor.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/status.h"

namespace eagre {

class ArtifactStore;
class JobManager;
class JobStore;
class ProcessMetrics;
class RpcServer;
class WorkDirectory;

class JobManagerServer {
 public:
  // Makes the work folder and listens on jobmanager.bind-host : jobmanager.rpc.port. `version` is this build's.
  // `on_replaced` is called once, on a thread of the server's, when another JobManager uses
  // high-availability.storageDir: this one is to be stopped.
  static StatusOr<std::unique_ptr<JobManagerServer>> Start(const Configuration& config, const std::string& version,
                                                           std::function<void()> on_replaced = nullptr);
  ~JobManagerServer();  // Stop

  // Closes all streams, forgets all jobs (their workers end with the streams of their TaskManagers) and removes the
  // work folder. Any thread; may be called again.
  void Stop();
  // Why it was to be stopped, when another JobManager took its place; else OK. After Stop.
  const Status& replaced() const { return replaced_; }

  // The port in use, also when the configuration asks for any.
  int port() const { return port_; }
  // The JobManager's, its jobs' and the process's metrics, for Prometheus. Empty after Stop. Any thread.
  std::vector<MetricSample> CollectMetrics();

 private:
  JobManagerServer();
  Status Open(const Configuration& config, const std::string& version, std::function<void()> on_replaced);
  // Takes up what the JobManager before this one had stored, before anybody can ask for it.
  Status RecoverJobs(JobStore& store);
  // Runs `task` on the executor and waits for it.
  void RunOnExecutor(Closure task);

  const std::unique_ptr<Random> random_;
  // In the order of construction; Stop takes them down in the opposite one, but for the executor, which all use.
  std::unique_ptr<WorkDirectory> work_directory_;
  std::unique_ptr<ThreadExecutor> executor_;
  std::unique_ptr<ThreadExecutor> io_;  // writes and deletes checkpoints
  std::unique_ptr<ArtifactStore> artifacts_;
  std::unique_ptr<JobStore> store_;          // null: jobs are in memory only. Used on io_
  std::unique_ptr<JobManager> job_manager_;  // on the executor
  std::unique_ptr<RpcServer> rpc_;
  int port_ = 0;
  Status replaced_;  // set on the executor

  std::mutex lifecycle_mutex_;  // guards Stop and CollectMetrics against each other
  bool stopped_ = false;
  MetricRegistry registry_;
  std::unique_ptr<ProcessMetrics> process_metrics_;
};

}  // namespace eagre
