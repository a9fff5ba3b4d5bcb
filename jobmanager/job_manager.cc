#include "jobmanager/job_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/daemon_options.h"
#include "base/ids.h"
#include "base/logging.h"
#include "jobmanager/graph_check.h"
#include "jobmanager/job_store.h"
#include "jobmanager/restore_check.h"
#include "state/state_backend_factory.h"

namespace eagre {
namespace {

constexpr int64_t kMinWatchIntervalMs = 20;
constexpr int64_t kMaxWatchIntervalMs = 60'000;
// One that does nothing with its store finds within about so long that it was replaced.
constexpr int64_t kLeadershipIntervalMs = 1'000;

TaskManagerRegistryOptions RegistryOptions(const JobManagerOptions& options, const std::string& cluster_id) {
  TaskManagerRegistryOptions registry;
  registry.cluster_id = cluster_id;
  registry.version = options.version;
  registry.heartbeat_interval_ms = std::max<int64_t>(options.config.GetDurationMs("heartbeat.interval"), 1);
  registry.heartbeat_timeout_ms = std::max<int64_t>(options.config.GetDurationMs("heartbeat.timeout"), 1);
  return registry;
}

// A key that workers do not get from the JobManager's own configuration: those of the daemons, each of which has its
// own value, and those that shaped the graph when the client planned it, since a worker must rebuild the very same.
bool StaysHere(std::string_view key) {
  if (IsDaemonOption(key)) return true;
  for (std::string_view prefix :
       {"slot.", "parallelism.default", "pipeline.name", "pipeline.max-parallelism", "pipeline.operator-chaining"}) {
    if (key.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

JobManager::JobManager(Executor& executor, Random& random, JobManagerOptions options)
    : executor_(executor),
      random_(random),
      options_(std::move(options)),
      cluster_id_(NewHexId(random)),
      task_managers_(
          executor, RegistryOptions(options_, cluster_id_),
          {.on_registered =
               [this](const std::string& id, const proto::RegisterTaskManager& registration) {
                 OnTaskManagerRegistered(id, registration);
               },
           .on_message = [this](const std::string& id,
                                const proto::TaskManagerToJobManager& message) { OnTaskManagerMessage(id, message); },
           .on_lost = [this](const std::string& id, const std::string& host,
                             const std::string& reason) { OnTaskManagerLost(id, host, reason); }}),
      logs_(executor, options_.log_silence_timeout_ms,
            [this](const std::string& id, const proto::CollectLogs& request) {
              if (!task_managers_.Contains(id)) return false;
              proto::JobManagerToTaskManager message;
              *message.mutable_collect_logs() = request;
              task_managers_.Send(id, message);
              return true;
            }),
      metrics_(options_.host),
      history_(static_cast<size_t>(options_.config.GetInt("jobstore.max-capacity"))) {
  if (options_.store != nullptr) WatchLeadership();
}

JobManager::~JobManager() {
  for (auto& [id, watch] : watches_) executor_.Cancel(watch.timer);
  executor_.Cancel(leadership_timer_);
}

void JobManager::WatchLeadership() {
  leadership_timer_ = executor_.PostAfter(kLeadershipIntervalMs, [this] {
    io().Post([this, alive = std::weak_ptr<bool>(alive_), &executor = executor_, store = options_.store] {
      executor.Post([this, alive, leads = store->CheckLeads()] {
        if (alive.expired()) return;
        if (absl::IsAborted(leads)) return OnReplaced(leads);
        WatchLeadership();
      });
    });
  });
}

Status JobManager::CheckNotReplaced() const {
  return replaced_.ok() ? OkStatus() : Unavailable("{}; this JobManager ends itself", StatusMessage(replaced_));
}

// What it knows of its jobs is not true any more, so it says nothing more of them, and leaves their workers alone.
void JobManager::OnReplaced(const Status& reason) {
  if (std::exchange(replaced_, reason).code() == absl::StatusCode::kAborted) return;
  EAGRE_LOG_ERROR("{}; this JobManager ends itself", StatusMessage(reason));
  if (options_.on_replaced) options_.on_replaced(reason);
}

void JobManager::OnTaskManagerConnected(std::unique_ptr<Link> link) {
  task_managers_.Accept(std::move(link));
}

// ---- what users ask ----

StatusOr<std::string> JobManager::SubmitJob(proto::SubmitJobHeader header,
                                            std::shared_ptr<const StoredArtifact> artifact,
                                            const std::optional<proto::CheckpointMetadata>& restored) {
  EAGRE_RETURN_IF_ERROR(CheckNotReplaced());
  EAGRE_RETURN_IF_ERROR(CheckGraph(header.graph()));
  EAGRE_CHECK(header.restore_from().empty() == !restored.has_value());
  std::vector<std::string> left;
  if (restored) {
    TakeStoredMaxParallelism(*restored, *header.mutable_graph());
    EAGRE_ASSIGN_OR_RETURN(left, CheckRestore(header, *restored));
  }
  if (jobs_.size() >= options_.max_active_jobs) {
    return ResourceExhausted("{} jobs are waiting or running already; cancel some or wait", jobs_.size());
  }
  const std::string id = NewHexId(random_);
  EAGRE_RETURN_IF_ERROR(AddJob(id, header, std::move(artifact)));
  EAGRE_LOG_INFO("job {} ({}) was submitted", id, header.graph().name());
  for (const std::string& line : left) {
    EAGRE_LOG_WARN("job {} goes on from {} without all of its state: {}", id, header.restore_from(), line);
  }
  return id;
}

void JobManager::SubmitJobDurably(const proto::SubmitJobHeader& header, std::shared_ptr<const StoredArtifact> artifact,
                                  const std::optional<proto::CheckpointMetadata>& restored,
                                  std::function<void(StatusOr<std::string>)> done) {
  StatusOr<std::string> id = SubmitJob(header, artifact, restored);
  if (!id.ok() || options_.store == nullptr) return done(std::move(id));
  proto::StoredJob stored;
  stored.set_job_id(*id);
  *stored.mutable_header() = header;
  *stored.mutable_header()->mutable_graph() = jobs_.back().execution->spec().graph;  // as it is restored
  stored.set_submitted_ms(jobs_.back().execution->Summary().start_time_ms());
  io().Post([this, alive = std::weak_ptr<bool>(alive_), &executor = executor_, store = options_.store,
             stored = std::move(stored), artifact = std::move(artifact), done = std::move(done)]() mutable {
    executor.Post(
        [this, alive, id = stored.job_id(), saved = store->Save(stored, artifact->path), done = std::move(done)] {
          if (saved.ok() || alive.expired()) return done(id);
          if (absl::IsAborted(saved)) {
            OnReplaced(saved);
            return done(saved);
          }
          static_cast<void>(CancelJob(id));
          done(WithContext(saved, "cannot store the job (high-availability.storageDir)"));
        });
  });
}

Status JobManager::RecoverJob(const proto::StoredJob& job, const std::optional<proto::StoredAttempt>& attempt,
                              std::shared_ptr<const StoredArtifact> artifact) {
  EAGRE_RETURN_IF_ERROR(AddJob(job.job_id(), job.header(), std::move(artifact), job.submitted_ms(), attempt));
  if (attempt) jobs_.back().execution->Reconcile(*attempt);
  EAGRE_LOG_INFO("job {} ({}) is taken up again", job.job_id(), job.header().graph().name());
  return OkStatus();
}

void JobManager::RecoverResult(proto::JobDetails details) {
  proto::JobManagerToTaskManager forget;
  AddToHistory({std::move(details), std::make_shared<StoredArtifact>(), {}}, forget);
}

void JobManager::OnListening() {
  for (Job& job : jobs_) job.execution->LimitReconciling();
}

Status JobManager::AddJob(const std::string& id, const proto::SubmitJobHeader& header,
                          std::shared_ptr<const StoredArtifact> artifact, std::optional<int64_t> submitted_ms,
                          const std::optional<proto::StoredAttempt>& attempt) {
  EAGRE_ASSIGN_OR_RETURN(const Configuration config, EffectiveConfig(header));
  EAGRE_ASSIGN_OR_RETURN(const RestartStrategyOptions restart, RestartStrategyOptions::FromConfiguration(config));
  EAGRE_RETURN_IF_ERROR(CheckMemoryShares(config));

  JobSpec spec;
  spec.id = id;
  spec.graph = header.graph();
  spec.artifact = std::move(artifact);
  spec.args.assign(header.args().begin(), header.args().end());
  spec.config = WorkerConfig(header);
  EAGRE_ASSIGN_OR_RETURN(spec.checkpoints, CheckpointOptions::FromConfiguration(config));
  spec.restore_from = header.restore_from();
  spec.taken_up = submitted_ms.has_value();
  spec.submitted_ms = submitted_ms.value_or(executor_.clock().NowMs());
  if (attempt) {
    spec.expected.directory = attempt->checkpoint_directory();
    spec.expected.newest_id = attempt->newest_checkpoint_id();
  }
  JobExecutionOptions execution;
  execution.slot_request_timeout_ms = config.GetDurationMs("slot.request.timeout");
  execution.isolate_after_failures = config.GetInt("restart-strategy.isolation.after-failures");
  execution.version = options_.version;
  execution.io = &io();
  execution.files = options_.files != nullptr ? options_.files : &PosixFileSystem();
  execution.checkpoint_writer = cluster_id_;
  if (options_.store != nullptr) execution.leads = [store = options_.store] { return store->CheckLeads(); };
  execution.reconciliation_timeout_ms = options_.config.GetDurationMs("jobmanager.reconciliation.timeout");

  Job job;
  job.metrics = std::make_unique<JobMetrics>(
      MetricLabels{{"host", options_.host}, {"job_id", id}, {"job_name", spec.graph.name()}});
  job.execution = std::make_unique<JobExecution>(executor_, std::move(spec), NewRestartStrategy(restart, random_),
                                                 execution, HandlersOf(id));
  jobs_.push_back(std::move(job));
  RequestPass();
  return OkStatus();
}

StatusOr<Configuration> JobManager::EffectiveConfig(const proto::SubmitJobHeader& header) const {
  Configuration config = options_.config;
  EAGRE_RETURN_IF_ERROR(config.SetAll(header.config(), "-D"));
  EAGRE_RETURN_IF_ERROR(config.SetAll(header.graph().config(), "the job's own configuration"));
  return config;
}

std::map<std::string, std::string> JobManager::WorkerConfig(const proto::SubmitJobHeader& header) const {
  std::map<std::string, std::string> values = options_.config.ExplicitValues();
  std::erase_if(values, [](const auto& entry) { return StaysHere(entry.first); });
  for (const auto& [key, value] : header.config()) values[key] = value;
  for (const auto& [key, value] : header.graph().config()) values[key] = value;
  return values;
}

JobExecution::Handlers JobManager::HandlersOf(const std::string& job_id) {
  JobExecution::Handlers handlers{
      .send = [this](const std::string& task_manager_id,
                     const proto::JobManagerToTaskManager& message) { task_managers_.Send(task_manager_id, message); },
      .on_change =
          [this, job_id] {
            changed_jobs_.insert(job_id);
            RequestPass();
          },
      .on_wants_slots = [this] { RequestPass(); },
      .on_slots_free =
          [this](const std::string& task_manager_id, int slots) {
            task_managers_.GiveSlotsBack(task_manager_id, slots);
            RequestPass();
          },
      .store_attempt = nullptr,
      .store_result = nullptr,
      .on_replaced = nullptr};
  if (options_.store == nullptr) return handlers;
  handlers.store_attempt = [this, job_id](const proto::StoredAttempt& attempt, std::function<void(Status)> done) {
    io().Post([store = options_.store, &executor = executor_, job_id, attempt, done = std::move(done)]() mutable {
      executor.Post([saved = store->SaveAttempt(job_id, attempt), done = std::move(done)] { done(saved); });
    });
  };
  handlers.store_result = [this](const proto::JobDetails& details, std::function<void(Status)> done) {
    io().Post([store = options_.store, &executor = executor_, details, done = std::move(done)]() mutable {
      executor.Post([saved = store->SaveResult(details), done = std::move(done)] { done(saved); });
    });
  };
  handlers.on_replaced = [this](const Status& reason) { OnReplaced(reason); };
  return handlers;
}

JobExecution* JobManager::FindActive(const std::string& job_id) const {
  for (const Job& job : jobs_) {
    if (job.execution->id() == job_id) return job.execution.get();
  }
  return nullptr;
}

Status JobManager::UnknownJob(const std::string& job_id) const {
  if (!IsHexId(job_id))
    return InvalidArgument("'{}' is not a job id; expected 32 hexadecimal characters, letters in lower case", job_id);
  return NotFound("no job has the id {}; `eagre list -a` shows all jobs that this JobManager knows", job_id);
}

proto::ListJobsReply JobManager::ListJobs() const {
  proto::ListJobsReply reply;
  for (const EndedJob& job : history_.jobs()) *reply.add_jobs() = job.details.summary();
  for (const Job& job : jobs_) *reply.add_jobs() = job.execution->Summary();
  return reply;
}

StatusOr<proto::JobDetails> JobManager::GetJob(const std::string& job_id) const {
  EAGRE_RETURN_IF_ERROR(CheckNotReplaced());
  if (const JobExecution* job = FindActive(job_id)) return job->Details();
  if (const EndedJob* ended = history_.Find(job_id)) return ended->details;
  return UnknownJob(job_id);
}

Status JobManager::CancelJob(const std::string& job_id) {
  EAGRE_RETURN_IF_ERROR(CheckNotReplaced());
  if (JobExecution* job = FindActive(job_id)) return job->Cancel();
  if (const EndedJob* ended = history_.Find(job_id)) {
    return FailedPrecondition("job {} ({}) has already ended: {}", job_id, ended->details.summary().name(),
                              ended->details.summary().state());
  }
  return UnknownJob(job_id);
}

StatusOr<JobExecution*> JobManager::FindRunning(const std::string& job_id) const {
  EAGRE_RETURN_IF_ERROR(CheckNotReplaced());
  if (JobExecution* job = FindActive(job_id)) return job;
  if (const EndedJob* ended = history_.Find(job_id)) {
    return FailedPrecondition("job {} ({}) has already ended: {}", job_id, ended->details.summary().name(),
                              ended->details.summary().state());
  }
  return UnknownJob(job_id);
}

StatusOr<std::string> JobManager::NewSavepointPath(const JobExecution& job, const std::string& directory) {
  std::string folder = job.spec().checkpoints.savepoint_directory;
  if (!directory.empty()) {
    EAGRE_ASSIGN_OR_RETURN(folder, AbsolutePath(directory, "the folder for the savepoint"));
  }
  if (folder.empty()) {
    return InvalidArgument(
        "say in which folder the savepoint is to be made, or set execution.checkpointing.savepoint-dir for the job");
  }
  constexpr size_t kIdCharacters = 6;
  constexpr size_t kRandomCharacters = 12;
  return JoinPath(folder, fmt::format("savepoint-{}-{}", job.id().substr(0, kIdCharacters),
                                      NewHexId(random_).substr(0, kRandomCharacters)));
}

void JobManager::TriggerCheckpoint(const std::string& job_id, CheckpointCoordinator::Done done) {
  const StatusOr<JobExecution*> job = FindRunning(job_id);
  if (!job.ok()) return done(job.status());
  (*job)->TriggerCheckpoint(std::move(done));
}

namespace {

// Has `begin` begin what answers when it has ended; with `detached` the answer is that it could be begun.
template <typename Begin>
void BeginSavepoint(const std::string& path, bool detached, CheckpointCoordinator::Done done, Begin begin) {
  if (!detached) return begin(std::move(done));
  const auto waiting = std::make_shared<CheckpointCoordinator::Done>(std::move(done));
  begin([waiting, path](StatusOr<CheckpointCoordinator::Completed> ended) {
    if (const auto answer = std::exchange(*waiting, nullptr)) return answer(std::move(ended));
    if (!ended.ok()) EAGRE_LOG_WARN("the savepoint at {}: {}", path, StatusMessage(ended.status()));
  });
  if (const auto answer = std::exchange(*waiting, nullptr)) answer(CheckpointCoordinator::Completed{.path = path});
}

}  // namespace

void JobManager::TriggerSavepoint(const std::string& job_id, const SavepointOrder& order,
                                  CheckpointCoordinator::Done done) {
  const StatusOr<JobExecution*> job = FindRunning(job_id);
  if (!job.ok()) return done(job.status());
  const StatusOr<std::string> path = NewSavepointPath(**job, order.directory);
  if (!path.ok()) return done(path.status());
  BeginSavepoint(*path, order.detached, std::move(done), [&](CheckpointCoordinator::Done when_ended) {
    (*job)->TriggerSavepoint(*path, std::move(when_ended));
  });
}

void JobManager::StopJob(const std::string& job_id, const SavepointOrder& order, bool drain,
                         CheckpointCoordinator::Done done) {
  const StatusOr<JobExecution*> job = FindRunning(job_id);
  if (!job.ok()) return done(job.status());
  const StatusOr<std::string> path = NewSavepointPath(**job, order.directory);
  if (!path.ok()) return done(path.status());
  BeginSavepoint(*path, order.detached, std::move(done), [&](CheckpointCoordinator::Done when_ended) {
    (*job)->StopWithSavepoint(*path, drain, std::move(when_ended));
  });
}

proto::ClusterDetails JobManager::GetCluster() const {
  proto::ClusterDetails details;
  task_managers_.Fill(details);
  return details;
}

StatusOr<uint64_t> JobManager::WatchJob(const std::string& job_id, int64_t interval_ms, JobWatcher watcher) {
  EAGRE_RETURN_IF_ERROR(CheckNotReplaced());
  if (FindActive(job_id) == nullptr && history_.Find(job_id) == nullptr) return UnknownJob(job_id);
  if (watches_.size() >= options_.max_watchers) {
    return ResourceExhausted("{} clients watch jobs already; ask with `eagre info` instead", watches_.size());
  }
  const uint64_t id = next_watch_++;
  const int64_t interval = std::clamp(interval_ms, kMinWatchIntervalMs, kMaxWatchIntervalMs);
  watches_[id] = {job_id, interval, std::move(watcher), 0};
  changed_jobs_.insert(job_id);
  RequestPass();
  ScheduleProgress(id);
  return id;
}

void JobManager::StopWatching(uint64_t id) {
  auto watch = watches_.find(id);
  if (watch == watches_.end()) return;
  executor_.Cancel(watch->second.timer);
  watches_.erase(watch);
}

void JobManager::ScheduleProgress(uint64_t watch_id) {
  Watch& watch = watches_.at(watch_id);
  watch.timer = executor_.PostAfter(watch.interval_ms, [this, watch_id] {
    Watch& due = watches_.at(watch_id);
    ScheduleProgress(watch_id);
    const JobWatcher watcher = due.watcher;
    if (!replaced_.ok()) return;
    const JobExecution* job = FindActive(due.job_id);
    // The end of a job is told by a pass.
    if (job != nullptr && !IsTerminal(job->state())) watcher(job->Details(), /*last=*/false);
  });
}

StatusOr<uint64_t> JobManager::GetLogs(const std::string& job_id, LogSink sink) {
  if (const JobExecution* job = FindActive(job_id)) {
    return logs_.Start(job_id, job->task_managers_used(), std::move(sink));
  }
  if (const EndedJob* ended = history_.Find(job_id)) {
    return logs_.Start(job_id, ended->task_managers_used, std::move(sink));
  }
  return UnknownJob(job_id);
}

void JobManager::OnLogPart(const proto::LogPart& part, std::function<void(Status)> consumed) {
  logs_.OnPart(part, std::move(consumed));
}

std::vector<MetricSample> JobManager::CollectMetrics() {
  metrics_.Update(task_managers_, static_cast<int>(jobs_.size()));
  std::vector<MetricSample> samples = metrics_.Collect();
  const int64_t now_ms = executor_.clock().NowMs();
  for (Job& job : jobs_) {
    job.metrics->Update(*job.execution, now_ms);
    std::vector<MetricSample> of_job = job.metrics->Collect();
    std::move(of_job.begin(), of_job.end(), std::back_inserter(samples));
  }
  return samples;
}

// ---- TaskManagers ----

void JobManager::OnTaskManagerRegistered(const std::string& task_manager_id,
                                         const proto::RegisterTaskManager& registration) {
  SendRetainArtifacts(task_manager_id);
  for (const proto::RunningWorker& worker : registration.workers()) {
    JobExecution* job = FindActive(worker.attempt().job_id());
    if (job != nullptr && job->OnWorkerFound(task_manager_id, worker)) {
      task_managers_.Adopt(task_manager_id, worker.attempt());
      continue;
    }
    EAGRE_LOG_INFO("TaskManager {} still runs attempt {} of job {}, which is over", task_manager_id,
                   worker.attempt().attempt(), worker.attempt().job_id());
    proto::JobManagerToTaskManager message;
    *message.mutable_cancel()->mutable_attempt() = worker.attempt();
    message.mutable_cancel()->set_at_once(true);
    task_managers_.Send(task_manager_id, message);
  }
  for (Job& job : jobs_) job.execution->OnTaskManagerRegistered(task_manager_id);
  RequestPass();
}

void JobManager::SendRetainArtifacts(const std::string& task_manager_id) {
  proto::JobManagerToTaskManager message;
  proto::RetainArtifacts& retain = *message.mutable_retain_artifacts();
  std::set<std::string> digests;
  for (const EndedJob& job : history_.jobs()) {
    retain.add_job_ids(job.details.summary().job_id());
    if (!job.artifact->info.digest().empty()) digests.insert(job.artifact->info.digest());
  }
  for (const Job& job : jobs_) {
    retain.add_job_ids(job.execution->id());
    digests.insert(job.execution->spec().artifact->info.digest());
  }
  retain.mutable_digests()->Assign(digests.begin(), digests.end());
  task_managers_.Send(task_manager_id, message);
}

void JobManager::OnTaskManagerMessage(const std::string& task_manager_id,
                                      const proto::TaskManagerToJobManager& message) {
  const proto::AttemptId* attempt = AttemptOf(message);
  if (attempt == nullptr) return;
  JobExecution* job = FindActive(attempt->job_id());
  if (job != nullptr && job->OnMessage(task_manager_id, message)) return;
  // Somebody still speaks for an attempt that is over. Whatever is left of it must go.
  EAGRE_LOG_DEBUG("TaskManager {} speaks for attempt {} of job {}, which is over", task_manager_id, attempt->attempt(),
                  attempt->job_id());
  if (message.has_worker_exited()) {
    task_managers_.ReleaseLeftover(task_manager_id, *attempt);
    return RequestPass();
  }
  proto::JobManagerToTaskManager reply;
  *reply.mutable_cancel()->mutable_attempt() = *attempt;
  task_managers_.Send(task_manager_id, reply);
}

void JobManager::OnTaskManagerLost(const std::string& task_manager_id, const std::string& host,
                                   const std::string& reason) {
  for (Job& job : jobs_) job.execution->OnTaskManagerLost(task_manager_id, host, reason);
  logs_.OnTaskManagerLost(task_manager_id);
  RequestPass();
}

// ---- the pass ----

void JobManager::RequestPass() {
  if (std::exchange(pass_requested_, true)) return;
  executor_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) Pass();
  });
}

void JobManager::Pass() {
  pass_requested_ = false;
  if (!replaced_.ok()) return;
  StartWaitingJobs();
  TellWatchers();
  ArchiveEndedJobs();
}

void JobManager::StartWaitingJobs() {
  for (Job& job : jobs_) {
    JobExecution& execution = *job.execution;
    if (!execution.WantsSlots()) continue;
    const auto groups = task_managers_.TakeSlots(execution.required_slots(), execution.SlotHomes());
    if (!groups) {
      execution.ExplainWait(task_managers_.slots_free(), task_managers_.slots_total());
      continue;
    }
    std::vector<std::string> hosts;
    for (const SlotGroup& group : *groups) hosts.push_back(task_managers_.host(group.task_manager_id));
    execution.Deploy(*groups, hosts, /*token=*/NewHexId(random_));
  }
}

void JobManager::TellWatchers() {
  const std::set<std::string> changed = std::exchange(changed_jobs_, {});
  std::vector<uint64_t> told;
  for (const auto& [id, watch] : watches_) {
    if (changed.contains(watch.job_id)) told.push_back(id);
  }
  for (uint64_t id : told) {
    auto watch = watches_.find(id);
    if (watch == watches_.end()) continue;  // an earlier watcher stopped it
    const JobWatcher watcher = watch->second.watcher;
    const StatusOr<proto::JobDetails> details = GetJob(watch->second.job_id);
    const JobExecution* job = FindActive(watch->second.job_id);
    const bool last = job == nullptr || IsTerminal(job->state());
    if (last) StopWatching(id);
    if (details.ok()) watcher(*details, last);
  }
}

void JobManager::ArchiveEndedJobs() {
  proto::JobManagerToTaskManager forget;
  for (size_t i = 0; i < jobs_.size();) {
    JobExecution& execution = *jobs_[i].execution;
    if (!IsTerminal(execution.state())) {
      ++i;
      continue;
    }
    EndedJob ended{execution.Details(), execution.spec().artifact, execution.task_managers_used()};
    execution.ReleaseCheckpoints();
    if (execution.spec().checkpoints.recovers_from_local) {
      forget.mutable_release_artifacts()->add_ended_job_ids(execution.id());
    }
    jobs_.erase(jobs_.begin() + static_cast<ptrdiff_t>(i));
    AddToHistory(std::move(ended), forget);
  }
  if (forget.has_release_artifacts()) task_managers_.SendToAll(forget);
}

void JobManager::AddToHistory(EndedJob ended, proto::JobManagerToTaskManager& forget) {
  for (const EndedJob& dropped : history_.Add(std::move(ended))) {
    const std::string& job_id = dropped.details.summary().job_id();
    if (options_.store != nullptr) io().Post([store = options_.store, job_id] { store->Forget(job_id); });
    forget.mutable_release_artifacts()->add_job_ids(job_id);
    const std::string& digest = dropped.artifact->info.digest();
    const bool in_use = history_.Uses(digest) || std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& job) {
                          return job.execution->spec().artifact->info.digest() == digest;
                        });
    if (!in_use && !digest.empty()) forget.mutable_release_artifacts()->add_digests(digest);
  }
}

}  // namespace eagre
