#include "taskmanager/in_process_launcher.h"

#include <csignal>
#include <mutex>
#include <utility>

namespace eagre {

struct InProcessWorkerLauncher::Registries {
  mutable std::mutex mutex;
  std::vector<MetricRegistry*> live;
};

// A worker and its surroundings. Held by its handle and by what is posted on its behalf.
struct InProcessWorkerLauncher::Instance {
  std::unique_ptr<WorkerHost> host;
  WorkerEnvironment environment;
  Executor* task_manager_executor = nullptr;
  std::shared_ptr<Registries> registries;
  std::unique_ptr<Worker> worker;           // on its own executor
  bool killed = false;                      // on the worker's executor
  std::function<void(WorkerExit)> on_exit;  // on the TaskManager's executor; empty when nobody wants to know

  // On the worker's executor, outside of the worker's own calls.
  static void End(const std::shared_ptr<Instance>& self) {
    if (self->worker == nullptr) return;
    self->worker.reset();
    WorkerExit exit;
    if (self->killed) exit.signal = SIGKILL;
    self->task_manager_executor->Post([self, exit] {
      {
        std::lock_guard lock(self->registries->mutex);
        std::erase(self->registries->live, self->environment.metrics);
      }
      self->host.reset();
      if (self->on_exit) std::exchange(self->on_exit, nullptr)(exit);
    });
  }

  static void Kill(const std::shared_ptr<Instance>& self) {
    if (self->host == nullptr) return;
    self->environment.executor->Post([self] {
      self->killed = true;
      End(self);
    });
  }
};

class InProcessWorkerLauncher::Handle final : public WorkerHandle {
 public:
  Handle(std::shared_ptr<Instance> instance, std::unique_ptr<Link> link)
      : instance_(std::move(instance)), link_(std::move(link)) {}
  ~Handle() override {
    instance_->on_exit = nullptr;
    Instance::Kill(instance_);
  }
  Link& link() override { return *link_; }
  void Kill() override { Instance::Kill(instance_); }

 private:
  std::shared_ptr<Instance> instance_;
  std::unique_ptr<Link> link_;
};

InProcessWorkerLauncher::InProcessWorkerLauncher(WorkerHostFactory factory, Executor& executor)
    : factory_(std::move(factory)), executor_(executor), registries_(std::make_shared<Registries>()) {}

InProcessWorkerLauncher::~InProcessWorkerLauncher() = default;

StatusOr<std::unique_ptr<WorkerHandle>> InProcessWorkerLauncher::Launch(const proto::DeployWorker& deploy,
                                                                        std::function<void(WorkerExit)> on_exit) {
  auto instance = std::make_shared<Instance>();
  EAGRE_ASSIGN_OR_RETURN(instance->host, factory_(deploy));
  instance->environment = instance->host->environment();
  instance->task_manager_executor = &executor_;
  instance->registries = registries_;
  instance->on_exit = std::move(on_exit);
  {
    std::lock_guard lock(registries_->mutex);
    registries_->live.push_back(instance->environment.metrics);
  }
  auto [ours, theirs] = NewMemoryLinkPair();
  instance->worker = std::make_unique<Worker>(instance->environment, std::move(theirs));
  instance->environment.executor->Post([instance] {
    if (instance->worker == nullptr) return;  // killed already
    // Posted, because the worker must not be destroyed inside its own call.
    instance->worker->Start(
        [instance] { instance->environment.executor->Post([instance] { Instance::End(instance); }); });
  });
  return std::make_unique<Handle>(std::move(instance), std::move(ours));
}

std::vector<MetricSample> InProcessWorkerLauncher::CollectMetrics() const {
  std::vector<MetricSample> samples;
  std::lock_guard lock(registries_->mutex);
  for (const MetricRegistry* registry : registries_->live) {
    std::vector<MetricSample> more = registry->Collect();
    std::move(more.begin(), more.end(), std::back_inserter(samples));
  }
  return samples;
}

}  // namespace eagre
