// Base classes of user functions, for those that need members, Open and Close. Lambdas do everywhere else:
//
//   payments.Map([](const Payment& p) { return p.amount; });
//   payments.FlatMap([](const Payment& p, Collector<std::string>& out) { out.Collect(p.user); });
//
// A function object given to the API is a prototype: every subtask works on a copy of its own, so members need no
// locks. All calls come from one thread. A function may throw: the job fails with the message as the root cause.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "eagre/metric_group.h"
#include "runtime/operator.h"

namespace eagre {

/// What a function may ask about where it runs. Valid from Open to Close.
class RuntimeContext {
 public:
  explicit RuntimeContext(OperatorContext& context) : context_(&context) {}

  int subtask() const { return context_->subtask(); }  ///< from 0
  int parallelism() const { return context_->parallelism(); }
  int max_parallelism() const { return context_->max_parallelism(); }
  const std::string& job_name() const { return context_->job_name(); }
  const std::string& operator_name() const { return context_->operator_name(); }
  const Configuration& config() const { return context_->config(); }
  /// Metrics of this operator, exported as flink_taskmanager_job_task_operator_<name>; see metric_group.h.
  MetricGroup metrics() const { return MetricGroup(context_->metric_scope()); }
  Counter& AddCounter(const std::string& name) { return context_->AddCounter(name); }
  Gauge& AddGauge(const std::string& name) { return context_->AddGauge(name); }
  /// A sum or the like over all subtasks of the job, shown with its result:
  /// `context.AddAccumulator<IntCounter>("lines")`. Kinds are in runtime/accumulator.h. It is for the function's own
  /// thread; the same name is the same accumulator in the whole job, and must be of one kind.
  template <typename A>
  A& AddAccumulator(const std::string& name) {
    return context_->accumulators().Add<A>(name);
  }
  /// The job's parameters: what was given on the command line, as text, and what Job::SetParameter set.
  const std::map<std::string, std::string>& parameters() const { return context_->parameters(); }
  std::string parameter(const std::string& name, const std::string& default_value = "") const {
    const auto found = parameters().find(name);
    return found == parameters().end() ? default_value : found->second;
  }

 private:
  OperatorContext* context_;
};

/// What all functions have in common.
class Function {
 public:
  virtual ~Function() = default;
  /// Before the first record, on the subtask's copy. A failure fails the job.
  virtual Status Open(RuntimeContext&) { return OkStatus(); }
  /// After the last record, also when the job failed or was cancelled.
  virtual void Close() {}
};

/// One record out for each record in.
template <typename In, typename Out>
class MapFunction : public Function {
 public:
  virtual Out Map(const In& value) = 0;
};

/// Keeps the records for which it is true.
template <typename T>
class FilterFunction : public Function {
 public:
  virtual bool Filter(const T& value) = 0;
};

/// Any number of records out for each record in.
template <typename In, typename Out>
class FlatMapFunction : public Function {
 public:
  using Output = Out;
  virtual void FlatMap(const In& value, Collector<Out>& out) = 0;
};

/// Combines two values into one of the same type.
template <typename T>
class ReduceFunction : public Function {
 public:
  virtual T Reduce(const T& a, const T& b) = 0;
};

/// Folds values into an accumulator and makes a result of it.
template <typename In, typename Acc, typename Out>
class AggregateFunction : public Function {
 public:
  using Accumulator = Acc;
  using Output = Out;
  virtual Acc CreateAccumulator() { return Acc{}; }
  virtual void Add(Acc& accumulator, const In& value) = 0;
  virtual Out GetResult(const Acc& accumulator) = 0;
};

// ---- How operators call functions of all forms; inlined, without virtual dispatch. ----
namespace internal {

// The parameter types of a callable that is not generic.
template <typename F>
struct CallSignature : CallSignature<decltype(&F::operator())> {};
template <typename R, typename... Args>
struct CallSignature<R (*)(Args...)> {
  using Last = std::tuple_element_t<sizeof...(Args) - 1, std::tuple<Args...>>;
};
template <typename R, typename C, typename... Args>
struct CallSignature<R (C::*)(Args...)> : CallSignature<R (*)(Args...)> {};
template <typename R, typename C, typename... Args>
struct CallSignature<R (C::*)(Args...) const> : CallSignature<R (*)(Args...)> {};

template <typename T>
struct CollectedType {
  static_assert(!sizeof(T), "the last parameter must be Collector<Out>& with a type, not auto");
};
template <typename Out>
struct CollectedType<Collector<Out>&> {
  using Type = Out;
};

template <typename F, typename In>
concept IsMapClass = requires(F& f, const In& in) {
  f.Map(in);
};
template <typename F, typename T>
concept IsFilterClass = requires(F& f, const T& in) {
  f.Filter(in);
};
template <typename F, typename T>
concept IsReduceClass = requires(F& f, const T& in) {
  f.Reduce(in, in);
};
template <typename F>
concept IsAggregateClass = requires {
  typename F::Accumulator;
};

// void (T&): changes the record in place.
template <typename F, typename T>
inline constexpr bool kMapsInPlace = [] {
  if constexpr (IsMapClass<F, T> || !std::is_invocable_v<F&, T&>) {
    return false;
  } else {
    return std::is_void_v<std::invoke_result_t<F&, T&>>;
  }
}();

template <typename F, typename In>
decltype(auto) CallMap(F& function, In& value) {
  if constexpr (IsMapClass<F, In>) {
    return function.F::Map(value);
  } else if constexpr (kMapsInPlace<F, In>) {
    return std::invoke(function, value);
  } else {
    return std::invoke(function, std::move(value));
  }
}

template <typename F, typename T>
bool CallFilter(F& function, const T& value) {
  if constexpr (IsFilterClass<F, T>) {
    return function.F::Filter(value);
  } else {
    return std::invoke(function, value);
  }
}

// Folds `value` into `into`. A callable is either T (const T&, const T&) or void (T& into, const T& value).
template <typename F, typename T>
void CallReduce(F& function, T& into, const T& value) {
  if constexpr (IsReduceClass<F, T>) {
    into = function.F::Reduce(into, value);
  } else if constexpr (std::is_void_v<std::invoke_result_t<F&, T&, const T&>>) {
    std::invoke(function, into, value);
  } else {
    into = std::invoke(function, std::as_const(into), value);
  }
}

template <typename F>
Status OpenFunction(F& function, OperatorContext& context) {
  if constexpr (std::is_base_of_v<Function, F>) {
    RuntimeContext runtime_context(context);
    return function.Open(runtime_context);
  } else {
    return OkStatus();
  }
}

template <typename F>
void CloseFunction(F& function) {
  if constexpr (std::is_base_of_v<Function, F>) function.Close();
}

template <typename F, typename In>
struct MapOutput {
  using Type = std::remove_cvref_t<decltype(CallMap(std::declval<F&>(), std::declval<In&>()))>;
};
template <typename F, typename T>
requires kMapsInPlace<F, T>
struct MapOutput<F, T> {
  using Type = T;
};

template <typename F>
struct CollectorOutput : CollectedType<typename CallSignature<F>::Last> {};
template <typename F>
requires requires {
  typename F::Output;
}
struct CollectorOutput<F> {
  using Type = typename F::Output;
};

}  // namespace internal

/// The type that Map(F) makes of In.
template <typename F, typename In>
using MapResult = typename internal::MapOutput<F, In>::Type;
/// The type that a function with a Collector emits.
template <typename F>
using CollectorOutputOf = typename internal::CollectorOutput<std::remove_cvref_t<F>>::Type;

}  // namespace eagre
