// Windows over a stream, waiting for the function that makes results of them. Included by keyed_stream.h.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "eagre/data_stream.h"
#include "eagre/keyed_stream.h"
#include "eagre/operators/window_operator.h"
#include "eagre/window.h"

namespace eagre {

/// The part that windows of keyed and of whole streams share. `Derived` adds the operator for a folding and an emitter.
///
/// A window function makes what it likes of a window's value. On a keyed stream: a WindowFunction<In, Out, K>, or
/// void(const K&, const TimeWindow&, const In&, Collector<Out>&); on a whole stream without the key.
template <typename Derived, typename T>
class WindowedStreamBase {
 public:
  /// One record per window: all its records reduced. `function`: T(const T&, const T&), void(T& into, const T&), or a
  /// ReduceFunction<T>.
  template <typename F>
  DataStream<T> Reduce(F function) const {
    auto folding = FoldByReduce<T>(std::move(function));
    return self().template Add<T>("Reduce", folding, EmitResult(folding));
  }
  template <typename F, typename W>
  auto Reduce(F function, W window_function) const {
    return AddWithFunction("Reduce", FoldByReduce<T>(std::move(function)), std::move(window_function));
  }

  /// One result per window: an AggregateFunction<T, Acc, Out>.
  template <typename A>
  auto Aggregate(A aggregate) const {
    auto folding = FoldByAggregate<T>(std::move(aggregate));
    return self().template Add<typename A::Output>("Aggregate", folding, EmitResult(folding));
  }
  /// An AggregateFunction and a window function; or an initial accumulator and void(Acc&, const T&), whose accumulator
  /// is the result.
  template <typename A, typename F>
  auto Aggregate(A aggregate_or_initial, F function) const {
    if constexpr (internal::IsAggregateClass<A>) {
      return AddWithFunction("Aggregate", FoldByAggregate<T>(std::move(aggregate_or_initial)), std::move(function));
    } else {
      auto folding = FoldByAggregate<T>(std::move(aggregate_or_initial), std::move(function));
      return self().template Add<A>("Aggregate", folding, EmitResult(folding));
    }
  }
  template <typename Acc, typename F, typename W>
  auto Aggregate(Acc initial, F function, W window_function) const {
    return AddWithFunction("Aggregate", FoldByAggregate<T>(std::move(initial), std::move(function)),
                           std::move(window_function));
  }

  /// Keeps the records: a ProcessWindowFunction or ProcessAllWindowFunction, or a lambda that takes
  /// const std::vector<T>&.
  template <typename W>
  auto Process(W window_function) const {
    return AddWithFunction("Process", FoldByBuffering<T>(), std::move(window_function));
  }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }

  template <typename Folding, typename W>
  auto AddWithFunction(const char* what, Folding folding, W window_function) const {
    using Out = CollectorOutputOf<W>;
    return self().template Add<Out>(what, std::move(folding), EmitByFunction(std::move(window_function)));
  }
};

template <typename T, typename K>
class WindowedStream : public WindowedStreamBase<WindowedStream<T, K>, T> {
 public:
  WindowedStream(KeyedStream<T, K> stream, TumblingEventTimeWindows windows)
      : stream_(std::move(stream)), windows_(windows) {}

 private:
  friend class WindowedStreamBase<WindowedStream<T, K>, T>;

  template <typename Out, typename Folding, typename Emitter>
  DataStream<Out> Add(const char* what, Folding folding, Emitter emitter) const {
    return stream_.template Transform<Out>(fmt::format("Window({}, {})", windows_.ToString(), what), "window", {},
                                           [folding = std::move(folding), emitter = std::move(emitter),
                                            keys = stream_.keys_, windows = windows_](const StreamNode& node) {
                                             return MakeKeyedWindowOperator<T, K>(windows, keys(), folding, emitter,
                                                                                  node.side_outputs);
                                           });
  }

  KeyedStream<T, K> stream_;
  TumblingEventTimeWindows windows_;
};

template <typename T>
class AllWindowedStream : public WindowedStreamBase<AllWindowedStream<T>, T> {
 public:
  AllWindowedStream(DataStream<T> stream, TumblingEventTimeWindows windows)
      : stream_(std::move(stream)), windows_(windows) {}

 private:
  friend class WindowedStreamBase<AllWindowedStream<T>, T>;

  template <typename Out, typename Folding, typename Emitter>
  DataStream<Out> Add(const char* what, Folding folding, Emitter emitter) const {
    DataStream<Out> results = stream_.template Transform<Out>(
        fmt::format("WindowAll({}, {})", windows_.ToString(), what), "window",
        [folding = std::move(folding), emitter = std::move(emitter), windows = windows_](const StreamNode& node) {
          return MakeAllWindowOperator<T>(windows, folding, emitter, node.side_outputs);
        });
    results.graph().node(results.origins()[0].node).fixed_to_one = true;
    return results;
  }

  DataStream<T> stream_;
  TumblingEventTimeWindows windows_;
};

}  // namespace eagre
