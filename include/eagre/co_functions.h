// Functions of two connected streams: one instance sees the records of both and may keep what it learns from one for
// the other. As everywhere, each subtask has a copy of its own and all calls come from one thread.
#pragma once

#include <cstdint>

#include "eagre/functions.h"
#include "eagre/process_function.h"

namespace eagre {

/// One record out for each record in, of either stream.
template <typename In1, typename In2, typename Out>
class CoMapFunction : public Function {
 public:
  using Output = Out;
  virtual Out Map1(const In1& value) = 0;
  virtual Out Map2(const In2& value) = 0;
};

/// Any number of records out for each record in, of either stream.
template <typename In1, typename In2, typename Out>
class CoFlatMapFunction : public Function {
 public:
  using Output = Out;
  virtual void FlatMap1(const In1& value, Collector<Out>& out) = 0;
  virtual void FlatMap2(const In2& value, Collector<Out>& out) = 0;
};

/// The same with timestamps and side outputs.
template <typename In1, typename In2, typename Out>
class CoProcessFunction : public Function {
 public:
  using Output = Out;
  using Context = ProcessContext;
  virtual void ProcessElement1(const In1& value, Context& context, Collector<Out>& out) = 0;
  virtual void ProcessElement2(const In2& value, Context& context, Collector<Out>& out) = 0;
};

/// For two streams with keys of one type: records of one key, from both streams, share state and timers.
template <typename K, typename In1, typename In2, typename Out>
class KeyedCoProcessFunction : public Function, public StateOwner {
 public:
  using Key = K;
  using Output = Out;
  using Context = KeyedProcessContext<K>;
  using OnTimerContext = KeyedTimerContext<K>;

  virtual void ProcessElement1(const In1& value, Context& context, Collector<Out>& out) = 0;
  virtual void ProcessElement2(const In2& value, Context& context, Collector<Out>& out) = 0;
  /// A timer is due. `timestamp` is the time it was registered for, and that of what is emitted here.
  virtual void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<Out>& out) {}
};

namespace internal {

// A pair of callables as a CoMapFunction or CoFlatMapFunction.
template <typename F1, typename F2>
struct CoMapPair {
  F1 first;
  F2 second;
  template <typename In>
  decltype(auto) Map1(const In& value) {
    return first(value);
  }
  template <typename In>
  decltype(auto) Map2(const In& value) {
    return second(value);
  }
};

template <typename F1, typename F2, typename Out>
struct CoFlatMapPair {
  using Output = Out;
  F1 first;
  F2 second;
  template <typename In>
  void FlatMap1(const In& value, Collector<Out>& out) {
    first(value, out);
  }
  template <typename In>
  void FlatMap2(const In& value, Collector<Out>& out) {
    second(value, out);
  }
};

}  // namespace internal

}  // namespace eagre
