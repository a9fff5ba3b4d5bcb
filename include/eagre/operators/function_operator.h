// What operators that run a user's function record by record have in common.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eagre/operator_state.h"
#include "eagre/process_function.h"
#include "runtime/operator.h"

namespace eagre {

// The function's life cycle, and the first output.
template <typename F>
class FunctionOperator : public Operator {
 public:
  explicit FunctionOperator(F function) : function_(std::move(function)) {}

  Status Open(OperatorContext& context) override {
    EAGRE_RETURN_IF_ERROR(Operator::Open(context));
    output_ = &context.output(0);
    internal::OpenOperatorStates(function_, context);
    return internal::OpenFunction(function_, context);
  }
  Status Close(bool) override {
    internal::CloseFunction(function_);
    return OkStatus();
  }
  void CollectStates(std::vector<CheckpointedState*>& states) override {
    internal::CollectOperatorStates(function_, states);
  }
  Status Begin() override { return internal::InitializeFunction(function_); }
  Status OnBarrier(int64_t checkpoint_id, bool& done) override {
    done = true;
    return internal::SnapshotFunction(function_, checkpoint_id);
  }
  Status OnCheckpointComplete(int64_t checkpoint_id) override {
    internal::NotifyFunction(function_, checkpoint_id, /*complete=*/true);
    return OkStatus();
  }
  Status OnCheckpointAborted(int64_t checkpoint_id) override {
    internal::NotifyFunction(function_, checkpoint_id, /*complete=*/false);
    return OkStatus();
  }

 protected:
  F function_;
  Output* output_ = nullptr;
};

// The same of functions that are given a context: event time and side outputs.
template <typename Out, typename F>
class ContextFunctionOperator : public FunctionOperator<F> {
 public:
  // Tag i of `side_outputs` is output port 1 + i.
  ContextFunctionOperator(F function, std::vector<std::string> side_outputs)
      : FunctionOperator<F>(std::move(function)), side_outputs_(std::move(side_outputs)) {}

  Status Open(OperatorContext& context) override {
    side_outputs_.Open(context);
    process_context_.clock_ = &context.clock();
    process_context_.side_outputs_ = &side_outputs_;
    return FunctionOperator<F>::Open(context);
  }

  bool takes_views() const override { return true; }
  Status OnWatermark(int64_t watermark, bool& done) override {
    process_context_.watermark_ = watermark;
    done = true;
    return OkStatus();
  }

 protected:
  // Calls apply(record, out) from `position` on until the input ends or an output is full.
  template <typename In, typename Apply>
  void ForEach(const Batch& batch, size_t& position, Apply&& apply) {
    const auto& in = static_cast<const TypedBatch<In>&>(batch);
    Collector<Out> out(*this->output_);
    while (position < in.size() && !this->output_->full() && !side_outputs_.AnyFull()) {
      const size_t i = position++;
      process_context_.timestamp_ = in.timestamps()[i];
      out.set_timestamp(in.timestamps()[i]);
      apply(in[i], out);
    }
  }

  ProcessContext process_context_;

 private:
  internal::SideOutputs side_outputs_;
};

}  // namespace eagre
