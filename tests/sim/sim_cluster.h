// A whole cluster on one scheduler: the real JobManager, TaskManagers and workers, joined by the simulated network.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "jobmanager/job_manager.h"
#include "proto/client.pb.h"
#include "runtime/stream_graph.h"
#include "taskmanager/artifact_fetcher.h"
#include "taskmanager/in_process_launcher.h"
#include "taskmanager/task_manager.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_scheduler.h"
#include "tests/sim/sim_slot_runner.h"

namespace eagre {

class SimCluster {
 public:
  // Builds the job's graph, in the client and again in every worker.
  using JobBuilder = std::function<std::unique_ptr<StreamGraph>(Configuration config)>;

  SimCluster(uint64_t seed, int task_managers, int slots_each);
  ~SimCluster();

  // Submits the job as soon as all TaskManagers are registered, and runs the world until the job has ended. The failure
  // says how far it came.
  StatusOr<proto::JobDetails> RunJob(const JobBuilder& build, const std::map<std::string, std::string>& config,
                                     int64_t limit_ms = 3'600'000);

  SimScheduler& scheduler() { return scheduler_; }

 private:
  struct TaskManagerNode;
  std::unique_ptr<Link> ConnectToJobManager();
  bool AllRegistered() const;

  SimScheduler scheduler_;
  SimNetwork network_;
  SeededRandom random_;
  SimSlotRunnerFactory slot_runners_;
  SimExecutor job_manager_executor_;
  std::unique_ptr<JobManager> job_manager_;
  JobBuilder build_;
  LocalArtifactFetcher artifacts_;
  std::vector<std::unique_ptr<TaskManagerNode>> task_managers_;
};

}  // namespace eagre
