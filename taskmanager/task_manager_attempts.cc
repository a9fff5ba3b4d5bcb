// The part of TaskManager that starts, carries and ends workers.
#include <algorithm>
#include <utility>

#include "base/crash_report.h"
#include "base/duration.h"
#include "base/logging.h"
#include "taskmanager/task_manager_run.h"
#include "taskmanager/worker_failure.h"

namespace eagre {
namespace {

// A worker's last messages may still be on their way when its exit is known; something else may hold its socket open.
constexpr int64_t kDrainTimeoutMs = 1'000;

}  // namespace

TaskManager::Run* TaskManager::Find(const proto::AttemptId& attempt) {
  auto found = runs_.find({attempt.job_id(), attempt.attempt()});
  return found == runs_.end() ? nullptr : found->second.get();
}

Status TaskManager::CheckSlots(const proto::DeployWorker& deploy) const {
  const int used = used_slots();
  if (deploy.job_slots_size() == 0)
    return InvalidArgument("the deployment of {} names no slot", AttemptName(deploy.attempt()));
  if (used + deploy.job_slots_size() <= options_.slots) return OkStatus();
  return ResourceExhausted("TaskManager {} at {} refused {} slots: {} of its {} are in use", options_.id, options_.host,
                           deploy.job_slots_size(), used, options_.slots);
}

void TaskManager::HandleDeploy(proto::DeployWorker deploy) {
  if (!registered_) return;
  if (Find(deploy.attempt()) != nullptr) {
    EAGRE_LOG_WARN("{} is deployed here already", AttemptName(deploy.attempt()));
    return;
  }
  if (Status slots = CheckSlots(deploy); !slots.ok()) return RefuseDeploy(deploy.attempt(), slots);
  AttemptKey key{deploy.attempt().job_id(), deploy.attempt().attempt()};
  auto owned = std::make_unique<Run>();
  owned->deploy = std::move(deploy);
  Run& run = *owned;
  runs_.emplace(key, std::move(owned));
  EAGRE_LOG_INFO("deploying {} of '{}' with {} slots", AttemptName(run.attempt()), run.deploy.graph().name(),
                 run.deploy.job_slots_size());
  std::weak_ptr<bool> alive = alive_;
  std::string digest = run.deploy.artifact().digest();
  env_.artifacts->Fetch(run.deploy.artifact(), [this, alive, key, digest](StatusOr<std::string> library) {
    if (alive.expired()) return;
    auto found = runs_.find(key);
    if (found == runs_.end() || found->second->worker != nullptr) {  // cancelled or abandoned meanwhile
      if (library.ok()) env_.artifacts->Unpin(digest);
      return;
    }
    Launch(*found->second, std::move(library));
  });
}

void TaskManager::Launch(Run& run, StatusOr<std::string> library) {
  auto fail = [&](const Status& reason) {
    proto::AttemptId attempt = run.attempt();
    if (run.pinned) env_.artifacts->Unpin(run.deploy.artifact().digest());
    runs_.erase({attempt.job_id(), attempt.attempt()});
    RefuseDeploy(attempt, reason);
    RegisterWhenClean();
  };
  if (!library.ok()) {
    return fail(
        WithContext(library.status(), fmt::format("cannot fetch the library '{}' of job '{}'",
                                                  run.deploy.artifact().file_name(), run.deploy.graph().name())));
  }
  run.pinned = true;
  run.deploy.set_library_path(*std::move(library));
  run.deploy.set_slot_memory_bytes(options_.slot_memory_bytes);
  if (!options_.local_state_directory.empty()) {
    run.deploy.set_local_state_directory(options_.local_state_directory + "/" + run.attempt().job_id());
  }
  std::weak_ptr<bool> alive = alive_;
  AttemptKey key{run.attempt().job_id(), run.attempt().attempt()};
  auto worker = env_.launcher->Launch(run.deploy, [this, alive, key](WorkerExit exit) {
    if (alive.expired()) return;
    if (auto found = runs_.find(key); found != runs_.end()) HandleWorkerExit(*found->second, std::move(exit));
  });
  if (!worker.ok()) {
    return fail(
        WithContext(worker.status(), fmt::format("cannot start a worker for job '{}'", run.deploy.graph().name())));
  }
  run.worker = *std::move(worker);
  // The link goes with the run, so its handlers may hold the run itself.
  run.worker->link().Start(*env_.executor,
                           {.on_message = [this, &run](std::string_view bytes) { HandleWorkerMessage(run, bytes); },
                            .on_closed = [this, &run](Status reason) { HandleWorkerLinkClosed(run, reason); }});
  proto::TaskManagerToWorker message;
  *message.mutable_deploy() = run.deploy;
  run.worker->link().Send(message.SerializeAsString());
  AwaitReady(run);
}

void TaskManager::HandleStart(const proto::StartWorker& start) {
  Run* run = Find(start.attempt());
  if (run == nullptr || run->worker == nullptr) return;  // it is gone, and the JobManager has been told
  run->started = true;
  proto::TaskManagerToWorker message;
  *message.mutable_start() = start;
  run->worker->link().Send(message.SerializeAsString());
}

void TaskManager::HandleCheckpoint(const proto::CheckpointCommand& command) {
  Run* run = Find(command.attempt());
  if (run == nullptr || run->worker == nullptr || run->cancelled || run->exit.has_value()) return;
  run->checkpoint_id = std::max(run->checkpoint_id, command.checkpoint_id());
  proto::TaskManagerToWorker message;
  *message.mutable_checkpoint() = command;
  run->worker->link().Send(message.SerializeAsString());
}

void TaskManager::HandleCancel(const proto::CancelWorker& cancel) {
  Run* run = Find(cancel.attempt());
  if (run == nullptr || run->worker == nullptr) {
    // Nothing runs: never deployed, gone already, or still fetching its library. Answered all the same, so that a
    // JobManager that waits for the end of the attempt always gets it.
    if (run != nullptr) runs_.erase({cancel.attempt().job_id(), cancel.attempt().attempt()});
    proto::WorkerExited exited;
    *exited.mutable_attempt() = cancel.attempt();
    exited.set_expected(true);
    return ReportExit(std::move(exited));
  }
  if (cancel.at_once()) {
    run->cancelled = true;
    run->killed = true;
    StopAwaitingReady(*run);
    return run->worker->Kill();
  }
  if (run->cancelled) return;
  run->cancelled = true;
  proto::TaskManagerToWorker message;
  *message.mutable_cancel() = cancel;
  run->worker->link().Send(message.SerializeAsString());
  if (run->exit.has_value()) return;
  KillAfter(*run, options_.cancellation_timeout_ms, "it did not stop in time after it was cancelled");
}

void TaskManager::HandleWorkerMessage(Run& run, std::string_view bytes) {
  proto::WorkerToTaskManager message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      message.message_case() == proto::WorkerToTaskManager::MESSAGE_NOT_SET) {
    return Kill(run, "it sent its TaskManager a message that is none of the protocol");
  }
  if (run.abandoned) return;
  StopAwaitingReady(run);
  // The attempt is the one that was launched, whatever the worker claims.
  proto::TaskManagerToJobManager forward;
  switch (message.message_case()) {
    case proto::WorkerToTaskManager::kReady:
      *forward.mutable_worker_ready() = std::move(*message.mutable_ready());
      *forward.mutable_worker_ready()->mutable_attempt() = run.attempt();
      forward.mutable_worker_ready()->set_worker_index(run.deploy.worker_index());
      break;
    case proto::WorkerToTaskManager::kReport:
      *forward.mutable_worker_report() = std::move(*message.mutable_report());
      *forward.mutable_worker_report()->mutable_attempt() = run.attempt();
      break;
    case proto::WorkerToTaskManager::kCheckpoint:
      *forward.mutable_checkpoint_report() = std::move(*message.mutable_checkpoint());
      *forward.mutable_checkpoint_report()->mutable_attempt() = run.attempt();
      if (forward.checkpoint_report().kind() == proto::CheckpointReport::ENDED) {
        const proto::CheckpointReport& report = forward.checkpoint_report();
        run.ended[{report.vertex(), report.subtask()}] = report;
      }
      break;
    case proto::WorkerToTaskManager::kFailed:
      *forward.mutable_task_failed()->mutable_attempt() = run.attempt();
      *forward.mutable_task_failed()->mutable_failure() =
          Stamp(std::move(*message.mutable_failed()->mutable_failure()));
      if (!run.failure) run.failure = forward.task_failed();
      EAGRE_LOG_WARN("{}: {}", AttemptName(run.attempt()), forward.task_failed().failure().message());
      break;
    case proto::WorkerToTaskManager::kFinished:
      run.finished = true;
      *forward.mutable_worker_finished()->mutable_attempt() = run.attempt();
      break;
    case proto::WorkerToTaskManager::MESSAGE_NOT_SET: return;
  }
  // Without a JobManager what must not be lost is kept for the one that adopts the run.
  if (registered_) SendToJobManager(std::move(forward));
  // Finished or failed, it stays until the JobManager cancels it: others may still need what it holds.
}

void TaskManager::HandleWorkerLinkClosed(Run& run, const Status& reason) {
  run.link_closed = true;
  if (run.exit.has_value()) return Conclude(run);
  // It is dying already, as a rule; one that cannot be spoken to is of no use in any case. A cancelled one has its
  // time.
  if (run.cancelled) return;
  KillAfter(run, options_.worker_exit_timeout_ms,
            fmt::format("it did not exit in time after its link broke ({})", WhyClosed(reason)));
}

void TaskManager::HandleWorkerExit(Run& run, WorkerExit exit) {
  run.exit = std::move(exit);
  StopAwaitingReady(run);
  env_.executor->Cancel(std::exchange(run.timer, 0));
  if (run.link_closed) return Conclude(run);
  run.timer = env_.executor->PostAfter(kDrainTimeoutMs, [this, &run] { Conclude(run); });
}

void TaskManager::AwaitReady(Run& run) {
  if (options_.deployment_timeout_ms <= 0) return;
  run.ready_timer = env_.executor->PostAfter(options_.deployment_timeout_ms, [this, &run] {
    run.ready_timer = 0;
    Kill(run,
         fmt::format("it had not loaded the library '{}' after {} (task.deployment.timeout); see what the library's "
                     "initialisers or its EAGRE_JOB wait for, or give it more time",
                     run.deploy.artifact().file_name(), FormatDurationMs(options_.deployment_timeout_ms)));
  });
}

void TaskManager::StopAwaitingReady(Run& run) {
  env_.executor->Cancel(std::exchange(run.ready_timer, 0));
}

void TaskManager::KillAfter(Run& run, int64_t delay_ms, std::string reason) {
  StopAwaitingReady(run);
  env_.executor->Cancel(run.timer);
  run.timer = env_.executor->PostAfter(delay_ms, [this, &run, reason = std::move(reason)]() mutable {
    run.timer = 0;
    Kill(run, std::move(reason));
  });
}

void TaskManager::Kill(Run& run, std::string reason) {
  EAGRE_LOG_WARN("killing the worker of {}: {}", AttemptName(run.attempt()), reason);
  if (run.kill_reason.empty()) run.kill_reason = std::move(reason);
  run.worker->Kill();
}

bool TaskManager::Abandon(Run& run) {
  if (run.worker == nullptr) return true;
  run.abandoned = true;
  StopAwaitingReady(run);
  run.worker->Kill();
  return false;
}

void TaskManager::KillAllRuns() {
  std::erase_if(runs_, [this](const auto& entry) { return Abandon(*entry.second); });
}

void TaskManager::KillUnstartedRuns() {
  std::erase_if(runs_, [this](const auto& entry) {
    Run& run = *entry.second;
    return (!run.started || run.cancelled) && Abandon(run);
  });
}

void TaskManager::Conclude(Run& run) {
  env_.executor->Cancel(run.timer);
  proto::WorkerExited exited;
  *exited.mutable_attempt() = run.attempt();
  exited.set_exit_code(run.exit->exit_code);
  exited.set_signal(run.exit->signal);
  // A crash stays one although the JobManager has begun to cancel: it may have heard first from a peer whose connection
  // broke, and this is the cause.
  const bool crashed = run.exit->signal != 0 && run.kill_reason.empty() && !run.killed;
  exited.set_expected(run.cancelled && !crashed);
  if (!exited.expected()) {
    proto::FailureInfo failure =
        run.kill_reason.empty() || !run.exit->crash_report.empty()
            ? DescribeWorkerExit(*run.exit, run.deploy)
            : MakeWorkerFailure(fmt::format("the worker of job '{}' was killed by its TaskManager: {}",
                                            run.deploy.graph().name(), run.kill_reason));
    failure.set_secondary(run.failure.has_value());  // what it said before is the cause
    *exited.mutable_failure() = Stamp(std::move(failure));
  }
  run.worker->link().Close();
  const bool report = !run.abandoned;
  if (run.pinned) env_.artifacts->Unpin(run.deploy.artifact().digest());
  // Deferred: this may run inside a handler of the worker's link.
  AttemptKey key{run.attempt().job_id(), run.attempt().attempt()};
  std::shared_ptr<Run> gone = std::move(runs_.extract(key).mapped());
  env_.executor->Post([gone] {});
  EAGRE_LOG_INFO("the worker of {} {}", AttemptName(exited.attempt()),
                 exited.has_failure()   ? "failed: " + exited.failure().message()
                 : exited.signal() != 0 ? "was ended by " + SignalName(exited.signal())
                                        : fmt::format("exited with code {}", exited.exit_code()));
  if (report) ReportExit(std::move(exited));
  RegisterWhenClean();
}

void TaskManager::RefuseDeploy(const proto::AttemptId& attempt, const Status& reason) {
  EAGRE_LOG_WARN("{}: {}", AttemptName(attempt), StatusMessage(reason));
  proto::WorkerExited exited;
  *exited.mutable_attempt() = attempt;
  *exited.mutable_failure() = Stamp(MakeWorkerFailure(StatusMessage(reason)));
  ReportExit(std::move(exited));
}

void TaskManager::ReportExit(proto::WorkerExited exited) {
  if (!registered_) return unreported_exits_.push_back(std::move(exited));
  proto::TaskManagerToJobManager message;
  *message.mutable_worker_exited() = std::move(exited);
  SendToJobManager(std::move(message));
}

proto::FailureInfo TaskManager::Stamp(proto::FailureInfo failure) const {
  failure.set_host(options_.host);
  failure.set_task_manager_id(options_.id);
  if (failure.time_ms() == 0) failure.set_time_ms(env_.executor->clock().NowMs());
  return failure;
}

}  // namespace eagre
