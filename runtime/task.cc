#include "runtime/task.h"

#include <algorithm>
#include <utility>

namespace eagre {

const char* TaskStateName(TaskState state) {
  switch (state) {
    case TaskState::kDeploying: return "DEPLOYING";
    case TaskState::kInitializing: return "INITIALIZING";
    case TaskState::kRunning: return "RUNNING";
    case TaskState::kFinished: return "FINISHED";
    case TaskState::kCanceled: return "CANCELED";
    case TaskState::kFailed: return "FAILED";
  }
  return "UNKNOWN";
}

Task::Task(TaskOptions options, std::unique_ptr<Chain> chain, std::vector<TaskInput> inputs,
           std::unique_ptr<TaskCheckpoints> checkpoints)
    : options_(std::move(options)),
      chain_(std::move(chain)),
      inputs_(std::move(inputs)),
      valve_(inputs_.size()),
      alignment_(inputs_.size(), options_.exactly_once),
      checkpoints_(std::move(checkpoints)) {
  if (!chain_->takes_views()) return;
  for (TaskInput& input : inputs_) input.channel->AcceptViews();
}

Status Task::Open() {
  stats_.state = TaskState::kInitializing;
  if (AllRestoredFinished()) chain_->SkipOperators();
  EAGRE_RETURN_IF_ERROR(chain_->Open());
  EAGRE_RETURN_IF_ERROR(RestoreStates());
  EAGRE_RETURN_IF_ERROR(chain_->Begin());
  stats_.state = TaskState::kRunning;
  return OkStatus();
}

bool Task::AllRestoredFinished() const {
  if (options_.restore == nullptr) return false;
  return std::all_of(options_.operator_ids.begin(), options_.operator_ids.end(), [this](const std::string& id) {
    const proto::OperatorSnapshot* op = options_.restore->Find(id);
    return op != nullptr && RestorePlan::AllFinished(*op);
  });
}

Status Task::RestoreStates() {
  if (checkpoints_ == nullptr && options_.restore == nullptr) return OkStatus();
  if (chain_->skips_operators()) ending_ = Ending::kLastWatermark;
  if (checkpoints_ == nullptr) {
    return FailedPrecondition("a job that takes no checkpoints cannot be restored from one");
  }
  chain_->set_on_barrier([this](size_t node) { checkpoints_->Seal(node); });
  for (size_t i = 0; i < chain_->size(); ++i) {
    std::vector<CheckpointedState*> states;
    chain_->node(i).op->CollectStates(states);
    checkpoints_->AddOperator(options_.operator_ids[i], std::move(states));
  }
  if (options_.restore == nullptr) return OkStatus();
  return checkpoints_->Restore(
      *options_.restore,
      {.subtask = options_.subtask, .parallelism = options_.parallelism, .max_parallelism = options_.max_parallelism});
}

// ---- checkpoints ----

void Task::OnTrigger(const proto::CheckpointCommand& command) {
  triggered_id_ = command.checkpoint_id();
  triggered_ms_ = command.time_ms();
}

void Task::InjectBarrier(const proto::CheckpointCommand& command) {
  if (done_ || checkpoints_ == nullptr || ending_ != Ending::kRunning || command.checkpoint_id() <= handled_id_) return;
  OnTrigger(command);
  handled_id_ = command.checkpoint_id();
  if (command.after() == proto::CheckpointCommand::DRAIN) {
    merged_.push_back({ControlEvent::Kind::kWatermark, kMaxWatermark});
  }
  if (command.after() != proto::CheckpointCommand::CONTINUE) suspended_by_ = command.checkpoint_id();
  merged_.push_back({ControlEvent::Kind::kBarrier, command.checkpoint_id()});
  barrier_injected_ = true;
}

Status Task::OnCoordinatorEvent(int node, std::string event) {
  if (done_) return OkStatus();
  if (barrier_injected_) {
    held_events_.emplace_back(node, std::move(event));
    return OkStatus();
  }
  return chain_->OnCoordinatorEvent(node, event);
}

Status Task::DeliverHeldEvents() {
  barrier_injected_ = false;
  for (const auto& [node, event] : std::exchange(held_events_, {})) {
    EAGRE_RETURN_IF_ERROR(chain_->OnCoordinatorEvent(node, event));
  }
  return OkStatus();
}

void Task::OnBarrier(size_t input, int64_t checkpoint_id) {
  if (alignment_.OnBarrier(input, checkpoint_id, now_ms_))
    merged_.push_back({ControlEvent::Kind::kBarrier, checkpoint_id});
}

Status Task::OnCheckpointComplete(int64_t checkpoint_id, bool stops) {
  if (done_ || checkpoints_ == nullptr) return OkStatus();
  stopped_ = stops;
  return chain_->OnCheckpointComplete(checkpoint_id);
}

Status Task::OnCheckpointAborted(int64_t checkpoint_id) {
  if (done_ || checkpoints_ == nullptr) return OkStatus();
  if (suspended_by_ == checkpoint_id) suspended_by_ = 0;
  alignment_.Abort(checkpoint_id);
  return chain_->OnCheckpointAborted(checkpoint_id);
}

// Hands the chain the next event for the task as a whole.
StatusOr<Task::StepResult> Task::PushMerged(int64_t now_ms) {
  const ControlEvent event = merged_.front();
  if (event.kind == ControlEvent::Kind::kBarrier) {
    // The states are sealed one checkpoint at a time.
    if (checkpoints_->sealing()) return StepResult::kBlockedOnOutput;
    handled_id_ = event.value;
    const int64_t trigger_ms = event.value == triggered_id_ ? triggered_ms_ : now_ms;
    checkpoints_->Begin(event.value, trigger_ms, alignment_.duration_ms());
    barrier_in_chain_ = true;
  } else if (event.kind == ControlEvent::Kind::kWatermark) {
    stats_.watermark_ms.store(event.value, std::memory_order_relaxed);
  }
  merged_.erase(merged_.begin());
  chain_->PushEvent(event);
  return RunChain();
}

// All input is processed and all output sent, but a part of it is committed only by a later checkpoint.
StatusOr<Task::StepResult> Task::StepAwaitingCommit(int64_t now_ms) {
  if (checkpoints_->sealing()) return StepResult::kBlockedOnInput;
  if (triggered_id_ > handled_id_) {
    if (!barrier_in_chain_) checkpoints_->Begin(triggered_id_, triggered_ms_, 0);
    barrier_in_chain_ = true;
    bool done = true;
    EAGRE_RETURN_IF_ERROR(chain_->HandleLastBarrier(triggered_id_, done));
    if (!done) return StepResult::kBlockedOnOutput;
    barrier_in_chain_ = false;
    handled_id_ = triggered_id_;
    checkpoints_->AllSealed();
    return StepResult::kProgress;
  }
  if (checkpoints_->writing()) return StepResult::kBlockedOnInput;
  if (chain_->awaits_commit()) {
    if (!end_reported_) checkpoints_->ReportEnd(/*awaits_commit=*/true);
    end_reported_ = true;
    return StepResult::kBlockedOnInput;
  }
  checkpoints_->ReportEnd(/*awaits_commit=*/false);
  done_ = true;
  EAGRE_RETURN_IF_ERROR(chain_->Close(/*failed=*/false));
  stats_.state = TaskState::kFinished;
  return StepResult::kDone;
}

void Task::Abandon(TaskState state) {
  if (done_) return;
  done_ = true;
  chain_->Close(/*failed=*/true).IgnoreError();
  stats_.state = state;
}

StatusOr<Task::StepResult> Task::RunChain() {
  EAGRE_ASSIGN_OR_RETURN(const Chain::Progress progress, chain_->Run());
  unflushed_ = true;
  if (progress == Chain::Progress::kBlocked) return StepResult::kBlockedOnOutput;
  if (progress == Chain::Progress::kDrained && taken_from_.has_value()) {
    inputs_[*taken_from_].channel->Recycle(chain_->TakeInput());
    taken_from_.reset();
  }
  return StepResult::kProgress;
}

StatusOr<bool> Task::TakeElement() {
  for (size_t tried = 0; tried < inputs_.size(); ++tried) {
    const size_t index = next_input_;
    next_input_ = next_input_ + 1 == inputs_.size() ? 0 : next_input_ + 1;
    if (alignment_.blocked(index)) continue;
    ChannelElement element;
    EAGRE_ASSIGN_OR_RETURN(const bool taken, inputs_[index].channel->Poll(element));
    if (!taken) continue;
    if (element.batch != nullptr) {
      taken_from_ = index;
      chain_->PushBatch(inputs_[index].input, std::move(element.batch), inputs_[index].origin);
    } else if (element.origin != nullptr) {
      inputs_[index].origin = element.origin->empty() ? nullptr : std::move(element.origin);
    } else if (element.event.kind == ControlEvent::Kind::kBarrier) {
      if (checkpoints_ != nullptr) OnBarrier(index, element.event.value);
    } else {
      valve_.OnEvent(index, element.event, merged_);
      if (element.event.kind == ControlEvent::Kind::kEndOfInput && alignment_.OnEnd(index, now_ms_)) {
        merged_.push_back({ControlEvent::Kind::kBarrier, alignment_.last_id()});
      }
    }
    return true;
  }
  return false;
}

StatusOr<bool> Task::ProduceFromSource() {
  EAGRE_ASSIGN_OR_RETURN(const SourceOperator::Produced produced, chain_->Produce());
  if (produced == SourceOperator::Produced::kEnd) ending_ = Ending::kLastWatermark;
  // A source with nothing to say may still have put an event behind its records.
  return produced != SourceOperator::Produced::kNothingNow;
}

StatusOr<Task::StepResult> Task::StepEnding() {
  switch (ending_) {
    case Ending::kRunning: break;
    case Ending::kLastWatermark:
      ending_ = Ending::kEndOfInput;
      if (stats_.watermark_ms.load(std::memory_order_relaxed) == kMaxWatermark) break;
      stats_.watermark_ms.store(kMaxWatermark, std::memory_order_relaxed);
      chain_->PushEvent({ControlEvent::Kind::kWatermark, kMaxWatermark});
      break;
    case Ending::kEndOfInput:
      ending_ = Ending::kFlush;
      chain_->PushEvent({ControlEvent::Kind::kEndOfInput, 0});
      break;
    case Ending::kFlush:
      if (!chain_->Flush()) return StepResult::kBlockedOnOutput;
      if (checkpoints_ != nullptr) {
        ending_ = Ending::kAwaitCommit;
        break;
      }
      done_ = true;
      EAGRE_RETURN_IF_ERROR(chain_->Close(/*failed=*/false));
      stats_.state = TaskState::kFinished;
      return StepResult::kDone;
    case Ending::kAwaitCommit: return StepAwaitingCommit(now_ms_);
  }
  return StepResult::kProgress;
}

int64_t Task::ReceivedBytes() const {
  int64_t bytes = 0;
  for (const TaskInput& input : inputs_) bytes += input.channel->ReceivedBytes();
  return bytes;
}

QueueLoad Task::InputLoad() const {
  QueueLoad load;
  for (const TaskInput& input : inputs_) load += input.channel->Load();
  return load;
}

bool Task::MaybeFlush(int64_t now_ns, bool idle) {
  if (!unflushed_) return true;
  if (!idle && now_ns - last_flush_ns_ < options_.buffer_timeout_ms * 1'000'000) return true;
  last_flush_ns_ = now_ns;
  unflushed_ = !chain_->Flush();
  return !unflushed_;
}

StatusOr<Task::StepResult> Task::Step(int64_t now_ns, int64_t now_ms, bool flush_when_idle) {
  now_ms_ = now_ms;
  if (stopped_) {
    if (chain_->committing()) return StepResult::kBlockedOnInput;
    done_ = true;
    // What came behind the checkpoint is given up; whoever goes on from there makes it again.
    EAGRE_RETURN_IF_ERROR(chain_->Close(/*failed=*/true));
    stats_.state = TaskState::kFinished;
    return StepResult::kDone;
  }
  // Also while the task is blocked: a checkpoint must not wait for whoever is slow.
  const bool encoded = checkpoints_ != nullptr && checkpoints_->Step();
  EAGRE_ASSIGN_OR_RETURN(const StepResult result, StepWork(now_ns, now_ms, flush_when_idle));
  const bool blocked = result == StepResult::kBlockedOnInput || result == StepResult::kBlockedOnOutput;
  return encoded && blocked ? StepResult::kProgress : result;
}

StatusOr<Task::StepResult> Task::StepWork(int64_t now_ns, int64_t now_ms, bool flush_when_idle) {
  if (!chain_->drained()) {
    EAGRE_ASSIGN_OR_RETURN(const StepResult result, RunChain());
    if (!chain_->drained() || result == StepResult::kBlockedOnOutput) return result;
  }
  if (barrier_in_chain_ && ending_ != Ending::kAwaitCommit) {
    barrier_in_chain_ = false;
    checkpoints_->AllSealed();
    EAGRE_RETURN_IF_ERROR(DeliverHeldEvents());
  }
  if (!merged_.empty()) return PushMerged(now_ms);
  if (ending_ != Ending::kRunning) return StepEnding();
  if (chain_->NextProcessingTimeMs() <= now_ms) {
    chain_->PushEvent({ControlEvent::Kind::kProcessingTime, now_ms});
    return RunChain();
  }
  bool taken = false;
  if (chain_->is_source()) {
    if (suspended_by_ == 0) {
      EAGRE_ASSIGN_OR_RETURN(taken, ProduceFromSource());
    }
  } else {
    EAGRE_ASSIGN_OR_RETURN(taken, TakeElement());
    if (valve_.all_ended()) ending_ = Ending::kLastWatermark;
  }
  StepResult result = StepResult::kProgress;
  if (!chain_->drained()) {
    EAGRE_ASSIGN_OR_RETURN(result, RunChain());
  }
  if (!MaybeFlush(now_ns, /*idle=*/!taken && flush_when_idle)) return StepResult::kBlockedOnOutput;
  if (result == StepResult::kProgress && !taken && chain_->drained() && ending_ == Ending::kRunning) {
    return StepResult::kBlockedOnInput;
  }
  return result;
}

}  // namespace eagre
