// A task: one subtask of a job vertex: its input channels, the merging of their event time, and the chain they feed.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "runtime/barrier_alignment.h"
#include "runtime/chain.h"
#include "runtime/in_flight.h"
#include "runtime/task_checkpoints.h"
#include "runtime/watermark_valve.h"

namespace eagre {

// Flink's task states, as far as a task itself goes through them.
enum class TaskState { kDeploying, kInitializing, kRunning, kFinished, kCanceled, kFailed };
const char* TaskStateName(TaskState state);

// Written by the slot's thread, read by the worker's reports.
struct TaskStats {
  std::atomic<TaskState> state{TaskState::kDeploying};
  std::atomic<int64_t> watermark_ms{kNoTimestamp};
  std::atomic<int64_t> busy_ns{0};
  std::atomic<int64_t> idle_ns{0};
  std::atomic<int64_t> back_pressured_ns{0};
  std::atomic<int64_t> queued_bytes{0};
  std::atomic<bool> committing{false};   // what is in a checkpoint behind which the job ends
  std::atomic<int64_t> alignment_ms{0};  // of the last checkpoint: from the first barrier to the last
};

struct TaskInput {
  std::unique_ptr<InputChannel> channel;
  int input = 0;               // the head operator's input that it belongs to: union edges share one
  OriginRef origin = nullptr;  // of the records that come
  InFlightPlace place = {};    // of what a barrier overtakes there
  uint32_t source = 0;         // the subtask that sends
  // Taken from the channel and not handled yet: goes before what is in it.
  std::deque<ChannelElement> backlog = {};
  bool ended = false;  // its end was taken from the channel
};

struct TaskOptions {
  int vertex = 0;  // index in the job graph
  int subtask = 0;
  std::string vertex_name;
  int64_t buffer_timeout_ms = 100;
  bool exactly_once = true;  // barriers are aligned
  int parallelism = 1;
  int max_parallelism = 128;
  std::vector<std::string> operator_ids;       // by node of the chain
  std::shared_ptr<const RestorePlan> restore;  // null: the task begins without state
  // Of what barriers overtake, in a checkpoint and waiting to be handled.
  int64_t most_in_flight_bytes = 256 << 20;
  std::function<InFlightRoute(size_t node, const proto::InFlightInput&)> route;  // set where there is a `restore`
};

// Used by the slot's thread only, but for stats().
class Task {
 public:
  enum class StepResult { kProgress, kBlockedOnInput, kBlockedOnOutput, kDone };

  // `checkpoints` is null when the job takes none.
  Task(TaskOptions options, std::unique_ptr<Chain> chain, std::vector<TaskInput> inputs,
       std::unique_ptr<TaskCheckpoints> checkpoints = nullptr);

  Status Open();
  // Does a bounded piece of work: about a batch. `now_ns` is the monotonic time at its start, `now_ms` the wall time.
  // Without input, what was held back for fuller batches is sent only with `flush_when_idle`.
  StatusOr<StepResult> Step(int64_t now_ns, int64_t now_ms, bool flush_when_idle);
  // A checkpoint was triggered in the whole job. A source gets its barrier by InjectBarrier, every other task by its
  // inputs; a task that has come to its end takes part now.
  void OnTrigger(const proto::CheckpointCommand& command);
  // Of a source: behind what it has emitted so far.
  void InjectBarrier(const proto::CheckpointCommand& command);
  // From the coordinator of the operator at `node`. What comes behind a barrier waits until the barrier is handled.
  Status OnCoordinatorEvent(int node, std::string event);
  // `stops`: the job was to end behind it. The task commits and is done with its next step, as if there were no input
  // any more but without handling its end.
  Status OnCheckpointComplete(int64_t checkpoint_id, bool stops);
  // `may_be_complete`: it may stand in the log of what is complete all the same, so its files stay.
  Status OnCheckpointAborted(int64_t checkpoint_id, bool may_be_complete);
  // Ends the task early; user functions are closed.
  void Abandon(TaskState state);
  // When Step should be called even if nothing woke the slot; kMaxWatermark: never.
  int64_t NextWakeUpMs() const {
    return done_ ? kMaxWatermark : std::min(chain_->NextProcessingTimeMs(), overtaking_.due_ms);
  }

  const TaskOptions& options() const { return options_; }
  Chain& chain() { return *chain_; }
  TaskStats& stats() { return stats_; }
  // Bytes of records taken from the input channels. Any thread.
  int64_t ReceivedBytes() const;
  // Of the input channels. Any thread.
  QueueLoad InputLoad() const;
  bool done() const { return done_; }

 private:
  enum class Ending { kRunning, kLastWatermark, kEndOfInput, kFlush, kAwaitCommit };

  StatusOr<StepResult> StepWork(int64_t now_ns, int64_t now_ms, bool flush_when_idle);
  StatusOr<StepResult> StepChain(int64_t now_ns, int64_t now_ms, bool flush_when_idle);
  StatusOr<StepResult> RunChain();
  StatusOr<bool> TakeElement();
  StatusOr<bool> PollInput(size_t index, ChannelElement& element);
  void PutAside(size_t index, ChannelElement element);
  bool BarrierIsQueued(int64_t checkpoint_id) const;
  void ScheduleOvertaking(const proto::CheckpointCommand& command);
  void MaybeOvertake();
  void Overtake(int64_t checkpoint_id);
  StatusOr<bool> EmptyInputs();
  bool HandOverInFlight();
  void StoreWaiting(size_t node);
  Status RestoreInFlightOf(size_t node, const proto::OperatorSnapshot& op);
  StatusOr<bool> ProduceFromSource();
  StatusOr<StepResult> StepEnding();
  // The operators hear, or have heard, that their input has ended, maybe in an earlier attempt: it takes part in
  // checkpoints without barriers.
  bool end_is_handed_on() const {
    return chain_->skips_operators() || ending_ == Ending::kFlush || ending_ == Ending::kAwaitCommit;
  }
  Status DeliverHeldEvents();
  StatusOr<StepResult> PushMerged(int64_t now_ms);
  StatusOr<StepResult> StepAwaitingCommit(int64_t now_ms);
  StatusOr<StepResult> StepAtEnd();
  StatusOr<bool> InputsHaveEnded();
  void OnBarrier(size_t input, int64_t checkpoint_id);
  void EndOvertaking();
  Status RestoreStates();
  Status RestoreCheckpoints();
  Status RestoreForGood();
  RestorePlan::Position position() const;
  bool AllRestoredFinished() const;
  bool MaybeFlush(int64_t now_ns, bool idle);

  const TaskOptions options_;
  std::unique_ptr<Chain> chain_;
  std::vector<TaskInput> inputs_;
  WatermarkValve valve_;
  BarrierAlignment alignment_;
  std::unique_ptr<TaskCheckpoints> checkpoints_;
  // The checkpoint whose barrier is to overtake, once that is due.
  struct Overtaking {
    int64_t checkpoint_id = 0;  // 0: none
    int64_t timeout_ms = 0;
    int64_t due_ms = kMaxWatermark;  // kNoTimestamp: so long after the next step
  };
  Overtaking overtaking_;
  InFlightCapture capture_;
  size_t backlog_bytes_ = 0;  // of memory that all backlogs take, about
  bool barrier_in_chain_ = false;
  int64_t last_barrier_id_ = 0;  // of the barrier that its operators seal for at its end
  bool end_reported_ = false;
  bool committed_ = false;         // nothing is left to be done at its end but to read on
  bool barrier_injected_ = false;  // and its states not all sealed yet
  std::vector<std::pair<int, std::string>> held_events_;
  int64_t suspended_by_ = 0;  // a source emits nothing until this checkpoint is aborted; 0: none
  int64_t drained_by_ = 0;    // before whose barrier a source has ended event time; 0: none
  bool stopped_ = false;      // the job ends behind a checkpoint that is complete
  int64_t triggered_id_ = 0;  // the newest checkpoint of the job that is known here
  int64_t triggered_ms_ = 0;
  int64_t handled_id_ = 0;  // the newest whose barrier this task has handled
  int64_t now_ms_ = 0;
  std::vector<ControlEvent> merged_;  // from the valve and the alignment, not yet pushed
  size_t next_input_ = 0;             // round robin
  std::optional<size_t> taken_from_;  // the input whose batch the chain holds
  Ending ending_ = Ending::kRunning;
  bool done_ = false;
  bool unflushed_ = false;
  int64_t last_flush_ns_ = 0;
  TaskStats stats_;
};

}  // namespace eagre
