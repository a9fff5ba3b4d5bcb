#include "taskmanager/task_manager_server.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <set>
#include <utility>

#include "base/ids.h"
#include "base/logging.h"
#include "base/random.h"
#include "base/work_directory.h"
#include "state/state_backend_factory.h"
#include "taskmanager/artifact_cache.h"
#include "taskmanager/local_state_folders.h"
#include "taskmanager/rpc_client.h"
#include "taskmanager/task_manager.h"
#include "taskmanager/thread_worker_host.h"
#include "taskmanager/worker_logs.h"
#include "taskmanager/worker_main.h"
#include "taskmanager/worker_process.h"

namespace eagre {
namespace {

// For killed workers to go away. Longer only when user code in this process hangs, or the kernel cannot end a process.
constexpr std::chrono::seconds kStopTimeout{10};
constexpr char kLocalStateFolder[] = "local-state";

// Under which peers and users know this machine.
std::string AdvertisedHost(const Configuration& config) {
  std::string host = config.GetString("taskmanager.host");
  if (host.empty()) host = config.GetString("taskmanager.bind-host");
  if (host != "0.0.0.0" && host != "::") return host;
  char name[256] = "localhost";
  gethostname(name, sizeof(name) - 1);
  return name;
}

std::string JobManagerAddress(const Configuration& config) {
  std::string host = config.GetString("jobmanager.rpc.address");
  if (host.empty()) host = "localhost";
  if (host.find(':') != std::string::npos && host.front() != '[') host = "[" + host + "]";
  return fmt::format("{}:{}", host, config.GetInt("jobmanager.rpc.port"));
}

TaskManagerOptions LogicOptions(const Configuration& config, const std::string& id, const std::string& host,
                                const std::string& version) {
  TaskManagerOptions options;
  options.id = id;
  options.host = host;
  options.version = version;
  options.pid = getpid();
  options.slots = static_cast<int>(config.GetInt("taskmanager.numberOfTaskSlots"));
  options.slot_memory_bytes = SlotMemoryBytes(config, options.slots);
  options.heartbeat_interval_ms = std::max<int64_t>(config.GetDurationMs("heartbeat.interval"), 1);
  options.heartbeat_timeout_ms = std::max<int64_t>(config.GetDurationMs("heartbeat.timeout"), 1);
  options.deployment_timeout_ms = config.GetDurationMs("task.deployment.timeout");
  options.cancellation_timeout_ms = config.GetDurationMs("task.cancellation.timeout");
  options.reconnect_max_backoff_ms = std::max<int64_t>(config.GetDurationMs("cluster.registration.error-delay"), 1);
  options.registration_timeout_ms = config.GetDurationMs("taskmanager.registration.timeout");
  return options;
}

ProcessLauncherOptions WorkerProcessOptions(const Configuration& config, const std::string& id, const std::string& host,
                                            const std::string& work_directory) {
  WorkerSettings settings;
  settings.task_manager_id = id;
  settings.host = host;
  settings.bind_host = config.GetString("taskmanager.bind-host");
  const PortRange ports = config.GetPortRange("taskmanager.data.port");
  settings.first_data_port = ports.first;
  settings.last_data_port = ports.last;
  settings.log_level = config.GetString("env.log.level");
  ProcessLauncherOptions options;
  options.work_directory = work_directory;
  for (std::string& argument : settings.ToArguments()) options.arguments.push_back(std::move(argument));
  return options;
}

}  // namespace

TaskManagerServer::TaskManagerServer(const Configuration& config, TaskManagerServerOptions options)
    : options_(std::move(options)),
      id_(options_.id.empty() ? NewHexId(*NewSystemRandom()) : options_.id),
      host_(AdvertisedHost(config)) {}

TaskManagerServer::~TaskManagerServer() {
  Stop();
}

StatusOr<std::unique_ptr<TaskManagerServer>> TaskManagerServer::Start(const Configuration& config,
                                                                      TaskManagerServerOptions options) {
  std::unique_ptr<TaskManagerServer> server(new TaskManagerServer(config, std::move(options)));
  EAGRE_RETURN_IF_ERROR(server->Open(config));
  return server;
}

Status TaskManagerServer::Open(const Configuration& config) {
  EAGRE_ASSIGN_OR_RETURN(work_directory_,
                         WorkDirectory::Create(config.GetString("eagre.work.dir"), "taskmanager", id_));
  const MetricLabels labels = {{"host", host_}, {"tm_id", id_}};
  process_metrics_ = std::make_unique<ProcessMetrics>(registry_, "flink_taskmanager", labels, SystemClock());
  slots_total_ = &registry_.AddGauge("flink_taskmanager_taskSlotsTotal", labels, "Slots of this TaskManager");
  slots_available_ = &registry_.AddGauge("flink_taskmanager_taskSlotsAvailable", labels, "Slots that run nothing");

  executor_ = std::make_unique<ThreadExecutor>("taskmanager");
  local_state_ = std::make_unique<LocalStateFolders>(config.GetString("taskmanager.state.local.root-dirs").empty()
                                                         ? JoinPath(work_directory_->path(), kLocalStateFolder)
                                                         : config.GetString("taskmanager.state.local.root-dirs"));
  logs_ = std::make_unique<WorkerLogs>(JoinPath(work_directory_->path(), "logs"),
                                       config.GetBytes("taskmanager.worker-output.max-size"));
  RpcClientOptions rpc;
  rpc.address = options_.job_manager_address.empty() ? JobManagerAddress(config) : options_.job_manager_address;
  rpc.log_label = fmt::format("tm {} @ {}", id_, host_);
  rpc_ = std::make_unique<RpcClient>(std::move(rpc), *logs_);
  artifacts_ =
      std::make_unique<ArtifactCache>(JoinPath(work_directory_->path(), "artifacts"),
                                      config.GetBytes("artifact-cache.max-size"), PosixFileSystem(), *executor_, *rpc_);
  if (options_.in_process_workers) {
    launcher_ = std::make_unique<InProcessWorkerLauncher>(NewThreadWorkerHostFactory(labels), *executor_);
  } else {
    launcher_ = std::make_unique<ProcessWorkerLauncher>(
        WorkerProcessOptions(config, id_, host_, JoinPath(work_directory_->path(), "workers")), *logs_, *executor_);
  }
  TaskManagerEnvironment environment;
  environment.executor = executor_.get();
  environment.connect = [this] { return rpc_->Connect(); };
  environment.launcher = launcher_.get();
  environment.artifacts = artifacts_.get();
  environment.collect_logs = [this](const proto::CollectLogs& request) { rpc_->PushLogs(request); };
  environment.delete_logs = [this](const std::string& job) { logs_->DeleteJob(job); };
  environment.delete_other_logs = [this](const std::set<std::string>& jobs) { logs_->DeleteOtherJobs(jobs); };
  environment.delete_local_state = [this](const std::string& job) { local_state_->DeleteJob(job); };
  environment.delete_other_local_state = [this](const std::set<std::string>& jobs) {
    local_state_->DeleteOtherJobs(jobs);
  };
  environment.on_give_up = options_.on_give_up;
  TaskManagerOptions logic = LogicOptions(config, id_, host_, options_.version);
  logic.local_state_directory = local_state_->directory();
  task_manager_ = std::make_unique<TaskManager>(std::move(logic), environment);
  executor_->Post([this] { task_manager_->Start(); });
  return OkStatus();
}

void TaskManagerServer::RunOnExecutor(Closure task) const {
  std::promise<void> done;
  executor_->Post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

void TaskManagerServer::Stop() {
  std::lock_guard lock(lifecycle_mutex_);
  if (std::exchange(stopped_, true) || executor_ == nullptr) return;
  auto stopped = std::make_shared<std::promise<void>>();
  executor_->Post([this, stopped] { task_manager_->Stop([stopped] { stopped->set_value(); }); });
  if (stopped->get_future().wait_for(kStopTimeout) != std::future_status::ready) {
    EAGRE_LOG_ERROR("workers do not end; leaving them");
  }
  RunOnExecutor([this] { task_manager_.reset(); });
  RunOnExecutor([] {});  // what the logic had put off runs before: it holds the last links
  rpc_.reset();
  executor_->Stop();
  launcher_.reset();
  artifacts_.reset();
  local_state_.reset();
  work_directory_.reset();
}

bool TaskManagerServer::registered() const {
  std::lock_guard lock(lifecycle_mutex_);
  if (stopped_) return false;
  bool result = false;
  RunOnExecutor([&] { result = task_manager_->registered(); });
  return result;
}

std::vector<MetricSample> TaskManagerServer::CollectMetrics() {
  std::lock_guard lock(lifecycle_mutex_);
  if (stopped_) return {};
  int used = 0, total = 0;
  RunOnExecutor([&] {
    used = task_manager_->used_slots();
    total = task_manager_->slots();
  });
  slots_total_->Set(total);
  slots_available_->Set(total - used);
  process_metrics_->Update(launcher_->Processes());
  std::vector<MetricSample> samples = registry_.Collect();
  std::vector<MetricSample> of_workers = launcher_->CollectMetrics();
  std::move(of_workers.begin(), of_workers.end(), std::back_inserter(samples));
  return samples;
}

}  // namespace eagre
