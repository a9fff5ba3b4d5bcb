// What is made of matches: functions of a pattern's user, and how the operator holds them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "eagre/cep/match.h"
#include "eagre/operator_state.h"
#include "eagre/process_function.h"

namespace eagre {

/// What a function may ask and do besides making a result. Valid during the call.
class MatchContext {
 public:
  MatchContext(ProcessContext& context, int64_t timestamp) : context_(&context), timestamp_(timestamp) {}

  /// Event time: that of the last event of the match, of the end of a time-out's window, or that to which time has come
  /// when a match was completed by time. In processing time the clock's.
  int64_t timestamp() const { return timestamp_; }
  int64_t current_processing_time() const { return context_->current_processing_time(); }
  /// Emits a record with the match's timestamp to a side output; dropped when nobody reads it.
  template <typename X>
  void Output(const OutputTag<X>& tag, std::type_identity_t<X> value) {
    context_->Output(tag, std::move(value), timestamp_);
  }

 private:
  ProcessContext* context_;
  int64_t timestamp_;
};

/// As a lambda: void (const Match<In>&, MatchContext&, Collector<Out>&).
template <typename In, typename Out>
class PatternProcessFunction : public Function {
 public:
  using Input = In;
  using Output = Out;

  virtual void ProcessMatch(const Match<In>& match, MatchContext& context, Collector<Out>& out) = 0;
};

/// A PatternProcessFunction that also derives from this hears of partial matches whose window ended.
template <typename In>
class TimedOutPartialMatchHandler {
 public:
  virtual ~TimedOutPartialMatchHandler() = default;
  virtual void ProcessTimedOutMatch(const Match<In>& match, MatchContext& context) = 0;
};

/// Where a time-out function of FlatSelect emits to.
template <typename X>
class SideCollector {
 public:
  SideCollector(const OutputTag<X>& tag, MatchContext& context) : tag_(&tag), context_(&context) {}
  void Collect(X value) { context_->Output(*tag_, std::move(value)); }

 private:
  const OutputTag<X>* tag_;
  MatchContext* context_;
};

namespace internal {

// What an operator calls; functions that are not set are not called.
template <typename T, typename Out>
struct MatchHandlers {
  std::function<Status(RuntimeContext&)> open;
  std::function<void()> close;
  std::function<void(const Match<T>&, MatchContext&, Collector<Out>&)> on_match;
  std::function<void(const Match<T>&, MatchContext&)> on_timeout;
  std::function<void(const Match<T>&, MatchContext&)> on_dropped;
};

// Each subtask makes its own, so that functions need no locks.
template <typename T, typename Out>
using MatchHandlersFactory = std::function<MatchHandlers<T, Out>()>;

template <typename T, typename Out, typename F>
MatchHandlers<T, Out> HandlersOfProcess(const F& function) {
  static_assert(RequireNoOperatorState<F>());
  MatchHandlers<T, Out> handlers;
  const auto own = std::make_shared<F>(function);
  if constexpr (std::is_base_of_v<Function, F>) {
    handlers.open = [own](RuntimeContext& context) { return own->Open(context); };
    handlers.close = [own] { own->Close(); };
    handlers.on_match = [own](const Match<T>& match, MatchContext& context, Collector<Out>& out) {
      own->ProcessMatch(match, context, out);
    };
  } else {
    handlers.on_match = [own](const Match<T>& match, MatchContext& context, Collector<Out>& out) {
      (*own)(match, context, out);
    };
  }
  if constexpr (std::is_base_of_v<TimedOutPartialMatchHandler<T>, F>) {
    handlers.on_timeout = [own](const Match<T>& match, MatchContext& context) {
      own->ProcessTimedOutMatch(match, context);
    };
  }
  return handlers;
}

}  // namespace internal
}  // namespace eagre
