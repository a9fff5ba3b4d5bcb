// Hands an operator its records one at a time, so that what it emits goes on, and the task's other work gets its turn,
// after each of them: for user code that waits long for every record. Everything else is passed through.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/operator.h"

namespace eagre {

class PiecewiseOperator final : public Operator {
 public:
  // Not a source.
  explicit PiecewiseOperator(std::unique_ptr<Operator> op) : op_(std::move(op)) {}

  Status Open(OperatorContext& context) override { return op_->Open(context); }
  Status Process(int input, std::unique_ptr<Batch>& batch, size_t& position) override;
  Status OnWatermark(int64_t watermark, bool& done) override {
    return WithinEvent(op_->OnWatermark(watermark, done), done);
  }
  bool forwards_watermarks() const override { return op_->forwards_watermarks(); }
  bool takes_views() const override { return true; }  // records are copied out
  Status OnProcessingTime(int64_t now_ms, bool& done) override {
    return WithinEvent(op_->OnProcessingTime(now_ms, done), done);
  }
  int64_t NextProcessingTimeMs() const override { return op_->NextProcessingTimeMs(); }
  Status OnEndOfInput(bool& done) override { return WithinEvent(op_->OnEndOfInput(done), done); }
  bool blocked() const override { return op_->blocked(); }
  bool overtakable() const override;
  void CollectStates(std::vector<CheckpointedState*>& states) override { op_->CollectStates(states); }
  Status Begin() override { return op_->Begin(); }
  Status OnBarrier(int64_t checkpoint_id, bool& done) override { return op_->OnBarrier(checkpoint_id, done); }
  Status OnCheckpointComplete(int64_t checkpoint_id) override { return op_->OnCheckpointComplete(checkpoint_id); }
  Status OnCheckpointAborted(int64_t checkpoint_id) override { return op_->OnCheckpointAborted(checkpoint_id); }
  bool awaits_commit() const override { return op_->awaits_commit(); }
  bool committing() const override { return op_->committing(); }
  Status OnCoordinatorEvent(std::string_view event) override { return op_->OnCoordinatorEvent(event); }
  Status Close(bool failed) override { return op_->Close(failed); }

 private:
  // An event was handled, wholly if `done`.
  Status WithinEvent(Status status, const bool& done) {
    within_event_ = !done;
    return status;
  }

  struct Piece {
    std::unique_ptr<Batch> batch;  // the record at hand, if it is not finished yet
    size_t position = 0;
  };

  std::unique_ptr<Operator> op_;
  std::vector<Piece> pieces_;  // by input
  bool within_event_ = false;  // it has begun to handle one and is to be called again
};

}  // namespace eagre
