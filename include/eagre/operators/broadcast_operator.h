// Runs a function of a stream and a broadcast one: BroadcastProcessFunction, KeyedBroadcastProcessFunction.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eagre/broadcast_functions.h"
#include "eagre/operators/function_operator.h"
#include "eagre/operators/keyed_process_operator.h"

namespace eagre {

// Input 0 is the stream, input 1 the broadcast one.
template <typename In, typename Broadcast, typename Out, typename F>
class BroadcastProcessOperator final : public ContextFunctionOperator<Out, F> {
 public:
  using ContextFunctionOperator<Out, F>::ContextFunctionOperator;

  Status Process(int input, std::unique_ptr<Batch>& batch, size_t& position) override {
    if (input == 0) {
      this->template ForEach<In>(*batch, position, [this](const In& record, Collector<Out>& out) {
        this->function_.F::ProcessElement(record, this->process_context_, out);
      });
    } else {
      this->template ForEach<Broadcast>(*batch, position, [this](const Broadcast& record, Collector<Out>& out) {
        static_cast<ProcessContext&>(broadcast_context_) = this->process_context_;
        this->function_.F::ProcessBroadcastElement(record, broadcast_context_, out);
      });
    }
    return OkStatus();
  }

 private:
  BroadcastContext broadcast_context_;
};

// Input 0 is the keyed stream, input 1 the broadcast one.
template <typename K, typename In, typename Broadcast, typename Out, typename F>
class KeyedBroadcastProcessOperator final : public KeyedProcessOperator<K, In, Out, F> {
  using Base = KeyedProcessOperator<K, In, Out, F>;

 public:
  using Base::Base;

  Status Open(OperatorContext& context) override {
    broadcast_context_.table_ = &this->table_;
    broadcast_context_.clock_ = &context.clock();
    broadcast_context_.side_outputs_ = &this->side_outputs_;
    return Base::Open(context);
  }

  Status Process(int input, std::unique_ptr<Batch>& batch, size_t& position) override {
    if (input == 0) return Base::Process(input, batch, position);
    const auto& in = static_cast<const TypedBatch<Broadcast>&>(*batch);
    broadcast_context_.watermark_ = this->watermark_;
    Collector<Out> out(*this->output_);
    while (position < in.size() && !this->AnyOutputFull()) {
      const size_t i = position++;
      broadcast_context_.timestamp_ = in.timestamps()[i];
      out.set_timestamp(in.timestamps()[i]);
      this->function_.F::ProcessBroadcastElement(in[i], broadcast_context_, out);
      // Each may have touched the rows of all keys.
      EAGRE_RETURN_IF_ERROR(this->FinishBatch());
    }
    return OkStatus();
  }

 private:
  KeyedBroadcastContext<K> broadcast_context_;
};

template <typename In, typename Broadcast, typename Out, typename F>
std::unique_ptr<Operator> MakeBroadcastProcessOperator(F function, std::vector<std::string> side_outputs) {
  return std::make_unique<BroadcastProcessOperator<In, Broadcast, Out, F>>(std::move(function),
                                                                           std::move(side_outputs));
}
template <typename K, typename In, typename Broadcast, typename Out, typename F>
std::unique_ptr<Operator> MakeKeyedBroadcastProcessOperator(F function, std::unique_ptr<KeyExtractor<In, K>> keys,
                                                            std::vector<std::string> side_outputs) {
  return std::make_unique<KeyedBroadcastProcessOperator<K, In, Broadcast, Out, F>>(std::move(function), std::move(keys),
                                                                                   std::move(side_outputs));
}

}  // namespace eagre
