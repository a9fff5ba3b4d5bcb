#include "jobmanager/checkpoint_coordinator.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.h"
#include "base/logging.h"
#include "jobmanager/may_pass.h"

namespace eagre {
namespace {

constexpr size_t kMaxRequests = 16;
constexpr int64_t kNsPerMs = 1'000'000;
// A last checkpoint that failed is tried again after so long, or the interval when that is shorter.
constexpr int64_t kLastRetryMs = 1'000;
// A storage that cannot be opened now is tried again after so long.
constexpr int64_t kOpenAgainMs = 1'000;

}  // namespace

CheckpointCoordinator::CheckpointCoordinator(Executor& executor, Executor& io,
                                             std::shared_ptr<CheckpointStorage> storage, CheckpointedJob job,
                                             const CheckpointOptions& options, Handlers handlers)
    : executor_(executor),
      io_(io),
      storage_(std::move(storage)),
      job_(std::move(job)),
      options_(options),
      handlers_(std::move(handlers)),
      directory_(storage_->directory()),
      restore_from_(job_.restore_from),
      points_(static_cast<size_t>(options_.retained), options_.recover_with_duplicates) {
  for (const proto::Vertex& vertex : job_.graph->vertices()) subtasks_ += static_cast<size_t>(vertex.parallelism());
  details_.set_interval_ms(options_.interval_ms);
  details_.set_mode(options_.mode);
  details_.set_directory(directory_);
  Open();
}

void CheckpointCoordinator::Open() {
  ExpectedCheckpoints expected = job_.expected;
  expected.permits_duplicates = options_.recover_with_duplicates;
  io_.Post([this, alive = std::weak_ptr<bool>(alive_), storage = storage_, &executor = executor_,
            now_ms = executor_.clock().NowMs(), expected = std::move(expected)] {
    executor.Post([this, alive, opened = storage->Open(now_ms, expected)]() mutable {
      if (!alive.expired()) OnOpened(std::move(opened));
    });
  });
}

CheckpointCoordinator::~CheckpointCoordinator() {
  executor_.Cancel(timeout_);
  executor_.Cancel(next_trigger_);
  executor_.Cancel(open_timer_);
  AnswerAll(Unavailable("the JobManager or job {} went away meanwhile", job_.id));
}

int64_t CheckpointCoordinator::MonotonicMs() const {
  return executor_.clock().MonotonicNs() / kNsPerMs;
}

void CheckpointCoordinator::OnOpened(StatusOr<CheckpointStorage::Opened> opened) {
  if (absl::IsAborted(opened.status()) && handlers_.on_replaced) return handlers_.on_replaced(opened.status());
  if (!opened.ok()) {
    const std::string reason = fmt::format("cannot use the folder of checkpoints (execution.checkpointing.dir): {}",
                                           StatusMessage(opened.status()));
    if (MayPass(opened.status()) && job_.taken_up) {
      const std::string before = std::exchange(why_not_open_, StatusMessage(opened.status()));
      if (why_not_open_ != before) EAGRE_LOG_ERROR("job {}: {}; trying again until it can", job_.id, reason);
      open_timer_ = executor_.PostAfter(kOpenAgainMs, [this] {
        open_timer_ = 0;
        Open();
      });
      return handlers_.on_change();
    }
    return handlers_.fail_job(reason, /*retryable=*/false);
  }
  for (const RestorePoint& point : opened->points) {
    found_highest_id_ = std::max(found_highest_id_, point.completion.checkpoint_id());
  }
  if (const Status chosen = points_.Open(std::move(opened->points)); !chosen.ok()) {
    return handlers_.fail_job(std::string(StatusMessage(chosen)), /*retryable=*/false);
  }
  opened_ = true;
  why_not_open_.clear();
  next_id_ = opened->next_checkpoint_id;
  first_attempt_ = opened->next_attempt;
  found_latest_ = points_.newest() != nullptr;
  if (found_latest_) UseNewestPoint();
  handlers_.on_idle();
}

void CheckpointCoordinator::UseNewestPoint() {
  const RestorePoint& newest = *points_.newest();
  restore_from_ = newest.path;
  *details_.mutable_latest() = newest.completion;
  details_.set_latest_path(newest.path);
}

Status CheckpointCoordinator::OnDamagedCheckpoint(const std::string& damage) {
  if (std::exchange(damaged_attempt_, attempt_) == attempt_) return OkStatus();
  if (points_.newest() == nullptr) {
    return DataLoss("{}, which the job was to begin with, cannot be used: {}", restore_from_, damage);
  }
  const int64_t damaged_id = restore_id();
  EAGRE_RETURN_IF_ERROR(points_.DropNewest(DataLoss("{}", damage)));
  io_.Post([storage = storage_, damaged_id] { storage->Drop(damaged_id); });
  UseNewestPoint();
  return OkStatus();
}

void CheckpointCoordinator::OnMissingCheckpoint(const std::string& damage) {
  if (std::exchange(missing_attempt_, attempt_) == attempt_) return;
  checking_ = true;
  io_.Post([this, alive = std::weak_ptr<bool>(alive_), storage = storage_, &executor = executor_, path = restore_from_,
            damage] {
    executor.Post([this, alive, damage, whole = storage->CheckWhole(path)] {
      if (!alive.expired()) OnChecked(whole, damage);
    });
  });
}

void CheckpointCoordinator::OnChecked(const Status& whole, const std::string& damage) {
  checking_ = false;
  if (absl::IsNotFound(whole) || absl::IsDataLoss(whole)) {
    const Status older = OnDamagedCheckpoint(damage);
    if (!older.ok()) return handlers_.fail_job(std::string(StatusMessage(older)), /*retryable=*/false);
  } else {
    EAGRE_LOG_WARN("job {}: {}; {}; see whether its file system is mounted on that machine", job_.id, damage,
                   whole.ok() ? "the JobManager finds all of it" : StatusMessage(whole));
  }
  handlers_.on_idle();
}

// ---- attempts ----

void CheckpointCoordinator::OnDeployed(int attempt) {
  attempt_ = attempt;
  ended_.clear();
  last_taken_ = false;
  suspended_ = false;
  failures_in_a_row_ = 0;
  details_.set_restored_from(restore_from_);
  details_.set_restored_ms(restore_from_.empty() ? 0 : executor_.clock().NowMs());
}

void CheckpointCoordinator::OnRunning() {
  running_ = true;
  triggered_ms_ = resolved_ms_ = MonotonicMs();
  last_failed_ = false;
  io_.Post([storage = storage_, attempt = attempt_] { storage->DeleteLeftBefore(attempt); });
  Schedule();
}

void CheckpointCoordinator::OnAdopted(int attempt, int64_t highest_known_id) {
  attempt_ = attempt;
  const int64_t latest_id = details_.latest().checkpoint_id();
  if (found_latest_ && details_.latest().attempt() == attempt) {
    suspended_ = details_.latest().stops();
    after_ = suspended_ ? proto::CheckpointCommand::SUSPEND : proto::CheckpointCommand::CONTINUE;
    SendCommand(latest_id, proto::CheckpointCommand::COMPLETE);
  }
  if (highest_known_id > latest_id) {
    after_ = proto::CheckpointCommand::CONTINUE;
    // It may have been complete, and be damaged.
    SendCommand(highest_known_id, proto::CheckpointCommand::ABORT,
                /*may_be_complete=*/highest_known_id <= found_highest_id_);
  }
  next_id_ = std::max(next_id_, highest_known_id + 1);
  OnRunning();
}

void CheckpointCoordinator::OnStopping(std::string_view reason) {
  if (!running_) return;
  running_ = false;
  executor_.Cancel(std::exchange(next_trigger_, 0));
  const Status status = FailedPrecondition("job {} stopped running: {}", job_.id, reason);
  for (Request& request : std::exchange(requests_, {})) request.done(status);
  if (pending_ && !completing_) FailPending(status, /*counts=*/false);
}

void CheckpointCoordinator::OnJobEnded(JobState state) {
  const bool retained =
      (state == JobState::kFailed && options_.retention != CheckpointOptions::Retention::kNever) ||
      (state == JobState::kCanceled && options_.retention == CheckpointOptions::Retention::kOnCancellation);
  // A job that ended before its first checkpoint has nothing to retain. One that could not be opened is not looked at.
  const bool nothing_to_retain = opened_ && !completing_ && !details_.has_latest();
  if (retained && !nothing_to_retain) {
    if (!opened_) return;
    // What its last attempt wrote for checkpoints that never were complete.
    return io_.Post([storage = storage_, attempt = attempt_ + 1] { storage->DeleteLeftBefore(attempt); });
  }
  io_.Post([storage = storage_, now_ms = executor_.clock().NowMs()] { storage->DeleteAll(now_ms); });
}

bool CheckpointCoordinator::AnyAwaitsCommit() const {
  return std::any_of(ended_.begin(), ended_.end(), [](const auto& entry) { return entry.second; });
}

bool CheckpointCoordinator::AllEnded() const {
  return ended_.size() == subtasks_;
}

// ---- triggering ----

void CheckpointCoordinator::TriggerCheckpoint(Done done) {
  Ask({.done = std::move(done)});
}

void CheckpointCoordinator::TriggerSavepoint(std::string path, proto::CheckpointCommand::After after, Done done) {
  Ask({.savepoint_path = std::move(path), .after = after, .done = std::move(done)});
}

void CheckpointCoordinator::Ask(Request request) {
  if (!running_ || suspended_) {
    return request.done(FailedPrecondition("job {} cannot take one: its tasks do not run at the moment", job_.id));
  }
  if (requests_.size() >= kMaxRequests) {
    return request.done(
        ResourceExhausted("{} checkpoints and savepoints of job {} are waiting already", requests_.size(), job_.id));
  }
  requests_.push_back(std::move(request));
  Schedule();
}

// Triggers what is due now, or sets the timer for it.
void CheckpointCoordinator::Schedule() {
  executor_.Cancel(std::exchange(next_trigger_, 0));
  if (!running_ || pending_ || suspended_) return;
  if (!requests_.empty()) {
    Request request = std::move(requests_.front());
    requests_.pop_front();
    return Trigger(std::move(request));
  }
  int64_t due_ms = 0;
  if (AllEnded()) {
    if (!AnyAwaitsCommit() || last_taken_) return;
    if (last_failed_)
      due_ms = resolved_ms_ + (options_.interval_ms > 0 ? std::min(options_.interval_ms, kLastRetryMs) : kLastRetryMs);
  } else {
    if (options_.interval_ms <= 0) return;
    due_ms = std::max(triggered_ms_ + options_.interval_ms, resolved_ms_ + options_.min_pause_ms);
  }
  const int64_t delay_ms = due_ms - MonotonicMs();
  if (delay_ms <= 0) return Trigger(std::nullopt);
  next_trigger_ = executor_.PostAfter(delay_ms, [this] {
    next_trigger_ = 0;
    if (running_ && !pending_ && !suspended_) Trigger(std::nullopt);
  });
}

void CheckpointCoordinator::Trigger(std::optional<Request> request) {
  executor_.Cancel(std::exchange(next_trigger_, 0));
  pending_.emplace(*job_.graph, next_id_++, executor_.clock().NowMs());
  request_ = std::move(request);
  after_ = request_ ? request_->after : proto::CheckpointCommand::CONTINUE;
  for (const auto& [subtask, awaits_commit] : ended_) {
    if (!awaits_commit) pending_->MarkFinished(subtask.first, subtask.second);
  }
  pending_since_ms_ = triggered_ms_ = MonotonicMs();
  pending_is_last_ = AllEnded();
  timeout_ = executor_.PostAfter(options_.timeout_ms, [this] {
    timeout_ = 0;
    OnTimeout();
  });
  details_.set_triggered(details_.triggered() + 1);
  details_.set_in_progress_id(pending_->id());
  EAGRE_LOG_DEBUG("job {}: triggering checkpoint {}", job_.id, pending_->id());
  SendCommand(pending_->id(), proto::CheckpointCommand::TRIGGER);
}

void CheckpointCoordinator::SendCommand(int64_t checkpoint_id, proto::CheckpointCommand::Kind kind,
                                        bool may_be_complete) {
  proto::JobManagerToTaskManager message;
  proto::CheckpointCommand& command = *message.mutable_checkpoint();
  command.mutable_attempt()->set_job_id(job_.id);
  command.mutable_attempt()->set_attempt(attempt_);
  command.set_checkpoint_id(checkpoint_id);
  command.set_kind(kind);
  command.set_after(after_);
  command.set_may_be_complete(may_be_complete);
  if (pending_) command.set_time_ms(pending_->time_ms());
  // A savepoint has nothing in flight in it: who goes on from there may be another version of the job.
  if (kind == proto::CheckpointCommand::TRIGGER && options_.unaligned &&
      (!request_ || request_->savepoint_path.empty())) {
    command.set_unaligned(true);
    command.set_aligned_timeout_ms(options_.aligned_timeout_ms);
  }
  handlers_.send_to_workers(message);
}

// ---- what becomes of it ----

void CheckpointCoordinator::OnReport(const proto::CheckpointReport& report) {
  if (report.kind() == proto::CheckpointReport::ENDED) {
    return OnEnded(report);
  }
  // Of a checkpoint that was aborted meanwhile, or twice the same.
  if (!pending_ || completing_ || report.checkpoint_id() != pending_->id()) return;
  if (report.kind() == proto::CheckpointReport::DECLINE) {
    const proto::JobGraph& graph = *job_.graph;
    const bool known = report.vertex() >= 0 && report.vertex() < graph.vertices_size();
    return FailPending(Unavailable("'{}' ({}) declined it: {}", known ? graph.vertices(report.vertex()).name() : "?",
                                   report.subtask() + 1, report.reason()),
                       /*counts=*/true);
  }
  if (const Status added = pending_->Add(report); !added.ok()) {
    return FailPending(WithContext(added, "an acknowledgement makes no sense"), /*counts=*/true);
  }
  if (pending_->complete()) Complete();
}

// A subtask reports its end behind its last acknowledgement, and once more when what it awaited is committed.
void CheckpointCoordinator::OnEnded(const proto::CheckpointReport& report) {
  const auto [entry, is_new] = ended_.try_emplace({report.vertex(), report.subtask()}, report.awaits_commit());
  // What is repeated may be the first of the two.
  entry->second = entry->second && report.awaits_commit();
  if (pending_ && !completing_ && !report.awaits_commit()) {
    pending_->MarkFinished(report.vertex(), report.subtask());
    if (pending_->complete()) return Complete();
  }
  if (is_new && AllEnded()) Schedule();
}

void CheckpointCoordinator::OnTimeout() {
  if (!pending_ || completing_) return;
  FailPending(Unavailable("it was not complete after {} (execution.checkpointing.timeout): {}",
                          FormatDurationMs(options_.timeout_ms), pending_->DescribeMissing()),
              /*counts=*/true);
}

void CheckpointCoordinator::Complete() {
  executor_.Cancel(std::exchange(timeout_, 0));
  completing_ = true;
  CheckpointStorage::Request request;
  proto::CheckpointMetadata& metadata = request.metadata;
  metadata.set_job_id(job_.id);
  metadata.set_job_name(job_.graph->name());
  metadata.set_checkpoint_id(pending_->id());
  metadata.set_time_ms(pending_->time_ms());
  metadata.set_files_root("..");
  metadata.mutable_operators()->Assign(pending_->operators().begin(), pending_->operators().end());
  metadata.set_eagre_version(job_.version);
  metadata.set_drained(after_ == proto::CheckpointCommand::DRAIN);
  proto::CompletedCheckpoint& completion = request.completion;
  completion.set_checkpoint_id(pending_->id());
  completion.set_attempt(attempt_);
  completion.set_stops(after_ != proto::CheckpointCommand::CONTINUE);
  completion.set_time_ms(pending_->time_ms());
  completion.set_duration_ms(MonotonicMs() - pending_since_ms_);
  completion.set_state_bytes(pending_->state_bytes());
  completion.set_written_bytes(pending_->written_bytes());
  completion.set_in_flight_bytes(pending_->in_flight_bytes());
  request.time_ms = executor_.clock().NowMs();
  if (request_) request.savepoint_path = request_->savepoint_path;
  io_.Post([this, alive = std::weak_ptr<bool>(alive_), storage = storage_, &executor = executor_,
            request = std::move(request)]() mutable {
    auto completed = storage->Complete(std::move(request));
    executor.Post([this, alive, completed = std::move(completed), may_stand = storage->may_stand()]() mutable {
      if (!alive.expired()) OnCompleted(std::move(completed), may_stand);
    });
  });
}

void CheckpointCoordinator::OnCompleted(StatusOr<RestorePoint> completed, bool may_stand) {
  completing_ = false;
  if (!completed.ok()) {
    const bool taken_over = absl::IsAborted(completed.status());
    if (taken_over && handlers_.on_replaced) return handlers_.on_replaced(completed.status());
    FailPending(completed.status(), /*counts=*/!taken_over, /*may_be_complete=*/may_stand || taken_over);
    if (taken_over) handlers_.fail_job(std::string(StatusMessage(completed.status())), /*retryable=*/false);
    return running_ ? void() : handlers_.on_idle();
  }
  const int64_t id = pending_->id();
  // The workers that took it are those of the current attempt, or of none: no attempt begins while this is on its way.
  if (running_) {
    SendCommand(id, proto::CheckpointCommand::COMPLETE);
    suspended_ = after_ != proto::CheckpointCommand::CONTINUE;
    last_taken_ = last_taken_ || pending_is_last_;
  }
  pending_.reset();
  resolved_ms_ = MonotonicMs();
  failures_in_a_row_ = 0;
  last_failed_ = false;
  points_.Add(*completed);
  UseNewestPoint();
  found_latest_ = false;
  details_.set_in_progress_id(0);
  details_.set_completed_count(details_.completed_count() + 1);
  details_.set_latest_completed_ms(executor_.clock().NowMs());
  EAGRE_LOG_DEBUG("job {}: checkpoint {} is complete ({} bytes, {} ms)", job_.id, id,
                  completed->completion.state_bytes(), completed->completion.duration_ms());
  io_.Post([storage = storage_] { storage->DeleteUnused(); });
  std::optional<Request> request = std::exchange(request_, std::nullopt);
  if (request) {
    if (!request->savepoint_path.empty()) details_.set_latest_savepoint(request->savepoint_path);
    request->done(
        Completed{id, request->savepoint_path.empty() ? completed->path : std::move(request->savepoint_path)});
  }
  if (!running_) return handlers_.on_idle();
  Schedule();
  handlers_.on_change();
}

void CheckpointCoordinator::FailPending(const Status& reason, bool counts, bool may_be_complete) {
  executor_.Cancel(std::exchange(timeout_, 0));
  const int64_t id = pending_->id();
  if (running_) SendCommand(id, proto::CheckpointCommand::ABORT, may_be_complete);
  pending_.reset();
  resolved_ms_ = MonotonicMs();
  last_failed_ = true;
  details_.set_in_progress_id(0);
  details_.set_failed_count(details_.failed_count() + 1);
  details_.set_latest_failed_id(id);
  details_.set_latest_failure_ms(executor_.clock().NowMs());
  details_.set_latest_failure(std::string(StatusMessage(reason)));
  EAGRE_LOG_WARN("job {}: checkpoint {} failed: {}", job_.id, id, StatusMessage(reason));
  std::optional<Request> request = std::exchange(request_, std::nullopt);
  if (request) {
    // Who asked for it is told, and decides.
    counts = false;
    request->done(WithContext(reason, fmt::format("checkpoint {} of job {} failed", id, job_.id)));
  }
  if (!running_) return;
  if (counts && ++failures_in_a_row_ > options_.tolerable_failures) {
    return handlers_.fail_job(
        fmt::format("{} checkpoints failed in a row, {} may (execution.checkpointing.tolerable-failed-checkpoints); "
                    "the last, {}: {}",
                    failures_in_a_row_, options_.tolerable_failures, id, StatusMessage(reason)),
        /*retryable=*/true);
  }
  Schedule();
  handlers_.on_change();
}

void CheckpointCoordinator::AnswerAll(const Status& reason) {
  if (request_) std::exchange(request_, std::nullopt)->done(reason);
  for (Request& request : std::exchange(requests_, {})) request.done(reason);
}

}  // namespace eagre
