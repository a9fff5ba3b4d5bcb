// The part of JobExecution that takes over an attempt which an earlier JobManager had deployed.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/duration.h"
#include "base/logging.h"
#include "jobmanager/job_execution.h"

namespace eagre {

void JobExecution::Reconcile(const proto::StoredAttempt& attempt) {
  EAGRE_CHECK(state_ == JobState::kCreated && workers_.empty());
  executor_.Cancel(std::exchange(slot_timer_, 0));
  attempt_ = attempt.attempt();
  for (const proto::StoredWorker& stored : attempt.workers()) {
    workers_.push_back({.task_manager_id = stored.task_manager_id(),
                        .host = stored.host(),
                        .job_slots = {stored.job_slots().begin(), stored.job_slots().end()},
                        .data_address = "",
                        .phase = Phase::kRunning,
                        .awaited = true});
    task_managers_used_.emplace_back(stored.task_manager_id(), stored.host());
  }
  reconciling_ = true;
}

void JobExecution::LimitReconciling() {
  if (!reconciling_ || reconciliation_timer_ != 0) return;
  reconciliation_timer_ = executor_.PostAfter(options_.reconciliation_timeout_ms, [this] {
    reconciliation_timer_ = 0;
    // All are there: then it is the checkpoints that are waited for, and the workers run on until these can be read.
    if (std::none_of(workers_.begin(), workers_.end(), [](const Worker& w) { return w.awaited; })) return;
    GiveUpReconciling(fmt::format("not all of its TaskManagers came back within {} (jobmanager.reconciliation.timeout)",
                                  FormatDurationMs(options_.reconciliation_timeout_ms)));
  });
}

bool JobExecution::OnWorkerFound(const std::string& task_manager_id, const proto::RunningWorker& running) {
  if (!reconciling_ || running.attempt().attempt() != attempt_) return false;
  const auto index = static_cast<size_t>(running.worker_index());
  if (index >= workers_.size()) return false;
  Worker& worker = workers_[index];
  const std::vector<int32_t> slots(running.job_slots().begin(), running.job_slots().end());
  if (worker.task_manager_id != task_manager_id || worker.job_slots != slots) return false;
  worker.awaited = false;
  known_checkpoint_id_ = std::max(known_checkpoint_id_, running.checkpoint_id());
  handlers_.on_change();
  if (running.failed()) {
    GiveUpReconciling(fmt::format("its worker on TaskManager {} at {} had failed", task_manager_id, worker.host));
  } else {
    AdoptWhenAllFound();
  }
  return true;
}

void JobExecution::OnTaskManagerRegistered(const std::string& task_manager_id) {
  if (!reconciling_) return;
  for (const Worker& worker : workers_) {
    if (worker.awaited && worker.task_manager_id == task_manager_id) {
      return GiveUpReconciling(
          fmt::format("its worker on TaskManager {} at {} was gone", task_manager_id, worker.host));
    }
  }
}

void JobExecution::AdoptWhenAllFound() {
  if (!reconciling_ || (checkpoints_ != nullptr && !checkpoints_->idle())) return;
  const bool found =
      std::none_of(workers_.begin(), workers_.end(), [](const Worker& w) { return w.awaited || w.gone; });
  if (!found) return;
  EAGRE_LOG_INFO("job {} ({}) goes on in attempt {}: all its {} workers have run on", id(), spec_.graph.name(),
                 attempt_, workers_.size());
  EndReconciling();
  failures_.BeginAttempt();
  progress_.Reset();
  Transition(JobState::kRunning);
  proto::JobManagerToTaskManager message;
  message.mutable_adopt()->mutable_attempt()->set_job_id(spec_.id);
  message.mutable_adopt()->mutable_attempt()->set_attempt(attempt_);
  for (const Worker& worker : workers_) {
    progress_.SetStatus(worker.job_slots, "RUNNING");
    handlers_.send(worker.task_manager_id, message);
  }
  if (checkpoints_ == nullptr) return;
  checkpoints_->OnAdopted(attempt_, known_checkpoint_id_);
  if (checkpoints_->stopping()) AwaitStop();
}

void JobExecution::GiveUpReconciling(const std::string& reason) {
  if (!reconciling_) return;
  EndReconciling();
  proto::FailureInfo failure;
  failure.set_message(
      fmt::format("the JobManager was started anew, and attempt {} could not go on: {}", attempt_, reason));
  failure.set_subtask(-1);
  failure.set_retryable(true);
  failure.set_time_ms(executor_.clock().NowMs());
  failures_.BeginAttempt();
  failures_.Add(failure);
  EAGRE_LOG_WARN("job {} ({}): {}", id(), spec_.graph.name(), failure.message());
  CancelWorkers(/*at_once=*/true);
  handlers_.on_change();
  if (AllWorkersGone()) OnAllWorkersGone();
}

void JobExecution::EndReconciling() {
  if (!std::exchange(reconciling_, false)) return;
  executor_.Cancel(std::exchange(reconciliation_timer_, 0));
  for (Worker& worker : workers_) worker.gone = worker.gone || std::exchange(worker.awaited, false);
}

// What else a worker says before its attempt is adopted, its TaskManager repeats afterwards.
bool JobExecution::OnMessageWhileReconciling(Worker& worker, const proto::TaskManagerToJobManager& message) {
  if (message.has_task_failed()) {
    GiveUpReconciling(message.task_failed().failure().message());
    return true;
  }
  if (!message.has_worker_exited()) return true;
  handlers_.on_slots_free(worker.task_manager_id, static_cast<int>(worker.job_slots.size()));
  worker.gone = true;
  GiveUpReconciling(fmt::format("its worker on TaskManager {} at {} ended", worker.task_manager_id, worker.host));
  return true;
}

}  // namespace eagre
