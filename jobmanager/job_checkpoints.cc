// The part of JobExecution that is about its checkpoints and savepoints.
#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "jobmanager/job_execution.h"

namespace eagre {
namespace {

// How long workers may take to end behind a savepoint, but for their commits.
constexpr int64_t kStopTimeoutMs = 10'000;

}  // namespace

void JobExecution::OpenCheckpoints() {
  const std::string directory = JoinPath(spec_.checkpoints.directory, spec_.id);
  CheckpointCoordinator::Handlers handlers;
  handlers.send_to_workers = [this](const proto::JobManagerToTaskManager& message) {
    for (const Worker& worker : workers_) {
      if (!worker.gone) handlers_.send(worker.task_manager_id, message);
    }
  };
  handlers.fail_job = [this](const std::string& reason, bool retryable) { FailFromCheckpoints(reason, retryable); };
  handlers.on_replaced = handlers_.on_replaced;
  handlers.on_idle = [this] {
    AdoptWhenAllFound();
    EndWhenAnswered();
    if (!WantsSlots()) return;
    if (slot_timer_ == 0) WaitForSlots();
    handlers_.on_wants_slots();
  };
  handlers.on_change = [this] { handlers_.on_change(); };
  checkpoints_ = std::make_unique<CheckpointCoordinator>(
      executor_, *options_.io,
      std::make_shared<CheckpointStorage>(*options_.files, directory, options_.checkpoint_writer,
                                          static_cast<size_t>(spec_.checkpoints.retained), options_.leads),
      CheckpointedJob{spec_.id, &spec_.graph, options_.version, spec_.restore_from, spec_.taken_up, spec_.expected},
      spec_.checkpoints, std::move(handlers));
}

void JobExecution::ReleaseCheckpoints() {
  EAGRE_CHECK(IsTerminal(state_));
  if (checkpoints_ != nullptr) checkpoints_->OnJobEnded(state_);
}

void JobExecution::FailFromCheckpoints(const std::string& reason, bool retryable) {
  if (IsTerminal(state_)) return;
  proto::FailureInfo failure;
  failure.set_message(reason);
  failure.set_subtask(-1);
  failure.set_retryable(retryable);
  if (state_ == JobState::kRunning) return Fail(std::move(failure));
  if (state_ == JobState::kCreated) failures_.BeginAttempt();
  failure.set_time_ms(executor_.clock().NowMs());
  failures_.Add(failure);
  EAGRE_LOG_WARN("job {} ({}) failed: {}", id(), spec_.graph.name(), reason);
  if (state_ != JobState::kCreated && state_ != JobState::kRestarting) return;  // it is on its way out already
  executor_.Cancel(std::exchange(slot_timer_, 0));
  executor_.Cancel(std::exchange(restart_timer_, 0));
  EndReconciling();
  const bool created = state_ == JobState::kCreated;
  Transition(JobState::kFailing);
  if (created) CancelWorkers();
  if (AllWorkersGone()) OnAllWorkersGone();
}

Status JobExecution::CheckTakesCheckpoints() const {
  if (checkpoints_ == nullptr) {
    return FailedPrecondition(
        "job {} ({}) takes no checkpoints or savepoints: execution.checkpointing.dir was not set when it was submitted",
        id(), spec_.graph.name());
  }
  if (stop_) return FailedPrecondition("job {} ({}) is being stopped already", id(), spec_.graph.name());
  if (state_ != JobState::kRunning) {
    return FailedPrecondition("job {} ({}) is {}; it must be RUNNING", id(), spec_.graph.name(), JobStateName(state_));
  }
  return OkStatus();
}

void JobExecution::TriggerCheckpoint(CheckpointCoordinator::Done done) {
  if (Status checked = CheckTakesCheckpoints(); !checked.ok()) return done(std::move(checked));
  checkpoints_->TriggerCheckpoint(std::move(done));
}

void JobExecution::TriggerSavepoint(const std::string& path, CheckpointCoordinator::Done done) {
  if (Status checked = CheckTakesCheckpoints(); !checked.ok()) return done(std::move(checked));
  checkpoints_->TriggerSavepoint(path, proto::CheckpointCommand::CONTINUE, std::move(done));
}

void JobExecution::StopWithSavepoint(const std::string& path, bool drain, CheckpointCoordinator::Done done) {
  if (Status checked = CheckTakesCheckpoints(); !checked.ok()) return done(std::move(checked));
  checkpoints_->TriggerSavepoint(path, drain ? proto::CheckpointCommand::DRAIN : proto::CheckpointCommand::SUSPEND,
                                 [this, done = std::move(done)](StatusOr<CheckpointCoordinator::Completed> savepoint) {
                                   if (!savepoint.ok()) return done(savepoint.status());
                                   OnStopSavepoint(*std::move(savepoint), done);
                                 });
}

void JobExecution::OnStopSavepoint(CheckpointCoordinator::Completed savepoint, CheckpointCoordinator::Done done) {
  stop_ = Stop{std::move(savepoint), std::move(done)};
  if (state_ != JobState::kRunning) return AnswerStop();
  AwaitStop();
}

// Commits take as long as they take: what is cut off would be in the savepoint only.
void JobExecution::AwaitStop() {
  stop_timer_ = executor_.PostAfter(kStopTimeoutMs, [this] {
    stop_timer_ = 0;
    if (state_ != JobState::kRunning || AllWorkersFinished()) return;
    if (progress_.AnyCommitting()) return AwaitStop();
    EAGRE_LOG_WARN("job {} ({}): its workers did not end in time behind the savepoint", id(), spec_.graph.name());
    for (Worker& worker : workers_) worker.phase = Phase::kFinished;
    OnAllWorkersFinished();
  });
}

void JobExecution::AnswerStop() {
  executor_.Cancel(std::exchange(stop_timer_, 0));
  if (!stop_) return;
  const Stop stop = *std::exchange(stop_, std::nullopt);
  if (state_ == JobState::kFinished) return stop.done(stop.savepoint);
  stop.done(FailedPrecondition(
      "the savepoint was made at {}, but then, before job {} ({}) had stopped, it became {}; see `eagre info {}`",
      stop.savepoint.path, id(), spec_.graph.name(), JobStateName(state_), id()));
}

}  // namespace eagre
