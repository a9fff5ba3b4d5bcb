// Sources: where records come from. A connector implements Source<T>, its SplitEnumerator and its SourceReader<T>.
//
// A source's input is cut into splits. The enumerator (one per source; runs in a worker, never in the JobManager) hands
// splits out, a reader per subtask reads them; runtime/split_source.h has both contracts. Time, watermarks and
// alignment are none of a connector's business, except that a reader must respect paused splits.
//
// Job::Read takes an object of a class derived from Source<T> by value, or by shared pointer (ReadShared).
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "eagre/process_function.h"
#include "runtime/output.h"
#include "runtime/split_source.h"

namespace eagre {

/// Where SourceReader::Read puts records: the batch at hand, and which split it is read from.
template <typename T>
class SplitOutput {
 public:
  /// Room for at most `max_records` of one Read, those for side outputs counted.
  SplitOutput(eagre::Output& output, internal::SideOutputs& side_outputs,
              size_t max_records = std::numeric_limits<size_t>::max())
      : output_(&output),
        side_outputs_(&side_outputs),
        limit_(std::min(output.type().capacity, max_records)),
        one_(max_records == 1) {}

  /// The split that the records of this call are of. Once per Read, before the first record. The view must stay valid
  /// until Read has returned.
  void BeginSplit(std::string_view split_id) { split_id_ = split_id; }
  /// That split is read to its end. Read returns after it.
  void FinishSplit() { finished_ = true; }

  /// Read returns when this is true. To be asked after every record: there may be room for a single one.
  bool full() const { return room() == 0 || output_->full() || side_outputs_->AnyFull(); }
  /// So many records may follow before `full` must be asked again.
  size_t room() const {
    const size_t size = output_->batch().size();
    return size >= limit_ ? 0 : limit_ - size;
  }
  /// The next record's object, to be filled by assignment: it may hold values of an earlier use. `timestamp_ms` is the
  /// event time that the input itself gives the record, if any.
  T& Next(int64_t timestamp_ms = kNoTimestamp) {
    if (output_->batch().full()) [[unlikely]]
      output_->Overflow();
    return batch().Append(timestamp_ms);
  }
  /// The objects of the next `count` records, all to be filled; one after the other in memory. REQUIRES: not full, and
  /// count <= room().
  T* NextRun(size_t count, int64_t timestamp_ms = kNoTimestamp) { return batch().AppendRun(count, timestamp_ms); }
  void Collect(const T& record, int64_t timestamp_ms = kNoTimestamp) { Next(timestamp_ms) = record; }
  void Collect(T&& record, int64_t timestamp_ms = kNoTimestamp) { Next(timestamp_ms) = std::move(record); }
  /// Takes the last record back: it could not be filled.
  void DropLast() { output_->batch().Truncate(output_->batch().size() - 1); }
  /// Emits to a side output of the source; dropped when nobody reads it.
  template <typename X>
  void Output(const OutputTag<X>& tag, std::type_identity_t<X> value) {
    side_outputs_->template Emit<X>(tag, std::move(value), kNoTimestamp);
    if (one_) limit_ = 0;
  }

  // ---- for the operator ----
  TypedBatch<T>& batch() { return static_cast<TypedBatch<T>&>(output_->batch()); }
  std::string_view split_id() const { return split_id_; }
  bool finished() const { return finished_; }
  // A record went to a side output, and there was room for one only.
  bool one_aside() const { return one_ && limit_ == 0; }

 private:
  eagre::Output* output_;
  internal::SideOutputs* side_outputs_;
  std::string_view split_id_;
  size_t limit_;
  const bool one_;
  bool finished_ = false;
};

/// Turns splits into records. See SplitReader for the calls around Read.
template <typename T>
class SourceReader : public SplitReader {
 public:
  /// Reads on, from one split, until the output is full, the split ends or nothing is there now. Must not wait. Reading
  /// that takes longer than about a millisecond per batch belongs on a thread of the reader's own.
  virtual StatusOr<ReadResult> Read(SplitOutput<T>& out) = 0;
};

/// A description of where to read: a value without open files or connections, shared by all subtasks. Const methods are
/// called on any thread.
template <typename T>
class Source {
 public:
  using Record = T;
  virtual ~Source() = default;

  /// For plans and metrics, such as "NDJSON files".
  virtual std::string Name() const = 0;
  virtual Boundedness boundedness() const { return Boundedness::kBounded; }
  /// Called in the worker that hosts the coordinator.
  virtual StatusOr<std::unique_ptr<SplitEnumerator>> CreateEnumerator() const = 0;
  /// Called once per subtask.
  virtual StatusOr<std::unique_ptr<SourceReader<T>>> CreateReader() const = 0;
};

}  // namespace eagre
