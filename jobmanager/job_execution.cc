#include "jobmanager/job_execution.h"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "base/duration.h"
#include "base/logging.h"
#include "runtime/stream_graph.h"

namespace eagre {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// An end that could not be stored is stored again after so long.
constexpr int64_t kStoreAgainMs = 1'000;

std::string HowItExited(const proto::WorkerExited& exited) {
  if (exited.signal() == 0)
    return fmt::format("the job's worker exited with code {} before it was done", exited.exit_code());
  const char* name = ::sigabbrev_np(exited.signal());
  std::string text = fmt::format("the job's worker was ended by signal {} (SIG{})", exited.signal(), name ? name : "?");
  if (exited.signal() == SIGKILL) text += "; the kernel does that when memory runs out";
  return text;
}

}  // namespace

const proto::AttemptId* AttemptOf(const proto::TaskManagerToJobManager& message) {
  using Message = proto::TaskManagerToJobManager;
  switch (message.message_case()) {
    case Message::kWorkerReady: return &message.worker_ready().attempt();
    case Message::kWorkerReport: return &message.worker_report().attempt();
    case Message::kTaskFailed: return &message.task_failed().attempt();
    case Message::kWorkerFinished: return &message.worker_finished().attempt();
    case Message::kWorkerExited: return &message.worker_exited().attempt();
    case Message::kCheckpointReport: return &message.checkpoint_report().attempt();
    default: return nullptr;
  }
}

JobExecution::JobExecution(Executor& executor, JobSpec spec, std::unique_ptr<RestartStrategy> restart_strategy,
                           const JobExecutionOptions& options, Handlers handlers)
    : executor_(executor),
      spec_(std::move(spec)),
      restart_strategy_(std::move(restart_strategy)),
      options_(options),
      handlers_(std::move(handlers)),
      required_slots_(RequiredSlots(spec_.graph)),
      progress_(spec_.graph),
      failures_(options.max_failed_attempts),
      poison_hunt_(options.isolate_after_failures) {
  entered_ms_[static_cast<int>(state_)] = executor_.clock().NowMs();
  if (!spec_.checkpoints.directory.empty()) OpenCheckpoints();
  WaitForSlots();
}

JobExecution::~JobExecution() {
  executor_.Cancel(stop_timer_);
  if (stop_) stop_->done(Unavailable("the JobManager went away while job {} stopped", id()));
  executor_.Cancel(restart_timer_);
  executor_.Cancel(slot_timer_);
  executor_.Cancel(reconciliation_timer_);
  executor_.Cancel(store_timer_);
}

void JobExecution::Transition(JobState to) {
  EAGRE_CHECK_MSG(IsLegalTransition(state_, to),
                  fmt::format("job {}: {} -> {}", id(), JobStateName(state_), JobStateName(to)));
  EAGRE_LOG_INFO("job {} ({}) switched from {} to {}", id(), spec_.graph.name(), JobStateName(state_),
                 JobStateName(to));
  state_ = to;
  entered_ms_[static_cast<int>(to)] = executor_.clock().NowMs();
  if (checkpoints_ != nullptr && to != JobState::kRunning) {
    checkpoints_->OnStopping(fmt::format("it is {}", JobStateName(to)));
  }
  if (to != JobState::kRunning) AnswerStop();
  handlers_.on_change();
}

// Whoever took the job up again without knowing of its end would run it once more.
void JobExecution::End(JobState as) {
  if (ends_as_) return;
  ends_as_ = as;
  EndWhenAnswered();
}

// Who waits for a savepoint that is on its way to the disk is told what became of it before the job is gone.
void JobExecution::EndWhenAnswered() {
  if (!ends_as_ || ending_ || (checkpoints_ != nullptr && checkpoints_->completing())) return;
  ending_ = true;
  StoreEnd();
}

void JobExecution::StoreEnd() {
  if (!handlers_.store_result) return Transition(*ends_as_);
  proto::JobDetails details = Details();
  details.mutable_summary()->set_state(std::string(JobStateName(*ends_as_)));
  details.mutable_summary()->set_end_time_ms(executor_.clock().NowMs());
  details.clear_waiting_for();
  handlers_.store_result(details, [this, alive = std::weak_ptr<bool>(alive_)](const Status& stored) {
    if (alive.expired()) return;
    if (stored.ok()) return Transition(*ends_as_);
    if (absl::IsAborted(stored)) return handlers_.on_replaced(stored);
    const std::string before = std::exchange(why_not_stored_, StatusMessage(stored));
    if (why_not_stored_ != before) {
      EAGRE_LOG_ERROR("cannot store that job {} ({}) is {}: {}; trying again until it can", id(), spec_.graph.name(),
                      JobStateName(*ends_as_), why_not_stored_);
    }
    store_timer_ = executor_.PostAfter(kStoreAgainMs, [this] {
      store_timer_ = 0;
      StoreEnd();
    });
    handlers_.on_change();
  });
}

// ---- starting an attempt ----

bool JobExecution::WantsSlots() const {
  if (checkpoints_ != nullptr && !checkpoints_->idle()) return false;
  if (reconciling_ || !AllWorkersGone()) return false;
  return state_ == JobState::kCreated || (state_ == JobState::kRestarting && restart_timer_ == 0);
}

std::vector<SlotHome> JobExecution::SlotHomes() const {
  if (!spec_.checkpoints.recovers_from_local) return {};
  std::vector<SlotHome> homes(static_cast<size_t>(required_slots_));
  for (const Worker& worker : workers_) {
    for (const int32_t slot : worker.job_slots) {
      homes.at(static_cast<size_t>(slot)) = {worker.task_manager_id, worker.host};
    }
  }
  return homes;
}

void JobExecution::ExplainWait(int slots_free, int slots_total) {
  std::string text = fmt::format("{} slots; ", required_slots_);
  if (slots_total == 0) {
    text += "no TaskManager is registered";
  } else if (slots_total < required_slots_) {
    text += fmt::format("only {} are registered: start more TaskManagers, or run with a lower parallelism (-p)",
                        slots_total);
  } else {
    text += fmt::format("{} of {} registered are in use", slots_total - slots_free, slots_total);
  }
  if (text == missing_slots_) return;
  missing_slots_ = std::move(text);
  EAGRE_LOG_INFO("job {} ({}) waits for {}", id(), spec_.graph.name(), missing_slots_);
  handlers_.on_change();
}

void JobExecution::WaitForSlots() {
  if (options_.slot_request_timeout_ms <= 0) return;
  slot_timer_ = executor_.PostAfter(options_.slot_request_timeout_ms, [this] { OnSlotTimeout(); });
}

void JobExecution::OnSlotTimeout() {
  slot_timer_ = 0;
  proto::FailureInfo failure;
  failure.set_message(fmt::format("waited {} (slot.request.timeout) for {}",
                                  FormatDurationMs(options_.slot_request_timeout_ms), missing_slots_));
  failure.set_subtask(-1);
  failure.set_time_ms(executor_.clock().NowMs());
  // Not of the attempt that may have failed before it.
  failures_.BeginAttempt();
  failures_.Add(failure);
  EAGRE_LOG_WARN("job {} ({}) failed: {}", id(), spec_.graph.name(), failure.message());
  Transition(JobState::kFailing);
  OnAllWorkersGone();
}

void JobExecution::Deploy(const std::vector<SlotGroup>& groups, const std::vector<std::string>& hosts,
                          std::string token) {
  EAGRE_CHECK(WantsSlots());
  executor_.Cancel(std::exchange(slot_timer_, 0));
  ++attempt_;
  if (checkpoints_ != nullptr) attempt_ = std::max(attempt_, checkpoints_->first_attempt());
  workers_.clear();
  missing_slots_.clear();
  progress_.Reset();
  poison_hunt_.BeginAttempt(failures_.cause());
  failures_.BeginAttempt();
  if (poison_hunt_.isolating()) {
    EAGRE_LOG_INFO("job {} ({}): attempt {} reads record by record, to find one that fails it", id(),
                   spec_.graph.name(), attempt_);
  }
  if (checkpoints_ != nullptr) checkpoints_->OnDeployed(attempt_);
  for (size_t i = 0; i < groups.size(); ++i) {
    workers_.push_back({groups[i].task_manager_id, hosts[i], groups[i].job_slots, "", Phase::kDeploying, false});
    progress_.SetStatus(groups[i].job_slots, "DEPLOYING");
    const std::pair used(groups[i].task_manager_id, hosts[i]);
    if (std::find(task_managers_used_.begin(), task_managers_used_.end(), used) == task_managers_used_.end()) {
      task_managers_used_.push_back(used);
    }
  }
  Transition(JobState::kRunning);
  if (!handlers_.store_attempt) return SendDeployments(token);
  proto::StoredAttempt stored;
  stored.set_attempt(attempt_);
  if (checkpoints_ != nullptr) {
    stored.set_checkpoint_directory(checkpoints_->directory());
    stored.set_newest_checkpoint_id(checkpoints_->restore_id());
  }
  for (const Worker& worker : workers_) {
    proto::StoredWorker& out = *stored.add_workers();
    out.set_task_manager_id(worker.task_manager_id);
    out.set_host(worker.host);
    out.mutable_job_slots()->Assign(worker.job_slots.begin(), worker.job_slots.end());
  }
  handlers_.store_attempt(stored, [this, alive = std::weak_ptr<bool>(alive_), attempt = attempt_,
                                   token = std::move(token)](const Status& done) {
    if (alive.expired() || attempt != attempt_ || state_ != JobState::kRunning) return;
    if (done.ok()) return SendDeployments(token);
    if (absl::IsAborted(done)) return handlers_.on_replaced(done);
    proto::FailureInfo failure;
    failure.set_message(
        fmt::format("cannot store the job's attempt (high-availability.storageDir): {}", StatusMessage(done)));
    failure.set_subtask(-1);
    failure.set_retryable(true);
    Fail(std::move(failure));
  });
}

void JobExecution::SendDeployments(const std::string& token) {
  for (size_t i = 0; i < workers_.size(); ++i) {
    proto::JobManagerToTaskManager message;
    *message.mutable_deploy() = DeployMessage(i, token);
    handlers_.send(workers_[i].task_manager_id, message);
  }
}

proto::DeployWorker JobExecution::DeployMessage(size_t worker_index, const std::string& token) const {
  proto::DeployWorker deploy;
  deploy.mutable_attempt()->set_job_id(spec_.id);
  deploy.mutable_attempt()->set_attempt(attempt_);
  *deploy.mutable_graph() = spec_.graph;
  *deploy.mutable_artifact() = spec_.artifact->info;
  deploy.mutable_args()->Assign(spec_.args.begin(), spec_.args.end());
  deploy.mutable_config()->insert(spec_.config.begin(), spec_.config.end());
  const std::vector<int32_t>& slots = workers_[worker_index].job_slots;
  deploy.mutable_job_slots()->Assign(slots.begin(), slots.end());
  deploy.set_token(token);
  deploy.set_worker_index(static_cast<int32_t>(worker_index));
  if (poison_hunt_.isolating()) poison_hunt_.Fill(*deploy.mutable_isolation());
  proto::CheckpointPlan& plan = *deploy.mutable_checkpoints();
  plan.set_directory(checkpoints_ == nullptr ? "" : checkpoints_->directory());
  plan.set_restore_from(checkpoints_ == nullptr ? spec_.restore_from : checkpoints_->restore_from());
  plan.set_restore_attempt(checkpoints_ == nullptr ? -1 : checkpoints_->restore_attempt());
  // Also without an interval: users ask for checkpoints and savepoints, and what came before one must stay.
  plan.set_commits_on_checkpoint(checkpoints_ != nullptr);
  return deploy;
}

void JobExecution::OnReady(Worker& worker, const proto::WorkerReady& ready) {
  if (worker.phase != Phase::kDeploying) return;
  worker.phase = Phase::kReady;
  worker.data_address = ready.data_address();
  progress_.SetStatus(worker.job_slots, "INITIALIZING");
  StartWhenAllReady();
}

void JobExecution::StartWhenAllReady() {
  for (const Worker& worker : workers_) {
    if (worker.phase != Phase::kReady || worker.gone) return;
  }
  if (state_ != JobState::kRunning) return;
  proto::JobManagerToTaskManager message;
  message.mutable_start()->mutable_attempt()->set_job_id(spec_.id);
  message.mutable_start()->mutable_attempt()->set_attempt(attempt_);
  for (const Worker& worker : workers_) {
    proto::WorkerPeer& peer = *message.mutable_start()->add_peers();
    peer.set_data_address(worker.data_address);
    peer.mutable_job_slots()->Assign(worker.job_slots.begin(), worker.job_slots.end());
  }
  for (Worker& worker : workers_) {
    worker.phase = Phase::kRunning;
    progress_.SetStatus(worker.job_slots, "RUNNING");
    handlers_.send(worker.task_manager_id, message);
  }
  if (checkpoints_ != nullptr) checkpoints_->OnRunning();
}

// ---- messages ----

JobExecution::Worker* JobExecution::FindWorker(const std::string& task_manager_id) {
  for (Worker& worker : workers_) {
    if (worker.task_manager_id == task_manager_id && !worker.gone && !worker.awaited) return &worker;
  }
  return nullptr;
}

bool JobExecution::OnMessage(const std::string& task_manager_id, const proto::TaskManagerToJobManager& message) {
  const proto::AttemptId* attempt = AttemptOf(message);
  Worker* worker = FindWorker(task_manager_id);
  if (attempt == nullptr || attempt->attempt() != attempt_ || worker == nullptr) return false;
  if (reconciling_) return OnMessageWhileReconciling(*worker, message);
  using Message = proto::TaskManagerToJobManager;
  switch (message.message_case()) {
    case Message::kWorkerReady: OnReady(*worker, message.worker_ready()); break;
    case Message::kWorkerReport: progress_.Update(message.worker_report()); break;
    case Message::kTaskFailed: {
      proto::FailureInfo failure = message.task_failed().failure();
      if (failure.host().empty()) failure.set_host(worker->host);
      if (failure.task_manager_id().empty()) failure.set_task_manager_id(task_manager_id);
      Fail(std::move(failure));
      break;
    }
    case Message::kWorkerFinished: OnFinished(*worker); break;
    case Message::kCheckpointReport:
      if (checkpoints_ != nullptr && state_ == JobState::kRunning) checkpoints_->OnReport(message.checkpoint_report());
      break;
    case Message::kWorkerExited: OnExited(*worker, message.worker_exited()); break;
    default: break;
  }
  return true;
}

void JobExecution::OnFinished(Worker& worker) {
  worker.phase = Phase::kFinished;
  progress_.SetStatus(worker.job_slots, "FINISHED");
  // Workers stay until all have finished: one may still read what another has sent, or need its coordinators.
  if (AllWorkersFinished()) OnAllWorkersFinished();
}

void JobExecution::OnAllWorkersFinished() {
  if (checkpoints_ != nullptr) checkpoints_->OnStopping("its tasks have come to their end");
  CancelWorkers();
}

void JobExecution::OnExited(Worker& worker, const proto::WorkerExited& exited) {
  const bool was_told_to_stop = state_ != JobState::kRunning;
  if (!AllWorkersFinished() && !(was_told_to_stop && exited.expected())) {
    proto::FailureInfo failure = exited.failure();
    if (!exited.has_failure()) {
      failure.set_subtask(-1);
      failure.set_retryable(true);
    }
    if (failure.message().empty()) failure.set_message(HowItExited(exited));
    if (failure.host().empty()) failure.set_host(worker.host);
    if (failure.task_manager_id().empty()) failure.set_task_manager_id(worker.task_manager_id);
    Fail(std::move(failure));
  }
  handlers_.on_slots_free(worker.task_manager_id, static_cast<int>(worker.job_slots.size()));
  OnWorkerGone(worker);
}

void JobExecution::OnTaskManagerLost(const std::string& task_manager_id, const std::string& host,
                                     const std::string& reason) {
  Worker* worker = FindWorker(task_manager_id);
  if (worker == nullptr) return;
  if (reconciling_) {  // it may come back
    worker->awaited = true;
    return LimitReconciling();
  }
  if (!AllWorkersFinished()) {
    proto::FailureInfo failure;
    failure.set_message(fmt::format("lost TaskManager {} at {}: {}", task_manager_id, host, reason));
    failure.set_subtask(-1);
    failure.set_host(host);
    failure.set_task_manager_id(task_manager_id);
    failure.set_retryable(true);
    Fail(std::move(failure));
  }
  OnWorkerGone(*worker);
}

// ---- failing and stopping ----

void JobExecution::Fail(proto::FailureInfo failure) {
  if (failure.time_ms() == 0) failure.set_time_ms(executor_.clock().NowMs());
  if (state_ == JobState::kCancelling || AllWorkersFinished()) {
    EAGRE_LOG_INFO("job {}: a failure after its end was decided: {}", id(), failure.message());
    return;
  }
  const bool goes_on = state_ == JobState::kRunning || state_ == JobState::kRestarting;
  if (failure.damaged_checkpoint() && goes_on) {
    const Status older = checkpoints_ != nullptr ? checkpoints_->OnDamagedCheckpoint(failure.message())
                                                 : DataLoss("{}, which the job was to begin with, cannot be used: {}",
                                                            spec_.restore_from, failure.message());
    if (!older.ok()) {
      failure.set_message(std::string(StatusMessage(older)));
      failure.set_retryable(false);
    }
  }
  // It may be the machine that lacks the mount: a failure as any other, unless it is missing here too.
  if (failure.missing_checkpoint() && goes_on && checkpoints_ != nullptr) {
    checkpoints_->OnMissingCheckpoint(failure.message());
  }
  poison_hunt_.Explain(failure);
  const bool is_cause = failures_.Add(failure);
  if (!is_cause) return;
  EAGRE_LOG_WARN("job {} ({}) failed in attempt {}: {}{}{}", id(), spec_.graph.name(), attempt_, failure.message(),
                 failure.vertex().empty() ? "" : fmt::format(" [{} subtask {}]", failure.vertex(), failure.subtask()),
                 failure.host().empty() ? "" : fmt::format(" on {}", failure.host()));
  progress_.MarkFailed(failure.vertex(), failure.subtask());
  if (state_ == JobState::kRunning) {
    DecideRestart(failure);
    CancelWorkers();
  } else if (state_ == JobState::kRestarting && !failure.retryable()) {
    executor_.Cancel(std::exchange(restart_timer_, 0));
    Transition(JobState::kFailing);
  } else {
    handlers_.on_change();
  }
}

void JobExecution::DecideRestart(const proto::FailureInfo& cause) {
  if (!cause.retryable()) return Transition(JobState::kFailing);
  const auto delay_ms = restart_strategy_->OnFailure(executor_.clock().MonotonicNs() / kNsPerMs);
  if (!delay_ms) return Transition(JobState::kFailing);
  ++restarts_;
  restart_delay_ms_ = *delay_ms;
  restart_timer_ = executor_.PostAfter(*delay_ms, [this] {
    restart_timer_ = 0;
    if (!WantsSlots()) return;
    WaitForSlots();
    handlers_.on_wants_slots();
  });
  Transition(JobState::kRestarting);
}

void JobExecution::CancelWorkers(bool at_once) {
  proto::JobManagerToTaskManager message;
  message.mutable_cancel()->set_at_once(at_once);
  message.mutable_cancel()->mutable_attempt()->set_job_id(spec_.id);
  message.mutable_cancel()->mutable_attempt()->set_attempt(attempt_);
  for (const Worker& worker : workers_) {
    if (!worker.gone) handlers_.send(worker.task_manager_id, message);
  }
}

Status JobExecution::Cancel() {
  if (IsTerminal(state_) || ends_as_ || (state_ == JobState::kRunning && AllWorkersFinished())) {
    const JobState end = ends_as_.value_or(IsTerminal(state_) ? state_ : JobState::kFinished);
    return FailedPrecondition("job {} ({}) has already ended: {}", id(), spec_.graph.name(), JobStateName(end));
  }
  if (state_ == JobState::kCancelling) return OkStatus();
  executor_.Cancel(std::exchange(restart_timer_, 0));
  executor_.Cancel(std::exchange(slot_timer_, 0));
  EndReconciling();
  const bool already_stopping = state_ != JobState::kRunning && state_ != JobState::kCreated;
  Transition(JobState::kCancelling);
  if (!already_stopping) CancelWorkers();
  if (AllWorkersGone()) OnAllWorkersGone();
  return OkStatus();
}

void JobExecution::OnWorkerGone(Worker& worker) {
  worker.gone = true;
  progress_.SetStatus(worker.job_slots, "CANCELED");
  if (AllWorkersGone()) OnAllWorkersGone();
}

void JobExecution::OnAllWorkersGone() {
  switch (state_) {
    case JobState::kRunning: return End(JobState::kFinished);
    case JobState::kFailing: return End(JobState::kFailed);
    case JobState::kCancelling: return End(JobState::kCanceled);
    case JobState::kCreated:
    case JobState::kRestarting:
      if (!WantsSlots()) return handlers_.on_change();
      WaitForSlots();
      return handlers_.on_wants_slots();
    default: return;
  }
}

bool JobExecution::AllWorkersGone() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const Worker& worker) { return worker.gone; });
}

bool JobExecution::AllWorkersFinished() const {
  return !workers_.empty() && std::all_of(workers_.begin(), workers_.end(),
                                          [](const Worker& worker) { return worker.phase == Phase::kFinished; });
}

// ---- for users ----

std::string JobExecution::WaitingFor() const {
  if (ends_as_ && !why_not_stored_.empty()) {
    return fmt::format("its end, {}, to be stored in high-availability.storageDir: {}", JobStateName(*ends_as_),
                       why_not_stored_);
  }
  const bool opens = checkpoints_ != nullptr && !checkpoints_->idle();
  if (opens && (state_ == JobState::kCreated || (state_ == JobState::kRestarting && AllWorkersGone()))) {
    const std::string& why = checkpoints_->why_not_open();
    return fmt::format("its checkpoints in {}{}{}", checkpoints_->directory(), why.empty() ? "" : ": ", why);
  }
  if (reconciling_) {
    const auto left = std::count_if(workers_.begin(), workers_.end(), [](const Worker& w) { return w.awaited; });
    return fmt::format("{} of {} workers of attempt {}, which may have run on", left, workers_.size(), attempt_);
  }
  if (state_ == JobState::kCreated && AllWorkersGone()) return missing_slots_;
  if (state_ != JobState::kRestarting && state_ != JobState::kCreated) return "";
  if (!AllWorkersGone()) {
    const auto left = std::count_if(workers_.begin(), workers_.end(), [](const Worker& w) { return !w.gone; });
    return fmt::format("{} of {} workers of attempt {} to exit", left, workers_.size(), attempt_);
  }
  if (restart_timer_ != 0)
    return fmt::format("the restart delay of {} ({})", FormatDurationMs(restart_delay_ms_),
                       restart_strategy_->Describe());
  return missing_slots_;
}

proto::JobSummary JobExecution::Summary() const {
  proto::JobSummary summary;
  summary.set_job_id(spec_.id);
  summary.set_name(spec_.graph.name());
  summary.set_state(std::string(JobStateName(state_)));
  summary.set_start_time_ms(spec_.submitted_ms);
  if (IsTerminal(state_)) summary.set_end_time_ms(state_entered_ms(state_));
  summary.set_restarts(restarts_);
  return summary;
}

proto::JobDetails JobExecution::Details() const {
  proto::JobDetails details;
  *details.mutable_summary() = Summary();
  *details.mutable_graph() = spec_.graph;
  progress_.Fill(details);
  failures_.Fill(details);
  details.set_waiting_for(WaitingFor());
  for (const Worker& worker : workers_) {
    details.add_task_managers(fmt::format("{} @ {}", worker.task_manager_id, worker.host));
  }
  details.set_attempt(std::max(attempt_, 0));
  if (checkpoints_ != nullptr) *details.mutable_checkpoints() = checkpoints_->details();
  if (checkpoints_ == nullptr && attempt_ >= 0 && !spec_.restore_from.empty()) {
    details.mutable_checkpoints()->set_restored_from(spec_.restore_from);
    details.mutable_checkpoints()->set_restored_ms(state_entered_ms(JobState::kRunning));
  }
  return details;
}

}  // namespace eagre
