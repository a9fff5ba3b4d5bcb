// A worker's surroundings made of real threads: in a worker process, and in a process that runs its workers itself.
#pragma once

#include <functional>
#include <memory>

#include "base/executor.h"
#include "base/metrics.h"
#include "runtime/data_network.h"
#include "runtime/slot_runner.h"
#include "runtime/worker.h"
#include "taskmanager/in_process_launcher.h"

namespace eagre {

// Owns three threads (control, coordinators, and one that writes checkpoints), the slots' runners and the data network.
// Made and destroyed on any thread but its own.
class ThreadWorkerHost final : public WorkerHost {
 public:
  using JobLoader = decltype(WorkerEnvironment::load_job);

  // `metrics` null: a registry in this process's memory.
  ThreadWorkerHost(MetricLabels labels, std::unique_ptr<DataNetwork> network, std::unique_ptr<MetricRegistry> metrics,
                   JobLoader load_job);
  ~ThreadWorkerHost() override;
  WorkerEnvironment environment() override { return environment_; }
  // Before anything runs.
  void set_work_directory(std::string path) { environment_.work_directory = std::move(path); }

 private:
  std::unique_ptr<MetricRegistry> metrics_;
  std::unique_ptr<DataNetwork> network_;
  std::unique_ptr<SlotRunnerFactory> slots_;
  ThreadExecutor io_;
  ThreadExecutor coordinators_;
  ThreadExecutor executor_;
  WorkerEnvironment environment_;
};

// For workers that have no peers in other processes, so they need no port. Jobs are loaded by `load_job`, or from their
// library (api/job_library.h) when it is null.
WorkerHostFactory NewThreadWorkerHostFactory(MetricLabels labels, ThreadWorkerHost::JobLoader load_job = nullptr);

}  // namespace eagre
