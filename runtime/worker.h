// A worker: everything of one job's attempt that runs on one TaskManager.
//
// It speaks only to its TaskManager (over the Link) and, for data, to the attempt's other workers. It is a state
// machine on one Executor: Deploy (load the library, rebuild the graph, compare digests, open the data port) ->
// WorkerReady -> Start (connect, run the slots) -> WorkerReport... -> WorkerFinished, or TaskFailed, or CancelWorker.
// The same class runs in a process of its own, inside `eagre local`, and in the simulator: the environment decides.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/link.h"
#include "base/metrics.h"
#include "base/status.h"
#include "proto/control.pb.h"

namespace eagre {

class DataNetwork;
class FileSystem;
class SlotRunnerFactory;
class StreamGraph;

// What a worker needs of the outside. Everything outlives the worker.
struct WorkerEnvironment {
  Executor* executor = nullptr;      // the worker's control thread; of user code it builds the graph only
  Executor* io = nullptr;            // writes checkpoints: waits for the disk
  FileSystem* files = nullptr;       // where checkpoints are
  Executor* coordinators = nullptr;  // where operator coordinators (split enumerators) run: user code, may be slow
  SlotRunnerFactory* slots = nullptr;
  DataNetwork* network = nullptr;
  std::string work_directory;         // for files that need not outlive the worker; empty: eagre.work.dir of the job
  MetricRegistry* metrics = nullptr;  // of this attempt alone
  MetricLabels labels;                // host and tm_id, put on every metric
  // Loads the job's library and runs its entry point. May throw nothing; failures name the library.
  std::function<StatusOr<std::unique_ptr<StreamGraph>>(const proto::DeployWorker&)> load_job;
};

class Worker {
 public:
  Worker(WorkerEnvironment environment, std::unique_ptr<Link> task_manager);
  ~Worker();  // on the executor, or after it stopped; stops the slots

  // Begins to serve the link. `on_done` is called once on the executor, when the attempt is over for this worker
  // (finished, failed, cancelled) or the TaskManager is gone: a worker process then exits.
  void Start(std::function<void()> on_done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eagre
