// How a worker comes to life: as a process (worker_process.h), inside this process (in_process_launcher.h), or as a
// fake in tests. The TaskManager's logic sees only this.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/link.h"
#include "base/metrics.h"
#include "base/status.h"
#include "proto/control.pb.h"

namespace eagre {

// How a worker ended.
struct WorkerExit {
  int exit_code = 0;
  int signal = 0;            // when a signal ended it, else 0
  std::string crash_report;  // what its crash handler wrote (base/crash_report.h); empty when it died without
};

// A worker that was started. Destroying it kills the worker; its exit is not reported any more then. Used and destroyed
// on the executor on which it was launched.
class WorkerHandle {
 public:
  virtual ~WorkerHandle() = default;
  // To the worker; messages sent before it listens are kept. Not started yet: the caller gives its handlers.
  virtual Link& link() = 0;
  // Ends the worker without its cooperation; returns at once, and on_exit tells later when it is gone. May be called
  // again.
  virtual void Kill() = 0;
};

class WorkerLauncher {
 public:
  virtual ~WorkerLauncher() = default;
  // Starts a worker for `deploy`, whose library_path is set. `on_exit` is called once, on the TaskManager's executor,
  // after Launch returned, when nothing of the worker is left. Fails with what the machine refused.
  virtual StatusOr<std::unique_ptr<WorkerHandle>> Launch(const proto::DeployWorker& deploy,
                                                         std::function<void(WorkerExit)> on_exit) = 0;
  // The metrics of all workers that live. Any thread.
  virtual std::vector<MetricSample> CollectMetrics() const { return {}; }
  // The processes of all workers that live in one of their own. Any thread.
  virtual std::vector<int> Processes() const { return {}; }
};

}  // namespace eagre
