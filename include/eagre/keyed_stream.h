// A stream partitioned by key. Included by data_stream.h.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eagre/data_stream.h"
#include "eagre/operators/keyed_process_operator.h"
#include "eagre/operators/reduce_operator.h"
#include "eagre/process_function.h"

namespace eagre {

template <typename T, typename K>
class WindowedStream;
template <typename T1, typename T2, typename K>
class ConnectedKeyedStreams;
template <typename T, typename B, typename K>
class BroadcastConnectedStream;

/// All records of one key meet in one subtask of the next operator, in the order in which each upstream subtask sent
/// them.
template <typename T, typename K>
class KeyedStream {
 public:
  using Record = T;
  using Key = K;

  KeyedStream(DataStream<T> stream, KeyExtractorFactory<T, K> keys, bool partitioned = false)
      : stream_(std::move(stream)), keys_(std::move(keys)), partitioned_(partitioned) {}

  const DataStream<T>& stream() const { return stream_; }
  const KeyExtractorFactory<T, K>& keys() const { return keys_; }
  /// True when the records lie with their key's subtask already, hashes included.
  bool partitioned() const { return partitioned_; }

  KeyedStream& Name(std::string name) { return stream_.Name(std::move(name)), *this; }
  KeyedStream& Uid(std::string uid) { return stream_.Uid(std::move(uid)), *this; }
  KeyedStream& SetParallelism(int parallelism) { return stream_.SetParallelism(parallelism), *this; }

  /// A KeyedProcessFunction<K, T, Out>, or void(const T&, KeyedProcessContext<K>&, Collector<Out>&): state and timers
  /// per key, side outputs.
  template <typename F>
  auto Process(F function) const {
    using Out = CollectorOutputOf<F>;
    stream_.graph().AddError(CheckStates(function));
    return Transform<Out>("KeyedProcess", "keyed process", StatesOf(function),
                          [function, keys = keys_](const StreamNode& node) {
                            return MakeKeyedProcessOperator<K, T, Out>(function, keys(), node.side_outputs);
                          });
  }
  /// A rolling reduce: emits the new value for every record. `function`: T(const T&, const T&), or a ReduceFunction.
  template <typename F>
  DataStream<T> Reduce(F function) const {
    return Transform<T>("Keyed Reduce", "reduce", StatesOfReduce<T>(),
                        [function = std::move(function), keys = keys_](const StreamNode&) {
                          return MakeReduceOperator<T, K>(function, keys());
                        });
  }
  /// Every key's records in event-time order, equal times in the order of arrival or of `less`; the stream stays keyed.
  /// Late records are dropped and counted.
  KeyedStream<T, K> SortByEventTime(std::function<bool(const T&, const T&)> less = nullptr) const {
    DataStream<T> sorted = Transform<T>("Sort by event time", "sort", {}, [less = std::move(less)](const StreamNode&) {
      return MakeSortOperator<T>(less);
    });
    return KeyedStream<T, K>(std::move(sorted), keys_, /*partitioned=*/true);
  }
  /// With another stream that is keyed by the same type: a KeyedCoProcessFunction sees both.
  template <typename U>
  ConnectedKeyedStreams<T, U, K> Connect(const KeyedStream<U, K>& other) const;
  /// With a stream that every subtask sees, as `keyed.Connect(rules.Broadcast())`: a KeyedBroadcastProcessFunction sees
  /// both.
  template <typename B>
  BroadcastConnectedStream<T, B, K> Connect(const DataStream<B>& broadcast) const;
  WindowedStream<T, K> Window(TumblingEventTimeWindows windows) const {
    stream_.graph().AddError(windows.Validate());
    return WindowedStream<T, K>(*this, windows);
  }

  // ---- for ConnectedKeyedStreams ----
  StreamInput AsInput() const {
    return {stream_.origins(), [keys = keys_] { return std::make_unique<ExtractorKeyHasher<T, K>>(keys()); },
            partitioned_};
  }

 private:
  friend class WindowedStream<T, K>;

  template <typename Out>
  DataStream<Out> Transform(std::string name, std::string kind, std::vector<StateDeclarationInfo> states,
                            std::function<std::unique_ptr<Operator>(const StreamNode&)> factory) const {
    StreamNode node{.name = std::move(name),
                    .kind = std::move(kind),
                    .ports = {&TypedBatch<Out>::Type()},
                    .states = std::move(states),
                    .create_operator = std::move(factory)};
    const int added = AddMultiInputTransformation(stream_.graph(), {AsInput()}, std::move(node));
    return DataStream<Out>(stream_.graph(), {{added, 0}});
  }

  DataStream<T> stream_;
  KeyExtractorFactory<T, K> keys_;
  bool partitioned_;
};

}  // namespace eagre

#include "eagre/connected_streams.h"  // IWYU pragma: export
#include "eagre/windowed_stream.h"    // IWYU pragma: export
