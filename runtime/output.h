// One output port of an operator: the batch that its emissions fill, and the overflow of a single call.
//
// An operator stops between two records when an output is full and goes on there later. One call of user code cannot
// stop, so it may overshoot: full batches then queue up here, accounted, up to a configured size.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "record/batch.h"

namespace eagre {

// Thrown out of Collect() to unwind user code that emits without end; the operator boundary turns it into a Status.
class OverflowError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Bounds the batches that one task's single calls may leave waiting. Shared by all outputs of the task; one thread.
struct OverflowBudget {
  int64_t limit_bytes = 256 << 20;
  int64_t used_bytes = 0;
  std::string owner;  // "operator 'explode' (subtask 0 of 'explode -> sink')", for the message
};

class Output {
 public:
  Output(const BatchType& type, OverflowBudget& budget) : budget_(&budget), batch_(type.create()) {}

  const BatchType& type() const { return batch_->type(); }
  // The batch being filled. Emit with Collector<T>, which makes room first.
  Batch& batch() { return *batch_; }
  // Operators return from Process when this is true.
  bool full() const { return batch_->full() || !overflow_.empty(); }
  bool empty() const { return batch_->empty() && overflow_.empty(); }
  // True when a whole batch can be swapped in (see Adopt).
  bool adoptable() const { return empty(); }

  // Makes `batch` the output's content and hands an empty batch of the same type back: how an operator that works in
  // place passes its input on. REQUIRES: empty(), same type.
  void Adopt(std::unique_ptr<Batch>& batch) {
    EAGRE_DCHECK(empty());
    std::swap(batch_, batch);
  }

  // Called when batch() is full within one call of user code: queues it and starts another. Throws OverflowError beyond
  // the budget.
  void Overflow();

  // ---- for the chain ----
  // The oldest batch to pass on; null when there is none.
  std::unique_ptr<Batch>* Front() {
    if (!overflow_.empty()) return &overflow_.front();
    return batch_->empty() ? nullptr : &batch_;
  }
  // After the batch at Front() was drained (it is now empty).
  void PopFront();
  int64_t records_out() const { return records_out_; }
  void CountOut(size_t records) { records_out_ += static_cast<int64_t>(records); }

 private:
  static int64_t BytesOf(const Batch& batch);

  OverflowBudget* budget_;
  std::unique_ptr<Batch> batch_;
  std::deque<std::unique_ptr<Batch>> overflow_;
  int64_t overflow_bytes_ = 0;  // this output's part of the budget's
  int64_t records_out_ = 0;
};

// What user code emits into.
template <typename T>
class Collector {
 public:
  explicit Collector(Output& output) : output_(&output) {}

  void Collect(const T& value) { Next() = value; }
  void Collect(T&& value) { Next() = std::move(value); }
  // The next record's object to fill in place; it holds values of an earlier use, so every field must be assigned.
  T& Next() {
    if (output_->batch().full()) [[unlikely]]
      output_->Overflow();
    return static_cast<TypedBatch<T>&>(output_->batch()).Append(timestamp_);
  }
  // Event time of what is emitted from now on: the runtime sets it to that of the record or timer at hand.
  void set_timestamp(int64_t timestamp_ms) { timestamp_ = timestamp_ms; }
  int64_t timestamp() const { return timestamp_; }

 private:
  Output* output_;
  int64_t timestamp_ = kNoTimestamp;
};

}  // namespace eagre
