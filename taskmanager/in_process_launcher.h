// Workers inside this process: for `eagre local`, for `eagre run` without a cluster, and for the simulator, which
// brings an environment of its own. User code shares the process, so a crash of it is a crash of all, and user code
// that never returns cannot be killed: its worker then never exits.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/executor.h"
#include "runtime/worker.h"
#include "taskmanager/worker_launcher.h"

namespace eagre {

// Owns what one worker needs of the outside. Made on the TaskManager's executor, destroyed there after the worker.
class WorkerHost {
 public:
  virtual ~WorkerHost() = default;
  // Points at what the host owns or knows to outlive it.
  virtual WorkerEnvironment environment() = 0;
};

using WorkerHostFactory = std::function<StatusOr<std::unique_ptr<WorkerHost>>(const proto::DeployWorker&)>;

// Launch and the handles belong to the executor; CollectMetrics may be called on any thread.
class InProcessWorkerLauncher final : public WorkerLauncher {
 public:
  InProcessWorkerLauncher(WorkerHostFactory factory, Executor& executor);
  // `executor` outlives it and every worker. All workers have exited, or their executors never run again.
  ~InProcessWorkerLauncher() override;

  StatusOr<std::unique_ptr<WorkerHandle>> Launch(const proto::DeployWorker& deploy,
                                                 std::function<void(WorkerExit)> on_exit) override;
  std::vector<MetricSample> CollectMetrics() const override;

 private:
  struct Instance;
  struct Registries;
  class Handle;

  const WorkerHostFactory factory_;
  Executor& executor_;
  const std::shared_ptr<Registries> registries_;  // of the live workers; outlives a worker that ends late
};

}  // namespace eagre
