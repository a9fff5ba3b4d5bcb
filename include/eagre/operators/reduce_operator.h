// The rolling reduce of a keyed stream: emits each key's new value for every record.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "eagre/operators/keyed_process_operator.h"
#include "record/schema.h"

namespace eagre {
namespace internal {

inline constexpr char kReducedStateName[] = "reduced";

// A function on keyed state as a user would write it.
template <typename K, typename T, typename F>
class RollingReduce final : public KeyedProcessFunction<K, T, T> {
  static_assert(RequireNoOperatorState<F>());

 public:
  explicit RollingReduce(F function) : function_(std::move(function)) {}

  Status Open(RuntimeContext& context) override {
    if constexpr (std::is_base_of_v<Function, F>) return function_.Open(context);
    return OkStatus();
  }
  void Close() override { CloseFunction(function_); }

  void ProcessElement(const T& value, KeyedProcessContext<K>&, Collector<T>& out) override {
    if (reduced_.Get() == nullptr) {
      reduced_.Set(value);
    } else {
      CallReduce(function_, reduced_.Mutable(), value);
    }
    out.Collect(*reduced_.Get());
  }

 private:
  F function_;
  ValueState<T> reduced_{this, kReducedStateName};
};

}  // namespace internal

/// The state of a rolling reduce, for the job graph.
template <typename T>
std::vector<StateDeclarationInfo> StatesOfReduce() {
  return {{internal::kReducedStateName, std::string(StateKindName(StateKind::kValue)), SchemaOf<T>().text()}};
}

template <typename T, typename K, typename F>
std::unique_ptr<Operator> MakeReduceOperator(F function, std::unique_ptr<KeyExtractor<T, K>> keys) {
  return MakeKeyedProcessOperator<K, T, T>(internal::RollingReduce<K, T, F>(std::move(function)), std::move(keys), {});
}

}  // namespace eagre
