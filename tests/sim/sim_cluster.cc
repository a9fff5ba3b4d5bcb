#include "tests/sim/sim_cluster.h"

#include <utility>

#include "base/metrics.h"

namespace eagre {
namespace {

// What a simulated worker needs of the outside.
class SimWorkerHost final : public WorkerHost {
 public:
  SimWorkerHost(SimScheduler& scheduler, SimNetwork& network, SlotRunnerFactory& slots,
                const SimCluster::JobBuilder& build)
      : executor_(scheduler, "worker"), coordinators_(scheduler, "coordinator"), network_(network.NewDataNetwork()) {
    environment_ = {.executor = &executor_,
                    .io = &executor_,
                    .coordinators = &coordinators_,
                    .slots = &slots,
                    .network = network_.get(),
                    .metrics = &metrics_,
                    .load_job = [&build](const proto::DeployWorker& deploy) -> StatusOr<std::unique_ptr<StreamGraph>> {
                      Configuration config;
                      EAGRE_RETURN_IF_ERROR(config.SetAll(deploy.config(), "deployed"));
                      return build(std::move(config));
                    }};
  }
  WorkerEnvironment environment() override { return environment_; }

 private:
  SimExecutor executor_;
  SimExecutor coordinators_;
  std::unique_ptr<DataNetwork> network_;
  MetricRegistry metrics_;
  WorkerEnvironment environment_;
};

}  // namespace

struct SimCluster::TaskManagerNode {
  explicit TaskManagerNode(SimScheduler& scheduler) : executor(scheduler, "taskmanager") {}
  SimExecutor executor;
  std::unique_ptr<InProcessWorkerLauncher> launcher;
  std::unique_ptr<TaskManager> task_manager;
};

SimCluster::SimCluster(uint64_t seed, int task_managers, int slots_each)
    : scheduler_(seed),
      network_(scheduler_, {}),
      random_(seed + 1),
      slot_runners_(scheduler_),
      job_manager_executor_(scheduler_, "jobmanager"),
      job_manager_(std::make_unique<JobManager>(job_manager_executor_, random_, JobManagerOptions{.version = "sim"})),
      artifacts_([](const proto::Artifact& artifact) -> StatusOr<std::string> { return artifact.file_name(); }) {
  for (int i = 0; i < task_managers; ++i) {
    auto node = std::make_unique<TaskManagerNode>(scheduler_);
    node->launcher = std::make_unique<InProcessWorkerLauncher>(
        [this](const proto::DeployWorker&) -> StatusOr<std::unique_ptr<WorkerHost>> {
          return std::make_unique<SimWorkerHost>(scheduler_, network_, slot_runners_, build_);
        },
        node->executor);
    TaskManagerOptions options;
    options.id = fmt::format("tm-{}", i);
    options.version = "sim";
    options.slots = slots_each;
    node->task_manager = std::make_unique<TaskManager>(
        options, TaskManagerEnvironment{.executor = &node->executor,
                                        .connect = [this] { return ConnectToJobManager(); },
                                        .launcher = node->launcher.get(),
                                        .artifacts = &artifacts_});
    task_managers_.push_back(std::move(node));
    TaskManager& task_manager = *task_managers_.back()->task_manager;
    task_managers_.back()->executor.Post([&task_manager] { task_manager.Start(); });
  }
}

SimCluster::~SimCluster() {
  // In production each of these ends on its executor; here there is one thread anyway.
  for (auto& node : task_managers_) node->task_manager.reset();
  job_manager_.reset();
}

std::unique_ptr<Link> SimCluster::ConnectToJobManager() {
  auto [task_manager_end, job_manager_end] = network_.NewLinkPair();
  job_manager_executor_.Post(
      [this, end = std::move(job_manager_end)]() mutable { job_manager_->OnTaskManagerConnected(std::move(end)); });
  return std::move(task_manager_end);
}

bool SimCluster::AllRegistered() const {
  for (const auto& node : task_managers_) {
    if (!node->task_manager->registered()) return false;
  }
  return true;
}

StatusOr<proto::JobDetails> SimCluster::RunJob(const JobBuilder& build,
                                               const std::map<std::string, std::string>& config, int64_t limit_ms) {
  build_ = build;
  if (!scheduler_.RunUntil([this] { return AllRegistered(); }, 60'000)) {
    return Internal("the TaskManagers did not register within a minute of virtual time");
  }
  Configuration client_config;
  EAGRE_RETURN_IF_ERROR(client_config.SetAll(config, "-D"));
  const std::unique_ptr<StreamGraph> graph = build(std::move(client_config));
  EAGRE_ASSIGN_OR_RETURN(const ChainedGraph chained, BuildJobGraph(*graph));
  proto::SubmitJobHeader header;
  *header.mutable_graph() = chained.job_graph;
  header.mutable_config()->insert(config.begin(), config.end());
  EAGRE_ASSIGN_OR_RETURN(const std::string job_id,
                         job_manager_->SubmitJob(header, std::make_shared<const StoredArtifact>()));
  proto::JobDetails last;
  bool ended = false;
  EAGRE_RETURN_IF_ERROR(job_manager_
                            ->WatchJob(job_id, 10'000,
                                       [&](const proto::JobDetails& details, bool is_last) {
                                         last = details;
                                         ended = is_last;
                                       })
                            .status());
  if (!scheduler_.RunUntil([&] { return ended; }, limit_ms)) {
    return Internal("the job was still {} after {} ms of virtual time: {}", last.summary().state(), limit_ms,
                    last.ShortDebugString());
  }
  // The workers go away after the job's end.
  scheduler_.RunUntil(
      [this] { return job_manager_->GetCluster().slots_available() == job_manager_->GetCluster().slots_total(); },
      60'000);
  return last;
}

}  // namespace eagre
