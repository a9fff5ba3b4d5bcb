#include "runtime/task.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace eagre {
namespace {

// Taken out of one channel in one step, while a barrier overtakes.
constexpr int kElementsAtOnce = 16;

size_t BytesOf(const ChannelElement& element) {
  if (element.batch == nullptr) return sizeof(element);
  return std::max(element.batch->size(), element.batch->type().capacity) * element.batch->type().record_bytes;
}

bool IsBarrier(const ChannelElement& element) {
  return element.batch == nullptr && element.origin == nullptr && element.event.kind == ControlEvent::Kind::kBarrier;
}

}  // namespace

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
  for (const TaskInput& input : inputs_) capture_.AddChannel(input.place, input.source);
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
  EAGRE_RETURN_IF_ERROR(checkpoints_ == nullptr ? RestoreForGood() : RestoreCheckpoints());
  if (options_.restore == nullptr) return OkStatus();
  for (size_t i = 0; i < chain_->size(); ++i) {
    const proto::OperatorSnapshot* op = options_.restore->Find(options_.operator_ids[i]);
    if (op == nullptr) continue;
    // Key selectors and partitioners are user code.
    EAGRE_RETURN_IF_ERROR(chain_->RunMail(static_cast<int>(i), [&] { return RestoreInFlightOf(i, *op); }));
  }
  return OkStatus();
}

Status Task::RestoreCheckpoints() {
  if (chain_->skips_operators()) checkpoints_->SetFinished();
  chain_->set_on_barrier([this](size_t node) {
    checkpoints_->Seal(node);
    StoreWaiting(node);
  });
  for (size_t i = 0; i < chain_->size(); ++i) {
    std::vector<CheckpointedState*> states;
    chain_->node(i).op->CollectStates(states);
    checkpoints_->AddOperator(options_.operator_ids[i], std::move(states));
  }
  return checkpoints_->Restore(options_.restore.get(), position());
}

// The job takes no checkpoints of its own.
Status Task::RestoreForGood() {
  for (size_t i = 0; i < chain_->size(); ++i) {
    const proto::OperatorSnapshot* op = options_.restore->Find(options_.operator_ids[i]);
    if (op == nullptr) continue;
    std::vector<CheckpointedState*> states;
    chain_->node(i).op->CollectStates(states);
    std::vector<proto::StateSegment> inherited;  // by no chain
    for (CheckpointedState* state : states) {
      EAGRE_RETURN_IF_ERROR(options_.restore->Restore(*op, position(), *state, /*local=*/nullptr, inherited));
    }
  }
  return OkStatus();
}

RestorePlan::Position Task::position() const {
  return {
      .subtask = options_.subtask, .parallelism = options_.parallelism, .max_parallelism = options_.max_parallelism};
}

// ---- checkpoints ----

void Task::OnTrigger(const proto::CheckpointCommand& command) {
  triggered_id_ = command.checkpoint_id();
  triggered_ms_ = command.time_ms();
  // A source has nothing to overtake before its barrier is here.
  if (!inputs_.empty()) ScheduleOvertaking(command);
}

void Task::InjectBarrier(const proto::CheckpointCommand& command) {
  if (done_ || checkpoints_ == nullptr || command.checkpoint_id() <= handled_id_) return;
  // At its end a task takes part once all that it has emitted is sent, unless that is to be overtaken.
  if (ending_ != Ending::kRunning && (!command.unaligned() || end_is_handed_on())) return;
  OnTrigger(command);
  handled_id_ = command.checkpoint_id();
  if (command.after() == proto::CheckpointCommand::DRAIN) {
    drained_by_ = command.checkpoint_id();
    merged_.push_back({ControlEvent::Kind::kWatermark, kMaxWatermark});
  }
  if (command.after() != proto::CheckpointCommand::CONTINUE) suspended_by_ = command.checkpoint_id();
  merged_.push_back({ControlEvent::Kind::kBarrier, command.checkpoint_id()});
  barrier_injected_ = true;
  ScheduleOvertaking(command);
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
  checkpoints_->OnComplete(checkpoint_id);
  stats_.committing = stops;
  const Status committed = chain_->OnCheckpointComplete(checkpoint_id);
  stats_.committing = stops && chain_->committing();
  return committed;
}

Status Task::OnCheckpointAborted(int64_t checkpoint_id, bool may_be_complete) {
  if (done_ || checkpoints_ == nullptr) return OkStatus();
  checkpoints_->OnAborted(checkpoint_id, may_be_complete);
  if (suspended_by_ == checkpoint_id) suspended_by_ = 0;
  alignment_.Abort(checkpoint_id);
  if (overtaking_.checkpoint_id <= checkpoint_id) EndOvertaking();
  if (capture_.checkpoint_id() <= checkpoint_id) capture_.GiveUp();
  EAGRE_RETURN_IF_ERROR(chain_->OnCheckpointAborted(checkpoint_id));
  if (drained_by_ != checkpoint_id) return OkStatus();
  // All that this source goes on to read would be late.
  return Unavailable(
      "a stop with --drain came to no savepoint (checkpoint {}); event time had ended for it, so the job goes back to "
      "its "
      "last checkpoint",
      checkpoint_id);
}

// ---- barriers that overtake ----

void Task::ScheduleOvertaking(const proto::CheckpointCommand& command) {
  if (!command.unaligned()) return;
  overtaking_ = {
      .checkpoint_id = command.checkpoint_id(), .timeout_ms = command.aligned_timeout_ms(), .due_ms = kNoTimestamp};
}

bool Task::BarrierIsQueued(int64_t checkpoint_id) const {
  return handled_id_ >= checkpoint_id || std::any_of(merged_.begin(), merged_.end(), [&](const ControlEvent& event) {
           return event.kind == ControlEvent::Kind::kBarrier && event.value >= checkpoint_id;
         });
}

void Task::MaybeOvertake() {
  if (overtaking_.due_ms == kMaxWatermark) return;
  if (overtaking_.due_ms == kNoTimestamp) overtaking_.due_ms = now_ms_ + overtaking_.timeout_ms;
  if (overtaking_.due_ms > now_ms_) return;
  overtaking_.due_ms = kMaxWatermark;
  const int64_t id = overtaking_.checkpoint_id;
  const bool over = checkpoints_ == nullptr || end_is_handed_on() || alignment_.last_id() > id;
  const bool passed = handled_id_ >= id && !barrier_in_chain_;
  if (over || passed) {
    overtaking_ = {};
    return;
  }
  Overtake(id);
}

void Task::Overtake(int64_t checkpoint_id) {
  chain_->set_overtaking(true, static_cast<size_t>(options_.most_in_flight_bytes));
  if (BarrierIsQueued(checkpoint_id)) return;
  if (capture_.active() && handled_id_ >= capture_.checkpoint_id()) checkpoints_->OnInFlightLost();
  capture_.Begin(checkpoint_id, now_ms_);
  for (size_t i = 0; i < inputs_.size(); ++i) {
    capture_.AddKnownWatermark(i, valve_.watermark_of(i));
    bool arrived = inputs_[i].ended || alignment_.arrived(i, checkpoint_id);
    for (const ChannelElement& element : inputs_[i].backlog) {
      if (IsBarrier(element) && element.event.value == checkpoint_id) {
        arrived = true;
        break;
      }
      capture_.Add(i, element);
    }
    if (!arrived) capture_.Await(i);
  }
  alignment_.Abort(checkpoint_id);
  merged_.push_back({ControlEvent::Kind::kBarrier, checkpoint_id});
}

void Task::EndOvertaking() {
  overtaking_ = {};
  chain_->set_overtaking(false);
}

// Takes what barriers overtake out of the channels, so that their senders get on; true when there was something. When
// much is put aside already, the checkpoint waits as an aligned one does, for this task to get on.
StatusOr<bool> Task::EmptyInputs() {
  bool any = false;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    for (int n = 0; n < kElementsAtOnce && capture_.awaits(i); ++n) {
      if (std::max(backlog_bytes_, capture_.bytes()) > static_cast<size_t>(options_.most_in_flight_bytes) / 2)
        return any;
      ChannelElement element;
      EAGRE_ASSIGN_OR_RETURN(const bool taken, PollInput(i, element));
      if (!taken) break;
      any = true;
      PutAside(i, std::move(element));
    }
  }
  return any;
}

void Task::PutAside(size_t index, ChannelElement element) {
  TaskInput& input = inputs_[index];
  if (element.batch != nullptr && element.batch->is_view()) {
    // The sender waits for its batch to come back.
    std::unique_ptr<Batch> copy = element.batch->type().create();
    std::vector<uint32_t> all(element.batch->size());
    std::iota(all.begin(), all.end(), 0u);
    element.batch->type().append(*element.batch, all.data(), all.size(), *copy);
    input.channel->Recycle(std::exchange(element.batch, std::move(copy)));
  }
  backlog_bytes_ += BytesOf(element);
  input.backlog.push_back(std::move(element));
}

// Once all is sealed and the barriers of all senders are here.
bool Task::HandOverInFlight() {
  if (!capture_.active()) return false;
  if (!capture_.given_up() && capture_.bytes() > static_cast<size_t>(options_.most_in_flight_bytes)) {
    checkpoints_->Decline(capture_.checkpoint_id(),
                          fmt::format("more than {} bytes were in flight before it "
                                      "(execution.checkpointing.unaligned.max-in-flight-size)",
                                      options_.most_in_flight_bytes));
    capture_.GiveUp();
  }
  if (!capture_.complete() || barrier_in_chain_ || handled_id_ < capture_.checkpoint_id()) return false;
  if (capture_.given_up()) {
    checkpoints_->OnInFlightLost();
  } else {
    for (InFlightEncoder::Stored& stored : capture_.Take()) checkpoints_->AddInFlight(0, std::move(stored));
    checkpoints_->OnInFlightKnown(capture_.duration_ms());
    stats_.alignment_ms.store(capture_.duration_ms(), std::memory_order_relaxed);
  }
  capture_.End();
  return true;
}

// What the barrier overtakes within the chain.
void Task::StoreWaiting(size_t node) {
  std::map<int, InFlightEncoder> inputs;
  chain_->ForEachWaiting(node, [&](int input, const Batch* batch, size_t position, const ControlEvent& event) {
    InFlightEncoder& encoder = inputs[input];
    if (batch != nullptr) {
      encoder.AddRecords(0, *batch, position);
    } else {
      encoder.AddEvent(0, event);
    }
  });
  for (auto& [input, encoder] : inputs) {
    if (encoder.bytes() == 0) continue;
    InFlightPlace place;
    place.input.set_input(input);
    checkpoints_->AddInFlight(node, encoder.Take(place));
  }
}

Status Task::RestoreInFlightOf(size_t node, const proto::OperatorSnapshot& op) {
  EAGRE_ASSIGN_OR_RETURN(std::vector<RestoredInFlight> parts,
                         RestoreInFlight(*options_.restore, op, position(), [&](const proto::InFlightInput& place) {
                           return options_.route(node, place);
                         }));
  for (RestoredInFlight& part : parts) {
    for (auto& [source, elements] : part.by_source) {
      const auto channel = std::find_if(inputs_.begin(), inputs_.end(), [&, from = source](const TaskInput& input) {
        return node == 0 && part.same_channels && input.source == from && SamePlace(input.place.input, part.place) &&
               input.place.input.source_parallelism() == part.place.source_parallelism();
      });
      for (ChannelElement& element : elements) {
        if (channel != inputs_.end()) {
          PutAside(static_cast<size_t>(channel - inputs_.begin()), std::move(element));
        } else if (element.batch != nullptr || part.place.source_operator_id().empty()) {
          // Watermarks of channels hold for these alone.
          chain_->PutBefore(static_cast<int>(node), {.batch = std::move(element.batch),
                                                     .event = element.event,
                                                     .input_index = part.input,
                                                     .origin = nullptr});
        }
      }
    }
  }
  return OkStatus();
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
    stats_.alignment_ms.store(alignment_.duration_ms(), std::memory_order_relaxed);
    if (capture_.checkpoint_id() == event.value) checkpoints_->AwaitInFlight();
    barrier_in_chain_ = true;
  } else if (event.kind == ControlEvent::Kind::kWatermark) {
    stats_.watermark_ms.store(event.value, std::memory_order_relaxed);
  }
  merged_.erase(merged_.begin());
  chain_->PushEvent(event);
  return RunChain();
}

// Whoever had ended before the checkpoint that the job was restored from ends without its input. Of its senders some
// may have been told otherwise: they end anew, and wait for room to say so.
StatusOr<bool> Task::InputsHaveEnded() {
  bool all = true;
  for (TaskInput& input : inputs_) {
    while (!input.ended) {
      ChannelElement element;
      EAGRE_ASSIGN_OR_RETURN(const bool taken, input.channel->Poll(element));
      if (!taken) break;
      input.ended = element.batch == nullptr && element.origin == nullptr &&
                    element.event.kind == ControlEvent::Kind::kEndOfInput;
      if (element.batch != nullptr) input.channel->Recycle(std::move(element.batch));
    }
    all = all && input.ended;
  }
  return all;
}

StatusOr<Task::StepResult> Task::StepAtEnd() {
  EAGRE_ASSIGN_OR_RETURN(const bool ended, InputsHaveEnded());
  if (!ended) return StepResult::kBlockedOnInput;
  done_ = true;
  EAGRE_RETURN_IF_ERROR(chain_->Close(/*failed=*/false));
  stats_.state = TaskState::kFinished;
  return StepResult::kDone;
}

// All input is processed and all output sent, but a part of it is committed only by a later checkpoint.
StatusOr<Task::StepResult> Task::StepAwaitingCommit(int64_t now_ms) {
  if (committed_) return StepAtEnd();
  if (checkpoints_->sealing()) return StepResult::kBlockedOnInput;
  if (triggered_id_ > handled_id_) {
    // Another may be triggered before all operators have sealed for this one.
    if (!barrier_in_chain_) {
      last_barrier_id_ = triggered_id_;
      checkpoints_->Begin(last_barrier_id_, triggered_ms_, 0);
    }
    barrier_in_chain_ = true;
    bool done = true;
    EAGRE_RETURN_IF_ERROR(chain_->HandleLastBarrier(last_barrier_id_, done));
    if (!done) return StepResult::kBlockedOnOutput;
    barrier_in_chain_ = false;
    handled_id_ = last_barrier_id_;
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
  committed_ = true;
  return StepAtEnd();
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
    TaskInput& input = inputs_[index];
    if (!input.backlog.empty()) {
      element = std::move(input.backlog.front());
      input.backlog.pop_front();
      backlog_bytes_ -= BytesOf(element);
    } else {
      EAGRE_ASSIGN_OR_RETURN(const bool taken, PollInput(index, element));
      if (!taken) continue;
    }
    if (element.batch != nullptr) {
      taken_from_ = index;
      chain_->PushBatch(input.input, std::move(element.batch), input.origin);
    } else if (element.origin != nullptr) {
      input.origin = element.origin->empty() ? nullptr : std::move(element.origin);
    } else if (IsBarrier(element)) {
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

// Takes the channel's next element, and captures it where its barrier is awaited.
StatusOr<bool> Task::PollInput(size_t index, ChannelElement& element) {
  TaskInput& input = inputs_[index];
  EAGRE_ASSIGN_OR_RETURN(const bool taken, input.channel->Poll(element));
  if (!taken) return false;
  if (element.batch == nullptr && element.origin == nullptr) {
    if (element.event.kind == ControlEvent::Kind::kEndOfInput) {
      input.ended = true;
      capture_.OnArrived(index, now_ms_);
    }
  }
  if (!capture_.awaits(index)) return true;
  if (IsBarrier(element)) {
    if (element.event.value == capture_.checkpoint_id()) capture_.OnArrived(index, now_ms_);
    // Of a newer one: the one before is over, though its end is not known here yet.
    if (element.event.value > capture_.checkpoint_id()) capture_.GiveUp();
  } else {
    capture_.Add(index, element);
  }
  return true;
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
      if (checkpoints_ == nullptr) return StepAtEnd();
      ending_ = Ending::kAwaitCommit;
      break;
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
    stats_.committing = false;
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
  MaybeOvertake();
  bool moved = false;
  if (capture_.awaits_any()) {
    EAGRE_ASSIGN_OR_RETURN(moved, EmptyInputs());
  }
  EAGRE_ASSIGN_OR_RETURN(const StepResult result, StepChain(now_ns, now_ms, flush_when_idle));
  moved |= HandOverInFlight();
  return moved && result != StepResult::kDone ? StepResult::kProgress : result;
}

StatusOr<Task::StepResult> Task::StepChain(int64_t now_ns, int64_t now_ms, bool flush_when_idle) {
  if (!chain_->takes_events()) {
    EAGRE_ASSIGN_OR_RETURN(const StepResult result, RunChain());
    if (!chain_->takes_events() || result == StepResult::kBlockedOnOutput) return result;
  }
  if (barrier_in_chain_ && ending_ != Ending::kAwaitCommit) {
    barrier_in_chain_ = false;
    checkpoints_->AllSealed();
    if (overtaking_.checkpoint_id <= handled_id_) EndOvertaking();
    EAGRE_RETURN_IF_ERROR(DeliverHeldEvents());
    if (!chain_->drained()) return StepResult::kProgress;
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
