// Runs a function of two connected streams that are not keyed: CoMap, CoFlatMap, CoProcess.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eagre/co_functions.h"
#include "eagre/operators/function_operator.h"

namespace eagre {

// Input 0 is the first stream, input 1 the second.
template <typename In1, typename In2, typename Out, typename F>
class CoOperator final : public ContextFunctionOperator<Out, F> {
 public:
  using ContextFunctionOperator<Out, F>::ContextFunctionOperator;

  Status Process(int input, std::unique_ptr<Batch>& batch, size_t& position) override {
    if (input == 0) {
      this->template ForEach<In1>(*batch, position, [this](const In1& record, auto& out) { Apply1(record, out); });
    } else {
      this->template ForEach<In2>(*batch, position, [this](const In2& record, auto& out) { Apply2(record, out); });
    }
    return OkStatus();
  }

 private:
  using ContextFunctionOperator<Out, F>::function_;
  using ContextFunctionOperator<Out, F>::process_context_;

  void Apply1(const In1& record, Collector<Out>& out) {
    if constexpr (requires { function_.Map1(record); }) {
      out.Collect(function_.F::Map1(record));
    } else if constexpr (requires { function_.FlatMap1(record, out); }) {
      function_.F::FlatMap1(record, out);
    } else {
      function_.F::ProcessElement1(record, process_context_, out);
    }
  }
  void Apply2(const In2& record, Collector<Out>& out) {
    if constexpr (requires { function_.Map2(record); }) {
      out.Collect(function_.F::Map2(record));
    } else if constexpr (requires { function_.FlatMap2(record, out); }) {
      function_.F::FlatMap2(record, out);
    } else {
      function_.F::ProcessElement2(record, process_context_, out);
    }
  }
};

template <typename In1, typename In2, typename Out, typename F>
std::unique_ptr<Operator> MakeCoOperator(F function, std::vector<std::string> side_outputs) {
  return std::make_unique<CoOperator<In1, In2, Out, F>>(std::move(function), std::move(side_outputs));
}

}  // namespace eagre
