// Two streams of different types in one operator. Included by keyed_stream.h.
//
//   orders.Connect(rates).Process(ConvertOrders())
//   orders.KeyBy(&Order::id).Connect(payments.KeyBy(&Payment::order)).Process(MatchPayments()).Uid("match")
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "eagre/co_functions.h"
#include "eagre/data_stream.h"
#include "eagre/operators/broadcast_operator.h"
#include "eagre/operators/co_operator.h"
#include "eagre/operators/keyed_co_process_operator.h"

namespace eagre {

template <typename T1, typename T2, typename K>
class ConnectedKeyedStreams;

namespace internal {
template <typename F>
inline constexpr bool kIsBroadcastFunction = requires {
  &F::ProcessBroadcastElement;
};
}  // namespace internal

/// Records of both streams reach an instance in no particular order between them. Its watermark is the lesser of the
/// two.
template <typename T1, typename T2>
class ConnectedStreams {
 public:
  ConnectedStreams(DataStream<T1> first, DataStream<T2> second)
      : first_(std::move(first)), second_(std::move(second)) {}

  /// A CoMapFunction<T1, T2, Out>.
  template <typename F>
  auto Map(F function) const {
    using Out = std::remove_cvref_t<decltype(function.Map1(std::declval<const T1&>()))>;
    return Transform<Out>("Co-Map", "co-map", std::move(function));
  }
  /// Out(const T1&) and Out(const T2&).
  template <typename F1, typename F2>
  auto Map(F1 first, F2 second) const {
    return Map(internal::CoMapPair<F1, F2>{std::move(first), std::move(second)});
  }
  /// A CoFlatMapFunction<T1, T2, Out>.
  template <typename F>
  auto FlatMap(F function) const {
    return Transform<typename F::Output>("Co-Flat Map", "co-flat map", std::move(function));
  }
  /// void(const T1&, Collector<Out>&) and void(const T2&, Collector<Out>&).
  template <typename F1, typename F2>
  auto FlatMap(F1 first, F2 second) const {
    using Out = CollectorOutputOf<F1>;
    return FlatMap(internal::CoFlatMapPair<F1, F2, Out>{std::move(first), std::move(second)});
  }
  /// A CoProcessFunction<T1, T2, Out>; or, where the second stream is Broadcast(), a BroadcastProcessFunction<T1, T2,
  /// Out>.
  template <typename F>
  auto Process(F function) const {
    if constexpr (internal::kIsBroadcastFunction<F>) {
      first_.graph().AddError(CheckBroadcast(second_.origins()));
      return Transform<typename F::Output>("Broadcast-Process", "broadcast process", std::move(function));
    } else {
      return Transform<typename F::Output>("Co-Process", "co-process", std::move(function));
    }
  }
  /// Selectors as for DataStream::KeyBy, of one key type.
  template <typename Selector1, typename Selector2>
  auto KeyBy(Selector1 first, Selector2 second) const {
    return first_.KeyBy(std::move(first)).Connect(second_.KeyBy(std::move(second)));
  }

 private:
  template <typename Out, typename F>
  DataStream<Out> Transform(std::string name, std::string kind, F function) const {
    first_.graph().AddError(CheckStates(function));
    StreamNode node{.name = std::move(name),
                    .kind = std::move(kind),
                    .ports = {&TypedBatch<Out>::Type()},
                    .states = StatesOf(function)};
    node.create_operator = [function = std::move(function)](const StreamNode& self) {
      if constexpr (internal::kIsBroadcastFunction<F>) {
        return MakeBroadcastProcessOperator<T1, T2, Out>(function, self.side_outputs);
      } else {
        return MakeCoOperator<T1, T2, Out>(function, self.side_outputs);
      }
    };
    const std::vector<StreamInput> inputs = {{.origins = first_.origins()}, {.origins = second_.origins()}};
    return DataStream<Out>(first_.graph(), {{AddMultiInputTransformation(first_.graph(), inputs, std::move(node)), 0}});
  }

  DataStream<T1> first_;
  DataStream<T2> second_;
};

/// Records of one key, from both streams, meet in one instance. Made by KeyedStream::Connect or
/// ConnectedStreams::KeyBy.
template <typename T1, typename T2, typename K>
class ConnectedKeyedStreams {
 public:
  ConnectedKeyedStreams(KeyedStream<T1, K> first, KeyedStream<T2, K> second)
      : first_(std::move(first)), second_(std::move(second)) {}

  /// A KeyedCoProcessFunction<K, T1, T2, Out>.
  template <typename F>
  auto Process(F function) const {
    using Out = typename F::Output;
    StreamGraph& graph = first_.stream().graph();
    graph.AddError(CheckStates(function));
    StreamNode node{.name = "Co-Keyed-Process",
                    .kind = "keyed co-process",
                    .ports = {&TypedBatch<Out>::Type()},
                    .states = StatesOf(function)};
    node.create_operator = [function = std::move(function), keys1 = first_.keys(),
                            keys2 = second_.keys()](const StreamNode& self) {
      return MakeKeyedCoProcessOperator<K, T1, T2, Out>(function, keys1(), keys2(), self.side_outputs);
    };
    const std::vector<StreamInput> inputs = {first_.AsInput(), second_.AsInput()};
    return DataStream<Out>(graph, {{AddMultiInputTransformation(graph, inputs, std::move(node)), 0}});
  }

 private:
  KeyedStream<T1, K> first_;
  KeyedStream<T2, K> second_;
};

/// A keyed stream beside one of which every subtask sees all records. Made by KeyedStream::Connect.
template <typename T, typename B, typename K>
class BroadcastConnectedStream {
 public:
  BroadcastConnectedStream(KeyedStream<T, K> keyed, DataStream<B> broadcast)
      : keyed_(std::move(keyed)), broadcast_(std::move(broadcast)) {
    broadcast_.graph().AddError(CheckBroadcast(broadcast_.origins()));
  }

  /// A KeyedBroadcastProcessFunction<K, T, B, Out>.
  template <typename F>
  auto Process(F function) const {
    using Out = typename F::Output;
    StreamGraph& graph = broadcast_.graph();
    graph.AddError(CheckStates(function));
    StreamNode node{.name = "Co-Process-Broadcast-Keyed",
                    .kind = "keyed broadcast process",
                    .ports = {&TypedBatch<Out>::Type()},
                    .states = StatesOf(function)};
    node.create_operator = [function = std::move(function), keys = keyed_.keys()](const StreamNode& self) {
      return MakeKeyedBroadcastProcessOperator<K, T, B, Out>(function, keys(), self.side_outputs);
    };
    const std::vector<StreamInput> inputs = {keyed_.AsInput(), {.origins = broadcast_.origins()}};
    return DataStream<Out>(graph, {{AddMultiInputTransformation(graph, inputs, std::move(node)), 0}});
  }

 private:
  KeyedStream<T, K> keyed_;
  DataStream<B> broadcast_;
};

template <typename T>
template <typename U>
ConnectedStreams<T, U> DataStream<T>::Connect(const DataStream<U>& other) const {
  return ConnectedStreams<T, U>(*this, other);
}

template <typename T, typename K>
template <typename U>
ConnectedKeyedStreams<T, U, K> KeyedStream<T, K>::Connect(const KeyedStream<U, K>& other) const {
  return ConnectedKeyedStreams<T, U, K>(*this, other);
}

template <typename T, typename K>
template <typename B>
BroadcastConnectedStream<T, B, K> KeyedStream<T, K>::Connect(const DataStream<B>& broadcast) const {
  return BroadcastConnectedStream<T, B, K>(*this, broadcast);
}

}  // namespace eagre
