#include "tests/sim/sim_cluster.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/metrics.h"
#include "jobmanager/job_manager.h"
#include "jobmanager/job_store.h"
#include "runtime/worker.h"
#include "taskmanager/artifact_fetcher.h"
#include "taskmanager/task_manager.h"
#include "taskmanager/worker_launcher.h"

namespace eagre {
namespace {

constexpr char kStoreFolder[] = "/ha";
constexpr char kLibrary[] = "/libraries/job.so";
constexpr size_t kMetricBytes = size_t{64} << 10;
constexpr int64_t kWatchIntervalMs = 10'000;

}  // namespace

// ---- processes; what is declared first ends last ----

struct SimCluster::JobManagerProcess {
  JobManagerProcess(SimCluster& cluster, uint64_t process_id)
      : id(process_id),
        process{.name = "jobmanager", .machine = kJobManager},
        files(cluster.scheduler_, cluster.disk_, &process, &cluster.options_.files),
        store(files, kStoreFolder, NewHexId(cluster.random_)),
        io(cluster.scheduler_, "jobmanager-io", &process, cluster.options_.io_delay_ns),
        executor(cluster.scheduler_, "jobmanager", &process) {
    JobManagerOptions options{.version = "sim"};
    options.io = &io;
    options.files = &files;
    options.store = &store;
    options.on_replaced = [this, &cluster](const Status&) { cluster.OnReplaced(*this); };
    job_manager = std::make_unique<JobManager>(executor, cluster.random_, std::move(options));
  }

  const uint64_t id;
  SimProcess process;
  SimFiles files;
  JobStore store;
  SimExecutor io;
  SimExecutor executor;
  std::unique_ptr<JobManager> job_manager;
  bool accepting = false;
};

struct SimCluster::TaskManagerNode {
  int index = 0;
  int starts = 0;
  TaskManagerProcess* running = nullptr;
};

// A worker and its surroundings.
struct SimCluster::WorkerProcess {
  WorkerProcess(SimCluster& cluster, uint64_t process_id, TaskManagerProcess& parent, int machine)
      : id(process_id),
        task_manager(&parent),
        process{.name = "worker", .machine = machine},
        files(cluster.scheduler_, cluster.disk_, &process, &cluster.options_.files),
        metrics(kMetricBytes),
        io(cluster.scheduler_, "worker-io", &process, cluster.options_.io_delay_ns),
        coordinators(cluster.scheduler_, "coordinator", &process),
        executor(cluster.scheduler_, "worker", &process),
        slots(cluster.scheduler_, &process, cluster.options_.pace),
        network(cluster.network_.NewDataNetwork(&process)) {
    environment = {
        .executor = &executor,
        .io = &io,
        .files = &files,
        .coordinators = &coordinators,
        .slots = &slots,
        .network = network.get(),
        .metrics = &metrics,
        .load_job = [this, &cluster](const proto::DeployWorker& deploy) -> StatusOr<std::unique_ptr<StreamGraph>> {
          Configuration config;
          EAGRE_RETURN_IF_ERROR(config.SetAll(deploy.config(), "deployed"));
          return cluster.build_(std::move(config), {cluster.scheduler_, files, &executor});
        }};
  }

  const uint64_t id;
  TaskManagerProcess* task_manager;  // null: it is gone
  SimProcess process;
  SimFiles files;
  MetricRegistry metrics;
  SimExecutor io;
  SimExecutor coordinators;
  SimExecutor executor;
  SimSlotRunnerFactory slots;
  std::unique_ptr<DataNetwork> network;
  WorkerEnvironment environment;
  std::unique_ptr<Worker> worker;
  std::function<void(WorkerExit)> on_exit;  // on the TaskManager's executor; empty when nobody wants to know
};

// Workers as processes of the simulated world.
class SimCluster::Launcher final : public WorkerLauncher {
 public:
  Launcher(SimCluster& cluster, TaskManagerProcess& parent) : cluster_(cluster), parent_(parent) {}
  StatusOr<std::unique_ptr<WorkerHandle>> Launch(const proto::DeployWorker& deploy,
                                                 std::function<void(WorkerExit)> on_exit) override;

 private:
  class Handle final : public WorkerHandle {
   public:
    Handle(SimCluster& cluster, uint64_t id, std::unique_ptr<Link> link)
        : cluster_(cluster), id_(id), link_(std::move(link)) {}
    ~Handle() override {
      if (const auto found = cluster_.workers_.find(id_); found != cluster_.workers_.end()) {
        found->second->on_exit = nullptr;
      }
      Kill();
    }
    Link& link() override { return *link_; }
    void Kill() override {
      cluster_.After(cluster_.FewMs(1), [&cluster = cluster_, id = id_] {
        const auto found = cluster.workers_.find(id);
        if (found != cluster.workers_.end()) cluster.Kill(found->second->process, 0, 0);
      });
    }

   private:
    SimCluster& cluster_;
    const uint64_t id_;
    const std::unique_ptr<Link> link_;
  };

  SimCluster& cluster_;
  TaskManagerProcess& parent_;
};

struct SimCluster::TaskManagerProcess {
  TaskManagerProcess(SimCluster& cluster, uint64_t process_id, TaskManagerNode& its_node)
      : id(process_id),
        node(&its_node),
        process{.name = "taskmanager", .machine = its_node.index + 1},
        executor(cluster.scheduler_, "taskmanager", &process),
        artifacts([](const proto::Artifact& artifact) -> StatusOr<std::string> { return artifact.file_name(); }),
        launcher(cluster, *this) {
    const Configuration config;
    TaskManagerOptions options;
    options.id = fmt::format("tm-{}-{}", node->index, node->starts);
    options.version = "sim";
    options.slots = cluster.options_.slots_each;
    options.heartbeat_interval_ms = config.GetDurationMs("heartbeat.interval");
    options.heartbeat_timeout_ms = config.GetDurationMs("heartbeat.timeout");
    options.reconnect_max_backoff_ms = config.GetDurationMs("cluster.registration.error-delay");
    options.registration_timeout_ms = 0;
    task_manager = std::make_unique<TaskManager>(
        options, TaskManagerEnvironment{.executor = &executor,
                                        .connect = [this, &cluster] { return cluster.ConnectToJobManager(process); },
                                        .launcher = &launcher,
                                        .artifacts = &artifacts,
                                        .on_give_up =
                                            [&cluster](const Status& reason) {
                                              cluster.problems_.push_back(
                                                  fmt::format("a TaskManager gave up: {}", StatusMessage(reason)));
                                            }});
  }

  const uint64_t id;
  TaskManagerNode* node;
  SimProcess process;
  SimExecutor executor;
  LocalArtifactFetcher artifacts;
  Launcher launcher;
  std::unique_ptr<TaskManager> task_manager;
};

StatusOr<std::unique_ptr<WorkerHandle>> SimCluster::Launcher::Launch(const proto::DeployWorker&,
                                                                     std::function<void(WorkerExit)> on_exit) {
  const uint64_t id = cluster_.next_process_++;
  auto launched = std::make_unique<WorkerProcess>(cluster_, id, parent_, parent_.process.machine);
  WorkerProcess& worker = *launched;
  worker.on_exit = std::move(on_exit);
  cluster_.workers_.emplace(id, std::move(launched));
  auto [ours, theirs] = cluster_.network_.NewLinkPair(&parent_.process, &worker.process);
  worker.worker = std::make_unique<Worker>(worker.environment, std::move(theirs));
  worker.executor.PostAfter(cluster_.scheduler_.Choose(0, 20), [&cluster = cluster_, &worker] {
    worker.worker->Start(
        [&cluster, &worker] { worker.executor.Post([&cluster, &worker] { cluster.EndWorker(worker); }); });
  });
  return std::make_unique<Handle>(cluster_, id, std::move(ours));
}

// ---- life and death ----

SimCluster::SimCluster(uint64_t seed, SimClusterOptions options)
    : options_(options),
      scheduler_(seed),
      disk_(scheduler_),
      files_(scheduler_, disk_, nullptr),
      network_(scheduler_, options.network),
      random_(seed + 1) {
  for (const char* path : {"/libraries", kStoreFolder}) static_cast<void>(files_.CreateDirectories(path));
  static_cast<void>(files_.WriteFileAtomically(kLibrary, "a library"));
  static_cast<void>(files_.SyncDirectory("/"));
  StartJobManager();
  for (int i = 0; i < options_.task_managers; ++i) {
    nodes_.push_back(std::make_unique<TaskManagerNode>(TaskManagerNode{.index = i}));
    StartTaskManager(*nodes_.back());
  }
}

SimCluster::~SimCluster() {
  for (SimProcess* process : Living([](const SimProcess&) { return true; })) Die(*process, 0);
  for (auto& [id, worker] : workers_) worker->on_exit = nullptr;
  scheduler_.RunUntil([] { return true; }, 0);
  scheduler_.DropEvents();  // which hold links
}

void SimCluster::StartJobManager() {
  const uint64_t id = next_process_++;
  job_managers_[id] = std::make_unique<JobManagerProcess>(*this, id);
  job_manager_ = job_managers_[id].get();
  job_manager_->executor.Post([this, started = job_manager_] { Recover(*started); });
}

// As JobManagerServer does it.
void SimCluster::Recover(JobManagerProcess& started) {
  auto loaded = started.store.Load();
  if (!started.process.alive) return;
  // It ends, saying why, and whoever watches over it starts it again.
  constexpr int64_t kRestartMs = 300;
  if (!loaded.ok() && disk_.in_trouble()) return Kill(started.process, FewMs(kRestartMs), 0);
  if (!loaded.ok()) {
    problems_.push_back(fmt::format("the job store cannot be loaded: {}", StatusMessage(loaded.status())));
    return;
  }
  for (const Status& damaged : loaded->damaged) {
    problems_.push_back(fmt::format("a stored job is lost: {}", StatusMessage(damaged)));
  }
  for (proto::JobDetails& result : loaded->results) started.job_manager->RecoverResult(std::move(result));
  if (!loaded->jobs.empty() && !ended_as_.empty()) problems_.emplace_back("a job that has ended is run once more");
  for (const JobStore::Job& job : loaded->jobs) {
    auto artifact = std::make_shared<StoredArtifact>();
    artifact->path = kLibrary;
    const Status recovered = started.job_manager->RecoverJob(job.job, job.attempt, std::move(artifact));
    if (!recovered.ok()) problems_.push_back(fmt::format("a job is not recovered: {}", StatusMessage(recovered)));
  }
  started.accepting = true;
  started.job_manager->OnListening();
  if (!job_id_.empty()) Watch(started);
}

// As a client that is attached to it.
void SimCluster::Watch(JobManagerProcess& job_manager) {
  const auto watch =
      job_manager.job_manager->WatchJob(job_id_, kWatchIntervalMs, [this](const proto::JobDetails& details, bool last) {
        if (!last) return;
        if (ended_as_.empty()) ended_as_ = details.summary().state();
        if (ended_as_ == details.summary().state()) return;
        problems_.push_back(fmt::format("the job is {} and was told to be {}", details.summary().state(), ended_as_));
      });
  if (!watch.ok()) problems_.push_back(fmt::format("the job cannot be watched: {}", StatusMessage(watch.status())));
}

// It ends itself. Whoever watches over it starts none that would replace its own successor.
void SimCluster::OnReplaced(JobManagerProcess& replaced) {
  if (job_manager_ == &replaced) problems_.emplace_back("a JobManager that nobody has replaced ended itself");
  replaced.executor.Post([this, &replaced] { Kill(replaced.process, 0, 0); });
}

void SimCluster::StartTaskManager(TaskManagerNode& node) {
  if (node.running != nullptr) return;
  const uint64_t id = next_process_++;
  ++node.starts;
  task_managers_[id] = std::make_unique<TaskManagerProcess>(*this, id, node);
  node.running = task_managers_[id].get();
  node.running->executor.Post([started = node.running] { started->task_manager->Start(); });
}

std::unique_ptr<Link> SimCluster::ConnectToJobManager(SimProcess& task_manager) {
  SimProcess* const there = job_manager_ == nullptr ? nullptr : &job_manager_->process;
  const uint64_t id = job_manager_ == nullptr ? 0 : job_manager_->id;
  auto [ours, theirs] = network_.NewLinkPair(&task_manager, there, /*may_repeat=*/true);
  scheduler_.Schedule(network_.RandomDelay(&task_manager, there), "connect",
                      [this, id, end = std::move(theirs)]() mutable {
                        const auto found = job_managers_.find(id);
                        // Dropped, the link is closed.
                        if (found == job_managers_.end() || !found->second->process.alive || !found->second->accepting)
                          return;
                        JobManagerProcess& job_manager = *found->second;
                        job_manager.executor.Post([&job_manager, end = std::move(end)]() mutable {
                          job_manager.job_manager->OnTaskManagerConnected(std::move(end));
                        });
                      });
  return std::move(ours);
}

// In an orderly way, on its executor.
void SimCluster::EndWorker(WorkerProcess& ended) {
  if (ended.process.running_threads > 1) {  // the slots are waited for
    ended.executor.PostAfter(1, [this, &ended] { EndWorker(ended); });
    return;
  }
  ended.process.may_block = false;
  ended.worker.reset();
  if (!ended.process.alive) return;
  Die(ended.process, 0);
  OnDeath(ended, 0);
}

void SimCluster::Die(SimProcess& process, int64_t silence_ns) {
  process.alive = false;
  process.stopped = false;
  scheduler_.Trace(process.name, static_cast<uint64_t>(process.machine));
  network_.OnDeath(process, silence_ns);
  for (auto& node : nodes_) {
    if (node->running != nullptr && &node->running->process == &process) node->running = nullptr;
  }
  if (job_manager_ != nullptr && &job_manager_->process == &process) job_manager_ = nullptr;
  scheduler_.WhenAtRest([this, &process] {
    std::erase_if(workers_, [&](const auto& entry) { return &entry.second->process == &process; });
    std::erase_if(job_managers_, [&](const auto& entry) { return &entry.second->process == &process; });
    std::erase_if(task_managers_, [&](const auto& entry) { return &entry.second->process == &process; });
  });
}

void SimCluster::OnDeath(WorkerProcess& dead, int signal) {
  TaskManagerProcess* const parent = dead.task_manager;
  if (parent == nullptr || !parent->process.alive) return;
  After(FewMs(5), [this, parent_id = parent->id, signal, on_exit = std::exchange(dead.on_exit, nullptr)] {
    const auto found = task_managers_.find(parent_id);
    if (found == task_managers_.end() || !on_exit) return;
    WorkerExit exit;
    exit.signal = signal;
    found->second->executor.Post([on_exit, exit] { on_exit(exit); });
  });
}

void SimCluster::KillWorkersOf(const TaskManagerProcess& dead) {
  for (auto& [id, worker] : workers_) {
    if (worker->task_manager != &dead) continue;
    worker->task_manager = nullptr;
    worker->on_exit = nullptr;
    if (!worker->process.alive) continue;
    // It finds its parent gone.
    After(FewMs(scheduler_.OneIn(8) ? 1'000 : 10), [this, orphan = id] {
      const auto found = workers_.find(orphan);
      if (found != workers_.end()) Kill(found->second->process, 0, 0);
    });
  }
}

void SimCluster::Kill(SimProcess& process, int64_t restart_ns, int64_t silence_ns) {
  if (!process.alive) return;
  const bool leads = job_manager_ != nullptr && &job_manager_->process == &process;
  TaskManagerNode* node = nullptr;
  for (auto& [id, task_manager] : task_managers_) {
    if (&task_manager->process == &process) node = task_manager->node;
  }
  Die(process, silence_ns);
  if (leads) {
    After(restart_ns, [this] {
      if (job_manager_ == nullptr) StartJobManager();
    });
  }
  if (node != nullptr) {
    for (auto& [id, task_manager] : task_managers_) {
      if (&task_manager->process == &process) KillWorkersOf(*task_manager);
    }
    After(restart_ns, [this, node] { StartTaskManager(*node); });
  }
  for (auto& [id, worker] : workers_) {
    if (&worker->process == &process) OnDeath(*worker, SIGKILL);
  }
}

// ---- jobs ----

bool SimCluster::AllRegistered() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return node->running != nullptr && node->running->task_manager->registered();
  });
}

Status SimCluster::Submit(JobBuilder build, const std::map<std::string, std::string>& config) {
  build_ = std::move(build);
  if (!scheduler_.RunUntil([this] { return AllRegistered(); }, 60'000)) {
    return Internal("the TaskManagers did not register within a minute of virtual time");
  }
  Configuration client_config;
  EAGRE_RETURN_IF_ERROR(client_config.SetAll(config, "-D"));
  const std::unique_ptr<StreamGraph> graph = build_(std::move(client_config), {scheduler_, files_, nullptr});
  EAGRE_ASSIGN_OR_RETURN(const ChainedGraph chained, BuildJobGraph(*graph));
  proto::SubmitJobHeader header;
  *header.mutable_graph() = chained.job_graph;
  header.mutable_config()->insert(config.begin(), config.end());
  auto artifact = std::make_shared<StoredArtifact>();
  artifact->path = kLibrary;
  std::optional<StatusOr<std::string>> submitted;
  job_manager_->executor.Post([&] {
    job_manager_->job_manager->SubmitJobDurably(header, artifact, std::nullopt,
                                                [&](StatusOr<std::string> id) { submitted = std::move(id); });
  });
  if (!scheduler_.RunUntil([&] { return submitted.has_value(); }, 60'000)) {
    return Internal("the job was not submitted within a minute of virtual time");
  }
  EAGRE_ASSIGN_OR_RETURN(job_id_, *submitted);
  Watch(*job_manager_);
  return OkStatus();
}

std::optional<StatusOr<proto::JobDetails>> SimCluster::AskForJob() {
  if (job_manager_ == nullptr || !job_manager_->accepting) return std::nullopt;
  const SimProcess& process = job_manager_->process;
  if (process.stopped || process.running_threads > 0) return std::nullopt;
  return job_manager_->job_manager->GetJob(job_id_);
}

StatusOr<proto::JobDetails> SimCluster::RunJob(
    const std::function<std::unique_ptr<StreamGraph>(Configuration config)>& build,
    const std::map<std::string, std::string>& config, int64_t limit_ms) {
  EAGRE_RETURN_IF_ERROR(
      Submit([build](Configuration configuration, auto&) { return build(std::move(configuration)); }, config));
  proto::JobDetails last;
  bool ended = false;
  EAGRE_RETURN_IF_ERROR(job_manager_->job_manager
                            ->WatchJob(job_id_, 10'000,
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
  const JobManager& job_manager = *job_manager_->job_manager;
  scheduler_.RunUntil(
      [&] { return job_manager.GetCluster().slots_available() == job_manager.GetCluster().slots_total(); }, 60'000);
  return last;
}

// ---- faults ----

std::vector<SimProcess*> SimCluster::Living(const std::function<bool(const SimProcess&)>& which) {
  std::vector<SimProcess*> living;
  const auto add = [&](auto& processes) {
    for (auto& [id, owner] : processes) {
      if (owner->process.alive && which(owner->process)) living.push_back(&owner->process);
    }
  };
  add(job_managers_);
  add(task_managers_);
  add(workers_);
  return living;
}

SimProcess* SimCluster::ChooseOne(const std::vector<SimProcess*>& processes) {
  if (processes.empty()) return nullptr;
  return processes[static_cast<size_t>(scheduler_.Choose(0, static_cast<int64_t>(processes.size()) - 1))];
}

bool SimCluster::KillWorker() {
  SimProcess* const chosen = ChooseOne(Living([](const SimProcess& process) { return process.name == "worker"; }));
  if (chosen != nullptr) Kill(*chosen, 0, 0);
  return chosen != nullptr;
}

bool SimCluster::KillTaskManager(int index, int64_t restart_ns) {
  TaskManagerProcess* const running = nodes_[static_cast<size_t>(index)]->running;
  if (running != nullptr) Kill(running->process, restart_ns, 0);
  return running != nullptr;
}

bool SimCluster::KillJobManager(int64_t restart_ns) {
  if (job_manager_ == nullptr) return false;
  Kill(job_manager_->process, restart_ns, 0);
  return true;
}

bool SimCluster::CrashMachine(int machine, int64_t restart_ns, int64_t silence_ns) {
  const auto there = Living([machine](const SimProcess& process) { return process.machine == machine; });
  for (SimProcess* process : there) Kill(*process, restart_ns, silence_ns);
  disk_.Crash(machine);
  return !there.empty();
}

void SimCluster::CrashAll(int64_t restart_ns) {
  for (SimProcess* process : Living([](const SimProcess&) { return true; })) Kill(*process, restart_ns, 0);
  disk_.CrashAll();
}

bool SimCluster::DieAmongOperations(int machine, int64_t operations, bool whole_machine, int64_t restart_ns) {
  SimProcess* const chosen = ChooseOne(Living([machine](const SimProcess& process) {
    return process.machine == machine && process.name != "taskmanager" && process.operations_left < 0;
  }));
  if (chosen == nullptr) return false;
  chosen->operations_left = operations;
  chosen->interrupt = [this, chosen, whole_machine, restart_ns] {
    if (whole_machine) {
      CrashMachine(chosen->machine, restart_ns, 0);
    } else {
      Kill(*chosen, restart_ns, 0);
    }
  };
  return true;
}

bool SimCluster::StopProcess(int64_t ns) {
  SimProcess* const chosen = ChooseOne(Living([](const SimProcess& process) { return !process.stopped; }));
  if (chosen == nullptr) return false;
  scheduler_.Stop(*chosen);
  After(ns, [this, chosen] {
    const auto living = Living([chosen](const SimProcess& process) { return &process == chosen && process.stopped; });
    if (!living.empty()) scheduler_.Continue(*chosen);
  });
  return true;
}

bool SimCluster::ReplaceJobManager(int64_t stopped_ns, int64_t left_ns) {
  if (job_manager_ == nullptr || !job_manager_->accepting || job_managers_.size() > 1) return false;
  SimProcess& old = job_manager_->process;
  const uint64_t id = job_manager_->id;
  scheduler_.Stop(old);
  while (network_.BreakOne(
      [&old](const SimConnection& connection) { return connection.end(0) == &old || connection.end(1) == &old; })) {
  }
  StartJobManager();
  After(stopped_ns, [this, id] {
    if (const auto found = job_managers_.find(id); found != job_managers_.end()) {
      scheduler_.Continue(found->second->process);
    }
  });
  After(stopped_ns + left_ns, [this, id] {
    if (const auto found = job_managers_.find(id); found != job_managers_.end()) Kill(found->second->process, 0, 0);
  });
  return true;
}

bool SimCluster::ReplaceJobManagerAmongOperations(int64_t operations, int64_t stopped_ns, int64_t left_ns) {
  if (job_manager_ == nullptr || job_manager_->process.operations_left >= 0) return false;
  job_manager_->process.operations_left = operations;
  job_manager_->process.interrupt = [this, id = job_manager_->id, stopped_ns, left_ns] {
    if (job_manager_ != nullptr && job_manager_->id == id) ReplaceJobManager(stopped_ns, left_ns);
  };
  return true;
}

bool SimCluster::BreakControlLink() {
  return network_.BreakOne([](const SimConnection& connection) {
    const SimProcess* ends[] = {connection.end(0), connection.end(1)};
    return ends[0] != nullptr && ends[1] != nullptr && ends[0]->name == "taskmanager" && ends[1]->name == "jobmanager";
  });
}

bool SimCluster::BreakDataConnection() {
  return network_.BreakOne([](const SimConnection& connection) {
    const SimProcess* ends[] = {connection.end(0), connection.end(1)};
    return ends[0] != nullptr && ends[1] != nullptr && ends[0]->name == "worker" && ends[1]->name == "worker";
  });
}

}  // namespace eagre
