// Streams of records of one type, and what can be done with them. Names and meanings are those of Flink's DataStream
// API.
//
// A stream is a small value that refers to the job under construction: copy it freely, use it several times (each use
// is a consumer of its own). Functions may be lambdas or objects of a class; each parallel subtask gets a copy of its
// own, so a function may carry members without locking. What a function returns decides the type of the next stream.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "api/stream_builder.h"
#include "base/status.h"
#include "eagre/collect_sink.h"
#include "eagre/functions.h"
#include "eagre/operators/function_states.h"
#include "eagre/operators/map_operator.h"
#include "eagre/operators/process_operator.h"
#include "eagre/operators/sink_operator.h"
#include "eagre/operators/sort_operator.h"
#include "eagre/operators/watermark_operator.h"
#include "eagre/partitioner.h"
#include "eagre/sink.h"
#include "eagre/watermark_strategy.h"
#include "eagre/window.h"
#include "runtime/key_extractor.h"

namespace eagre {

template <typename T, typename K>
class KeyedStream;
template <typename T>
class AllWindowedStream;
template <typename T1, typename T2>
class ConnectedStreams;

/// The end of a stream: a sink, which can still be named and placed.
class StreamSink {
 public:
  StreamSink(StreamGraph& graph, int node) : graph_(&graph), origins_{{node, 0}} {}
  StreamSink& Name(std::string name) { return SetName(*graph_, origins_, std::move(name)), *this; }
  StreamSink& Uid(std::string uid) { return SetUid(*graph_, origins_, std::move(uid)), *this; }
  StreamSink& SetParallelism(int parallelism) { return eagre::SetParallelism(*graph_, origins_, parallelism), *this; }
  StreamSink& DisableChaining() { return SetChaining(*graph_, origins_, false, false), *this; }
  /// The sink's writer may block; see DataStream::Blocking.
  StreamSink& Blocking() { return SetBlocking(*graph_, origins_), *this; }
  StreamSink& SlotSharingGroup(std::string group) {
    return SetSlotSharingGroup(*graph_, origins_, std::move(group)), *this;
  }

 private:
  StreamGraph* graph_;
  std::vector<StreamOrigin> origins_;
};

template <typename T>
class DataStream {
 public:
  using Record = T;

  DataStream(StreamGraph& graph, std::vector<StreamOrigin> origins) : graph_(&graph), origins_(std::move(origins)) {}

  // ---- the operator that this stream comes from ----
  DataStream& Name(std::string name) { return SetName(*graph_, origins_, std::move(name)), *this; }
  /// Addresses the operator's state in savepoints: set one on every operator that has state.
  DataStream& Uid(std::string uid) { return SetUid(*graph_, origins_, std::move(uid)), *this; }
  DataStream& SetParallelism(int parallelism) { return eagre::SetParallelism(*graph_, origins_, parallelism), *this; }
  DataStream& SetMaxParallelism(int max) { return eagre::SetMaxParallelism(*graph_, origins_, max), *this; }
  /// The operator runs in a task of its own, rather than in that of its neighbours; StartNewChain: those after it may
  /// still run with it.
  DataStream& DisableChaining() { return SetChaining(*graph_, origins_, false, false), *this; }
  DataStream& StartNewChain() { return SetChaining(*graph_, origins_, false, true), *this; }
  /// The operator's user code may block (it asks a database, it waits for a disk): it gets a thread of its own for each
  /// subtask, so that it does not hold up the other operators of its slot. It is not chained.
  DataStream& Blocking() { return SetBlocking(*graph_, origins_), *this; }
  /// Operators of different groups never share a slot. Without one an operator is in the group of its inputs.
  DataStream& SlotSharingGroup(std::string group) {
    return SetSlotSharingGroup(*graph_, origins_, std::move(group)), *this;
  }

  // ---- one record at a time ----
  /// `function`: R(const T&), R(T&&), void(T&) to change records in place, a member pointer, or a MapFunction.
  template <typename F>
  auto Map(F function) const {
    using Out = MapResult<F, T>;
    return TransformBy<Out>("Map", "map", std::move(function),
                            [](const F& prototype, const StreamNode&) { return MakeMapOperator<T, Out>(prototype); });
  }
  /// `predicate`: bool(const T&), or a FilterFunction.
  template <typename F>
  DataStream<T> Filter(F predicate) const {
    return TransformBy<T>("Filter", "filter", std::move(predicate),
                          [](const F& prototype, const StreamNode&) { return MakeFilterOperator<T>(prototype); });
  }
  /// `function`: void(const T&, Collector<Out>&), or a FlatMapFunction<T, Out>.
  template <typename F>
  auto FlatMap(F function) const {
    using Out = CollectorOutputOf<F>;
    return TransformBy<Out>("Flat Map", "flat map", std::move(function), [](const F& prototype, const StreamNode&) {
      return MakeFlatMapOperator<T, Out>(prototype);
    });
  }
  /// A ProcessFunction<T, Out>, or void(const T&, ProcessContext&, Collector<Out>&): side outputs, timestamps.
  template <typename F>
  auto Process(F function) const {
    using Out = CollectorOutputOf<F>;
    return TransformBy<Out>("Process", "process", std::move(function), [](const F& prototype, const StreamNode& node) {
      return MakeProcessOperator<T, Out>(prototype, node.side_outputs);
    });
  }

  // ---- time ----
  /// Gives every record its event time and makes watermarks from here on. Directly after Read, watermarks are made per
  /// split of the source.
  DataStream<T> WithWatermarks(WatermarkStrategy<T> strategy) const {
    return Transform<T>("Timestamps/Watermarks", "watermarks", [strategy = std::move(strategy)](const StreamNode&) {
      return MakeWatermarkOperator<T>(strategy);
    });
  }
  template <typename Selector>
  DataStream<T> WithWatermarks(const Watermarks& watermarks, Selector timestamp) const {
    return WithWatermarks(MakeWatermarkStrategy<T>(watermarks, std::move(timestamp)));
  }
  /// Each subtask's records in event-time order, equal times in the order of arrival or of `less`. Late records are
  /// dropped and counted.
  DataStream<T> SortByEventTime(std::function<bool(const T&, const T&)> less = nullptr) const {
    return Transform<T>("Sort by event time", "sort",
                        [less = std::move(less)](const StreamNode&) { return MakeSortOperator<T>(less); });
  }

  // ---- partitioning ----
  /// `selector`: a member pointer (&Payment::user) or a function of a record; the key is any encodable value.
  template <typename Selector>
  auto KeyBy(Selector selector) const {
    using K = std::remove_cvref_t<std::invoke_result_t<Selector&, const T&>>;
    return KeyedStream<T, K>(*this, [selector = std::move(selector)]() -> std::unique_ptr<KeyExtractor<T, K>> {
      return std::make_unique<SelectorKeyExtractor<T, K, Selector>>(selector);
    });
  }
  /// Records round robin over the next operator's subtasks.
  DataStream<T> Rebalance() const { return Repartitioned(Partitioning::kRebalance); }
  /// Every record to a subtask at random.
  DataStream<T> Shuffle() const { return Repartitioned(Partitioning::kShuffle); }
  /// Round robin over a part of the next operator's subtasks, so that few pairs of subtasks are connected: with 2
  /// before and 4 after, each sends to 2; with 4 before and 2 after, each sends to 1.
  DataStream<T> Rescale() const { return Repartitioned(Partitioning::kRescale); }
  /// Every record to the first subtask.
  DataStream<T> Global() const { return Repartitioned(Partitioning::kGlobal); }
  /// `partitioner`: int(const Key&, int partitions) says which subtask, from 0, gets the records of a key. State and
  /// timers need KeyBy instead.
  template <typename Partitioner, typename Selector>
  DataStream<T> PartitionCustom(Partitioner partitioner, Selector selector) const {
    std::vector<StreamOrigin> origins = origins_;
    for (StreamOrigin& origin : origins) {
      origin.partitioning = Partitioning::kCustom;
      origin.create_partitioner = [partitioner, selector] { return MakePartitioner<T>(partitioner, selector); };
    }
    return DataStream<T>(*graph_, std::move(origins));
  }
  /// Every record to every subtask.
  DataStream<T> Broadcast() const { return Repartitioned(Partitioning::kBroadcast); }
  /// Subtask to subtask: what holds anyway where the parallelism is equal. An error where it is not.
  DataStream<T> Forward() const { return Repartitioned(Partitioning::kForward); }
  /// The records of all streams, in no particular order between them.
  template <typename... Streams>
  DataStream<T> Union(const Streams&... others) const {
    std::vector<StreamOrigin> origins = origins_;
    (origins.insert(origins.end(), others.origins().begin(), others.origins().end()), ...);
    return DataStream<T>(*graph_, std::move(origins));
  }

  /// Both streams in one operator, which may be of different types; see connected_streams.h.
  template <typename U>
  ConnectedStreams<T, U> Connect(const DataStream<U>& other) const;

  // ---- windows over the whole stream (parallelism 1) ----
  AllWindowedStream<T> WindowAll(TumblingEventTimeWindows windows) const {
    graph_->AddError(windows.Validate());
    return AllWindowedStream<T>(*this, windows);
  }

  // ---- ends ----
  /// What the operator before emits with `tag`.
  template <typename X>
  DataStream<X> SideOutput(const OutputTag<X>& tag) const {
    if (origins_.size() != 1) graph_->AddError(InvalidArgument("a union has no side output '{}'", tag.name));
    const int node = origins_[0].node;
    return DataStream<X>(*graph_, {{node, SideOutputPort(*graph_, node, tag.name, TypedBatch<X>::Type())}});
  }
  /// A Sink<T>, or a maker of one for any record type such as Print().
  template <typename S>
  StreamSink WriteTo(S sink) const {
    std::shared_ptr<Sink<T>> shared = MakeSink<T>(std::move(sink));
    StreamNode node{.name = shared->Name(), .kind = "sink", .prints_to = shared->PrintsTo()};
    node.create_operator = [shared](const StreamNode&) { return MakeSinkOperator<T>(shared); };
    return StreamSink(*graph_, AddTransformation(*graph_, origins_, std::move(node)));
  }
  /// Runs the job in this process, waits, and returns this stream's records in no particular order. For a LocalJob.
  StatusOr<std::vector<T>> ExecuteAndCollect() const {
    auto collected = std::make_shared<CollectedRecords<T>>();
    WriteTo(CollectSink<T>(collected));
    if (!graph_->run_locally)
      return FailedPrecondition("ExecuteAndCollect needs a LocalJob: a job library is run by `eagre run`");
    EAGRE_RETURN_IF_ERROR(graph_->run_locally());
    return collected->Take();
  }

  const std::vector<StreamOrigin>& origins() const { return origins_; }
  StreamGraph& graph() const { return *graph_; }

 private:
  friend class AllWindowedStream<T>;
  using OperatorFactory = std::function<std::unique_ptr<Operator>(const StreamNode&)>;

  template <typename Out>
  DataStream<Out> Transform(std::string name, std::string kind, OperatorFactory factory) const {
    StreamNode node{.name = std::move(name), .kind = std::move(kind), .ports = {&TypedBatch<Out>::Type()}};
    node.create_operator = std::move(factory);
    return DataStream<Out>(*graph_, {{AddTransformation(*graph_, origins_, std::move(node)), 0}});
  }

  // An operator that runs copies of a user's function, which may declare states.
  template <typename Out, typename F, typename Make>
  DataStream<Out> TransformBy(std::string name, std::string kind, F function, Make make) const {
    graph_->AddError(CheckStates(function));
    StreamNode node{.name = std::move(name),
                    .kind = std::move(kind),
                    .ports = {&TypedBatch<Out>::Type()},
                    .states = StatesOf(function)};
    node.create_operator = [function = std::move(function), make](const StreamNode& self) {
      return make(function, self);
    };
    return DataStream<Out>(*graph_, {{AddTransformation(*graph_, origins_, std::move(node)), 0}});
  }

  DataStream<T> Repartitioned(Partitioning partitioning) const {
    std::vector<StreamOrigin> origins = origins_;
    for (StreamOrigin& origin : origins) origin.partitioning = partitioning;
    return DataStream<T>(*graph_, std::move(origins));
  }

  StreamGraph* graph_;
  std::vector<StreamOrigin> origins_;
};

}  // namespace eagre

#include "eagre/keyed_stream.h"   // IWYU pragma: export
#include "eagre/source_stream.h"  // IWYU pragma: export
