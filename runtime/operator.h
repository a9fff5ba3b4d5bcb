// An operator: one step of a chain, type-erased at batch granularity.
//
// All calls come from the slot's thread. An operator never waits: it consumes its input from a position until the input
// ends or one of its outputs is full, returns, and is called again with the rest. User code may throw; the chain
// catches.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "record/batch.h"
#include "runtime/accumulator.h"
#include "runtime/channel.h"
#include "runtime/output.h"
#include "state/checkpointed_state.h"
#include "state/state_backend.h"

namespace eagre {

// Counters that every operator has; written by the slot's thread only, read by the worker's reports.
struct OperatorMetrics {
  Counter* records_in = nullptr;
  Counter* records_out = nullptr;
  Counter* late_records_dropped = nullptr;
  Counter* records_skipped = nullptr;
  Gauge* input_watermark = nullptr;  // null: nobody asks
};

// Where an operator's own metrics belong: names get the prefix, and all get the labels.
struct MetricScope {
  MetricRegistry* registry = nullptr;
  std::string prefix;  // "flink_taskmanager_job_task_operator_"
  MetricLabels labels;
};

// What an operator may use, from Open until it is destroyed.
class OperatorContext {
 public:
  virtual ~OperatorContext() = default;

  virtual int subtask() const = 0;
  virtual int parallelism() const = 0;
  virtual int max_parallelism() const = 0;
  virtual const std::string& job_id() const = 0;
  // How often the job was started before, as far as the JobManager knows; with job_id unique among all runs.
  virtual int attempt() const = 0;
  virtual const std::string& job_name() const = 0;
  virtual const std::string& operator_name() const = 0;
  virtual const Configuration& config() const = 0;
  virtual const Clock& clock() const = 0;
  // Whether the job takes checkpoints while it runs.
  virtual bool checkpointing() const { return false; }
  // Whether it goes on from a checkpoint or savepoint.
  virtual bool restored() const { return false; }
  // That was made behind the end of event time, by `stop --drain`; what comes now is not late.
  virtual bool event_time_restarts() const { return false; }
  // Of this slot: where keyed state is to be. Outlives the operator. Null: in memory, without limit.
  virtual StateBackend* state_backend() { return nullptr; }
  virtual Output& output(int port) = 0;
  virtual int output_count() const = 0;
  virtual OperatorMetrics& metrics() = 0;
  // A gauge of this operator under Flink's operator scope; bounded, lives as long as the task.
  virtual Gauge& AddGauge(const std::string& name) = 0;
  virtual Counter& AddCounter(const std::string& name) = 0;
  virtual MetricScope metric_scope() const = 0;
  // Of a source in an attempt that hunts for a poison record; else null.
  virtual const SourceIsolation* isolation() const { return nullptr; }
  // Shared by the operators of the task.
  virtual AccumulatorSet& accumulators() = 0;
  // Of the job: the user's arguments, and what the job's code set.
  virtual const std::map<std::string, std::string>& parameters() const = 0;

  // Sends a control event to the operators and channels after this one, behind what was emitted before. An operator
  // that emits an event in Process must return at once, so that the order is kept.
  virtual void EmitEvent(const ControlEvent& event) = 0;
  // Wakes this task's slot. Any thread.
  virtual Waker& waker() = 0;
  // Runs `mail` on the slot's thread between two steps, also while the task is blocked: mail may change the operator's
  // state but must not emit. Any thread.
  virtual void Post(std::function<Status()> mail) = 0;
  // To the operator's coordinator, wherever it runs; it arrives by OperatorCoordinator::OnEvent.
  virtual void SendToCoordinator(std::string event) = 0;
};

class Operator {
 public:
  virtual ~Operator() = default;

  virtual Status Open(OperatorContext& context) {
    context_ = &context;
    return OkStatus();
  }
  // Consumes *batch from `position` on and advances it; returns early when an output is full or an event was emitted.
  // May swap *batch for an empty one (Output::Adopt) when it passes the records on whole; position is then 0.
  virtual Status Process(int input, std::unique_ptr<Batch>& batch, size_t& position) = 0;
  // Called again while `done` is left false, after the outputs were passed on. The watermark goes on to the next
  // operator once done, unless forwards_watermarks() is false.
  virtual Status OnWatermark(int64_t watermark, bool& done) {
    done = true;
    return OkStatus();
  }
  virtual bool forwards_watermarks() const { return true; }
  // True when Process neither changes nor keeps its input and reads records only by TypedBatch::operator[]: its batches
  // may then be views.
  virtual bool takes_views() const { return false; }
  // Processing-time timers up to and including now_ms are due.
  virtual Status OnProcessingTime(int64_t now_ms, bool& done) {
    done = true;
    return OkStatus();
  }
  // When the next processing-time timer is due; kMaxWatermark when none is.
  virtual int64_t NextProcessingTimeMs() const { return kMaxWatermark; }
  // No input follows: emit what is held. A watermark of kMaxWatermark came before.
  virtual Status OnEndOfInput(bool& done) {
    done = true;
    return OkStatus();
  }
  // The operator waits for something outside (a sink's client library is full) and wakes the slot when it can go on.
  // The task then counts as blocked on output; nothing is handed to the operator meanwhile.
  virtual bool blocked() const { return false; }
  // A barrier need not wait until the operator has consumed what it was handed: OnBarrier may come between two calls of
  // Process, and what is not consumed then is stored with the checkpoint. Asked while a barrier is to overtake.
  virtual bool overtakable() const { return false; }
  // The states that checkpoints contain; they live as long as the operator. Called once, after Open.
  virtual void CollectStates(std::vector<CheckpointedState*>& states) {}
  // The states are restored, if there was something to restore; the first input follows.
  virtual Status Begin() { return OkStatus(); }
  // A barrier has reached the operator: its states are sealed once `done`. Called again while it is left false. What is
  // emitted here belongs to the time before the barrier.
  virtual Status OnBarrier(int64_t checkpoint_id, bool& done) {
    done = true;
    return OkStatus();
  }
  // A checkpoint that this operator has acknowledged is complete, or will never be. Every such call concerns the
  // checkpoints before it as well. Must not emit.
  virtual Status OnCheckpointComplete(int64_t checkpoint_id) { return OkStatus(); }
  virtual Status OnCheckpointAborted(int64_t checkpoint_id) { return OkStatus(); }
  // After the end of the input: something of it is committed only by a later checkpoint.
  virtual bool awaits_commit() const { return false; }
  // Something of a checkpoint that is complete is being committed, by another thread: the task must not go yet. The
  // operator wakes the slot when it is done.
  virtual bool committing() const { return false; }
  // From the operator's coordinator; runs as mail.
  virtual Status OnCoordinatorEvent(std::string_view event) { return OkStatus(); }
  // Before the operator is destroyed, also after a failure (then `failed`). Must not emit.
  virtual Status Close(bool failed) { return OkStatus(); }

 protected:
  OperatorContext* context_ = nullptr;  // set by Open
};

// The head of a chain that has no input.
class SourceOperator : public Operator {
 public:
  enum class Produced { kMore, kNothingNow, kEnd };
  // Fills output 0 by about a batch. kNothingNow: the operator wakes the slot when there is more.
  virtual StatusOr<Produced> Produce() = 0;
  // Of what Produce has made, or was making when it failed; null when it is not the work of one record.
  virtual OriginRef record_origin() const { return nullptr; }
  Status Process(int, std::unique_ptr<Batch>&, size_t&) final { return Internal("a source has no input"); }
};

// The single party that all subtasks of an operator talk to (a source's split enumerator). Lives in the worker of job
// slot 0, on that worker's coordinator executor, not on a slot: it is needed until the last subtask anywhere has ended.
class OperatorCoordinator {
 public:
  class Context {
   public:
    virtual ~Context() = default;
    virtual int parallelism() const = 0;
    virtual const Configuration& config() const = 0;
    virtual const Clock& clock() const = 0;
    virtual void SendToSubtask(int subtask, std::string event) = 0;
    // Runs `mail` on the coordinator's thread after at least `delay_ms`.
    virtual void PostAfter(int64_t delay_ms, std::function<Status()> mail) = 0;
  };
  virtual ~OperatorCoordinator() = default;
  // Before Start, when the job goes on from a checkpoint: what Snapshot returned then.
  virtual Status Restore(std::string_view snapshot) { return OkStatus(); }
  virtual Status Start(Context& context) = 0;
  virtual Status OnEvent(int subtask, std::string_view event) = 0;
  // What a successor needs to go on. What is sent to subtasks before it is in their part of the checkpoint.
  virtual StatusOr<std::string> Snapshot() { return std::string(); }
};

// Computes the hash of each record's key into batch.hashes() and marks the batch keyed. One per edge and subtask.
class BatchKeyHasher {
 public:
  virtual ~BatchKeyHasher() = default;
  virtual void Hash(Batch& batch) = 0;
};

}  // namespace eagre
