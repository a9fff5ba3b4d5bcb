// How a window gathers records and what it makes of them, as small types that the window operators are composed of.
//
// A folding gathers: Acc, Create(), Add(acc, record), ResultOf(acc); in checkpoints an accumulator is what ToStored
// gives and FromStored takes. An emitter makes results: Emit(key, context, result, out). Both pass Open and Close on to
// the user's function.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "eagre/functions.h"
#include "eagre/operator_state.h"
#include "eagre/window.h"
#include "record/codec.h"
#include "record/heap_bytes.h"
#include "state/keyed_state_table.h"

namespace eagre::internal {

// What an accumulator owns outside itself. To look at all of it at each change would take quadratic time where it
// grows, so it is measured more and more seldom: of one that grows, about half is counted at least.
class SampledHeapBytes {
 public:
  size_t bytes() const { return bytes_; }
  // After a change: true when it is to be measured.
  bool IsDue() { return until_measured_-- == 0; }
  template <typename Stored>
  void Measure(const Stored& stored) {
    bytes_ = static_cast<uint32_t>(std::min<size_t>(HeapBytesOf(stored), std::numeric_limits<uint32_t>::max()));
    interval_ = static_cast<uint16_t>(std::min(2 * interval_ + 1, kMostSmallChanges));
    const size_t next = std::max<size_t>(interval_, bytes_ / kBytesPerChange);
    until_measured_ = static_cast<uint16_t>(std::min<size_t>(next, std::numeric_limits<uint16_t>::max()));
  }

 private:
  static constexpr int kMostSmallChanges = 15;
  static constexpr uint32_t kBytesPerChange = 64;

  uint32_t bytes_ = 0;
  uint16_t interval_ = 0;
  uint16_t until_measured_ = 0;
};
// Of one that owns nothing, or is counted otherwise.
struct NoHeapBytes {};

// Whether the accumulators of a folding are to be measured.
template <typename Folding>
inline constexpr bool kMeasuresAccumulators = !Folding::kHoldsRecords && Codec<typename Folding::Stored>::kHasTail;
template <typename Folding>
using AccumulatorHeapBytes = std::conditional_t<kMeasuresAccumulators<Folding>, SampledHeapBytes, NoHeapBytes>;

// The key of windows over a whole stream.
struct NoKey {};

// The first record, then reduced with each of the others.
template <typename T, typename F>
class ReduceFolding {
  static_assert(RequireNoOperatorState<F>());

 public:
  // `filled` is false until the first record.
  struct Acc {
    T value{};
    bool filled = false;
  };
  using Result = T;

  explicit ReduceFolding(F function) : function_(std::move(function)) {}
  Status Open(OperatorContext& context) { return OpenFunction(function_, context); }
  void Close() { CloseFunction(function_); }

  Acc Create() { return {}; }
  void Add(Acc& acc, const T& record) {
    if (acc.filled) {
      CallReduce(function_, acc.value, record);
    } else {
      acc.value = record;
      acc.filled = true;
    }
  }
  const T& ResultOf(const Acc& acc) { return acc.value; }
  using Stored = T;  // accumulators are stored once they are filled
  static const T& ToStored(const Acc& acc) { return acc.value; }
  static void FromStored(T&& stored, Acc& acc) { acc = {std::move(stored), true}; }
  static constexpr bool kHoldsRecords = false;

 private:
  F function_;
};

// Aggregate(Acc{}, [](Acc& acc, const T& record) {...}): the accumulator is the result.
template <typename T, typename A, typename F>
class LambdaFolding {
  static_assert(RequireNoOperatorState<F>());

 public:
  using Acc = A;
  using Result = A;

  LambdaFolding(A initial, F function) : initial_(std::move(initial)), function_(std::move(function)) {}
  Status Open(OperatorContext&) { return OkStatus(); }
  void Close() {}

  const Acc& Create() { return initial_; }
  void Add(Acc& acc, const T& record) { function_(acc, record); }
  const Acc& ResultOf(const Acc& acc) { return acc; }
  using Stored = Acc;
  static const Acc& ToStored(const Acc& acc) { return acc; }
  static void FromStored(Acc&& stored, Acc& acc) { acc = std::move(stored); }
  static constexpr bool kHoldsRecords = false;

 private:
  const A initial_;
  F function_;
};

// An AggregateFunction.
template <typename T, typename F>
class AggregateFolding {
  static_assert(RequireNoOperatorState<F>());

 public:
  using Acc = typename F::Accumulator;
  using Result = typename F::Output;

  explicit AggregateFolding(F function) : function_(std::move(function)) {}
  Status Open(OperatorContext& context) { return OpenFunction(function_, context); }
  void Close() { CloseFunction(function_); }

  Acc Create() { return function_.F::CreateAccumulator(); }
  void Add(Acc& acc, const T& record) { function_.F::Add(acc, record); }
  Result ResultOf(const Acc& acc) { return function_.F::GetResult(acc); }
  using Stored = Acc;
  static const Acc& ToStored(const Acc& acc) { return acc; }
  static void FromStored(Acc&& stored, Acc& acc) { acc = std::move(stored); }
  static constexpr bool kHoldsRecords = false;

 private:
  F function_;
};

// Keeps the records, for functions that see a whole window.
template <typename T>
class BufferFolding {
 public:
  using Acc = std::vector<T>;
  using Result = std::vector<T>;

  Status Open(OperatorContext&) { return OkStatus(); }
  void Close() {}

  Acc Create() { return {}; }
  void Add(Acc& acc, const T& record) { acc.push_back(record); }
  const Acc& ResultOf(const Acc& acc) { return acc; }
  using Stored = Acc;
  static const Acc& ToStored(const Acc& acc) { return acc; }
  static void FromStored(Acc&& stored, Acc& acc) { acc = std::move(stored); }
  static constexpr bool kHoldsRecords = true;
  static size_t HeldBytes(const Acc& acc) {
    size_t bytes = acc.size() * sizeof(T);
    for (const T& record : acc) bytes += HeapBytesOf(record);
    return bytes;
  }
};

// Emits the result itself.
template <typename Result>
class ResultEmitter {
 public:
  using Out = Result;

  Status Open(OperatorContext&) { return OkStatus(); }
  void Close() {}
  template <typename K, typename R>
  void Emit(const K&, WindowContext&, R&& result, Collector<Out>& out) {
    out.Collect(std::forward<R>(result));
  }
};

// Hands the result to a window function: a class with Process(key, context, ...), or a lambda of the window.
template <typename O, typename F>
class FunctionEmitter {
  static_assert(RequireNoOperatorState<F>());

 public:
  using Out = O;

  explicit FunctionEmitter(F function) : function_(std::move(function)) {}
  Status Open(OperatorContext& context) { return OpenFunction(function_, context); }
  void Close() { CloseFunction(function_); }

  template <typename K, typename R>
  void Emit(const K& key, WindowContext& context, const R& result, Collector<Out>& out) {
    if constexpr (std::is_base_of_v<Function, F> && std::is_same_v<K, NoKey>) {
      function_.F::Process(context, result, out);
    } else if constexpr (std::is_base_of_v<Function, F>) {
      function_.F::Process(key, context, result, out);
    } else if constexpr (std::is_same_v<K, NoKey>) {
      function_(context.window(), result, out);
    } else {
      function_(key, context.window(), result, out);
    }
  }

 private:
  F function_;
};

}  // namespace eagre::internal
