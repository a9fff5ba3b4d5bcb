// Sinks: where records go. A connector implements Sink<T> and its SinkWriter<T>, and a Committer when it has two
// phases.
//
// Two-phase commit: what a writer has written becomes visible only when it is committed. At the end of the input (and,
// with checkpoints, at every barrier) the writer's PrepareCommit seals what was written and returns *committables*; the
// committer makes them visible. Between the two lies the checkpoint, so Commit may come again for the same committable.
//
// DataStream::WriteTo takes a Sink<T> by value, a std::shared_ptr<Sink<T>>, or a *sink maker*: an object with
// `template <typename T> std::shared_ptr<Sink<T>> For() const`, such as Print(), that makes the sink for the stream's
// record type. MakeSink<T> turns all three into a shared pointer.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "record/batch.h"
#include "runtime/operator.h"
#include "runtime/standard_stream.h"
#include "state/checkpointed_state.h"

namespace eagre {

/// What a writer may use, from Open until it is destroyed. On the slot's thread, but for Wake.
class SinkContext {
 public:
  explicit SinkContext(OperatorContext& context) : context_(&context) {}

  int subtask() const { return context_->subtask(); }
  int parallelism() const { return context_->parallelism(); }
  int max_parallelism() const { return context_->max_parallelism(); }
  /// 32 hexadecimal digits; with attempt(), which counts the job's starts from 0, unique among all runs.
  const std::string& job_id() const { return context_->job_id(); }
  int attempt() const { return context_->attempt(); }
  const std::string& job_name() const { return context_->job_name(); }
  const std::string& operator_name() const { return context_->operator_name(); }
  const Configuration& config() const { return context_->config(); }
  const Clock& clock() const { return context_->clock(); }
  /// Whether PrepareCommit and the committer are called at checkpoints, while the job runs. Otherwise only the end of
  /// the input commits, and the writer of an endless stream makes visible by itself what it has finished.
  bool checkpointing() const { return context_->checkpointing(); }
  /// Whether the job goes on from a checkpoint or savepoint, so that what it wrote before that must stay.
  bool restored() const { return context_->restored(); }
  Counter& AddCounter(const std::string& name) { return context_->AddCounter(name); }
  Gauge& AddGauge(const std::string& name) { return context_->AddGauge(name); }
  /// For metrics of the writer's own.
  MetricScope metric_scope() const { return context_->metric_scope(); }
  /// A blocked writer can go on. Any thread.
  void Wake() { context_->waker().Wake(); }
  /// Runs `mail` on the slot's thread between two calls of the writer, also while it is blocked, unless the task is
  /// gone by then. A failure fails the job. Any thread.
  void Post(std::function<Status()> mail) { context_->Post(std::move(mail)); }

 private:
  OperatorContext* context_;
};

/// What one PrepareCommit sealed, in the connector's own encoding: stored in a checkpoint, committed once that is
/// complete.
using Committable = std::string;

/// Makes sealed output visible. Commit is idempotent: a committable that was committed before is no error.
class Committer {
 public:
  virtual ~Committer() = default;
  virtual Status Commit(const std::vector<Committable>& committables) = 0;
};

/// For writers whose commits take long, such as an answer of a broker: what is written and not committed lies in a
/// state of their own, and commits run on a thread of their own. All calls on the slot's thread, none of them may wait.
class SinkTransactions {
 public:
  virtual ~SinkTransactions() = default;
  /// What is sealed and not known to be committed; lives as long as the writer.
  virtual CheckpointedState& state() = 0;
  /// The state is restored: what is in it is committed, unless it was before.
  virtual Status Begin() = 0;
  /// What was written since the last call belongs to this checkpoint; the state is stored after it.
  virtual Status Seal(int64_t checkpoint_id) = 0;
  /// What was sealed up to this checkpoint is to be committed.
  virtual Status OnCheckpointComplete(int64_t checkpoint_id) = 0;
  /// Something written is not committed; and: its commit is under way. Wake or Post when this changes.
  virtual bool awaits_commit() const = 0;
  virtual bool committing() const = 0;
};

/// Writes one subtask's records. One thread. A writer that waits for something (a full queue of its client library)
/// says so by blocked() and returns; it must not make the slot wait.
template <typename T>
class SinkWriter {
 public:
  virtual ~SinkWriter() = default;
  virtual Status Open(SinkContext&) { return OkStatus(); }
  /// Takes records from `position` on and advances it; stops early only when blocked() is true then.
  virtual Status Write(const TypedBatch<T>& batch, size_t& position) = 0;
  /// It can take nothing now; it calls SinkContext::Wake when it can.
  virtual bool blocked() const { return false; }
  /// Hands on what is buffered: about once a second while records come, and before PrepareCommit. `done` is true
  /// when called; set it to false when blocked, or to be called again in a second although no record came. Before a
  /// commit also while blocked(), between two calls of Write: an unaligned checkpoint waits only for what must be
  /// flushed.
  virtual Status Flush([[maybe_unused]] bool before_commit, [[maybe_unused]] bool& done) { return OkStatus(); }
  /// Seals what was written since the last call. After Flush.
  virtual StatusOr<std::vector<Committable>> PrepareCommit() { return std::vector<Committable>(); }
  /// At a checkpoint, after PrepareCommit: what must happen before the committables count, such as a sync of files; may
  /// be empty. It is called on another thread, which may wait, while the writer goes on, and before the checkpoint is
  /// acknowledged; one at a time, in their order. When it fails the job does, and goes on from the checkpoint before.
  virtual std::function<Status()> TakeSync() { return nullptr; }
  /// Asked once, after Open: not null when the writer commits by transactions of its own; PrepareCommit and the
  /// committer are then not called. Owned by the writer.
  virtual SinkTransactions* transactions() { return nullptr; }
  /// Also after a failure (then `failed`): what is not committed is given up.
  virtual Status Close([[maybe_unused]] bool failed) { return OkStatus(); }
};

/// A description of where to write: a value, shared by all subtasks. Const methods are called on any thread.
template <typename T>
class Sink {
 public:
  using Record = T;
  virtual ~Sink() = default;
  /// For plans and metrics, such as "Print".
  virtual std::string Name() const = 0;
  /// The standard stream of its process that its writers print to. Part of the plan: `eagre run` must know what else
  /// writes to its terminal.
  virtual StandardStream PrintsTo() const { return StandardStream::kNone; }
  /// Called once per subtask.
  virtual StatusOr<std::unique_ptr<SinkWriter<T>>> CreateWriter() const = 0;
  /// Null: what is written is visible at once.
  virtual StatusOr<std::unique_ptr<Committer>> CreateCommitter() const { return std::unique_ptr<Committer>(); }
};

/// An object that makes the sink for any record type.
template <typename S, typename T>
concept SinkMaker = requires(const S& maker) {
  { maker.template For<T>() } -> std::convertible_to<std::shared_ptr<Sink<T>>>;
};

template <typename T, typename S>
std::shared_ptr<Sink<T>> MakeSink(S sink) {
  if constexpr (std::is_convertible_v<S, std::shared_ptr<Sink<T>>>) {
    return sink;
  } else if constexpr (std::is_base_of_v<Sink<T>, S>) {
    return std::make_shared<S>(std::move(sink));
  } else {
    static_assert(SinkMaker<S, T>,
                  "WriteTo takes a Sink of the stream's record type, or a maker of one such as Print()");
    return sink.template For<T>();
  }
}

}  // namespace eagre
