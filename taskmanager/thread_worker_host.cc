#include "taskmanager/thread_worker_host.h"

#include <sys/resource.h>

#include <utility>

#include "api/job_library.h"
#include "base/crash_report.h"
#include "base/file_system.h"
#include "runtime/local_data_network.h"

namespace eagre {
namespace {

// User code runs on this thread too (initialisers of a library, enumerators): its stack may overflow.
void GiveAltStack(Executor& executor) {
  executor.Post([] { static thread_local ScopedAltStack alternate_stack; });
}

// What it does must not take a processor from a slot that has records: a slot that wakes up waits for up to some
// milliseconds behind a thread of its own priority.
void GiveWay(Executor& executor) {
  constexpr int kNice = 5;
  executor.Post([] { (void)::setpriority(PRIO_PROCESS, 0, kNice); });  // of this thread
}

}  // namespace

ThreadWorkerHost::ThreadWorkerHost(MetricLabels labels, std::unique_ptr<DataNetwork> network,
                                   std::unique_ptr<MetricRegistry> metrics, JobLoader load_job)
    : metrics_(metrics != nullptr ? std::move(metrics) : std::make_unique<MetricRegistry>()),
      network_(std::move(network)),
      slots_(NewThreadSlotRunnerFactory(network_.get())),
      io_("checkpoints"),
      coordinators_("coordinators"),
      executor_("worker") {
  GiveAltStack(executor_);
  GiveAltStack(coordinators_);
  GiveWay(io_);
  environment_.executor = &executor_;
  environment_.io = &io_;
  environment_.files = &PosixFileSystem();
  environment_.coordinators = &coordinators_;
  environment_.slots = slots_.get();
  environment_.network = network_.get();
  environment_.metrics = metrics_.get();
  environment_.labels = std::move(labels);
  environment_.load_job =
      load_job ? std::move(load_job) : [](const proto::DeployWorker& deploy) { return LoadJob(deploy); };
}

ThreadWorkerHost::~ThreadWorkerHost() = default;

WorkerHostFactory NewThreadWorkerHostFactory(MetricLabels labels, ThreadWorkerHost::JobLoader load_job) {
  return [labels, load_job](const proto::DeployWorker&) -> StatusOr<std::unique_ptr<WorkerHost>> {
    return std::make_unique<ThreadWorkerHost>(labels, NewLocalDataNetwork(), nullptr, load_job);
  };
}

}  // namespace eagre
