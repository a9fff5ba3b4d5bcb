// Runs a ProcessFunction, or a lambda of its form.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eagre/operators/function_operator.h"

namespace eagre {

template <typename In, typename Out, typename F>
class ProcessOperator final : public ContextFunctionOperator<Out, F> {
 public:
  using ContextFunctionOperator<Out, F>::ContextFunctionOperator;

  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    this->template ForEach<In>(*batch, position, [this](const In& record, Collector<Out>& out) {
      if constexpr (requires { this->function_.ProcessElement(record, this->process_context_, out); }) {
        this->function_.F::ProcessElement(record, this->process_context_, out);
      } else {
        this->function_(record, this->process_context_, out);
      }
    });
    return OkStatus();
  }
};

template <typename In, typename Out, typename F>
std::unique_ptr<Operator> MakeProcessOperator(F function, std::vector<std::string> side_outputs) {
  return std::make_unique<ProcessOperator<In, Out, F>>(std::move(function), std::move(side_outputs));
}

}  // namespace eagre
