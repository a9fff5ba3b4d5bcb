// The stream that Job::Read returns. Included by data_stream.h.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "eagre/data_stream.h"
#include "eagre/operators/source_operator.h"
#include "eagre/source.h"
#include "eagre/watermark_strategy.h"

namespace eagre {

/// A source's records. WithWatermarks on it makes watermarks inside the source, per split; with any other call before
/// it, it is the ordinary operator on the stream.
template <typename T>
class SourceStream : public DataStream<T> {
 public:
  static SourceStream Create(StreamGraph& graph, std::shared_ptr<const Source<T>> source, std::string name) {
    auto strategy = std::make_shared<WatermarkStrategy<T>>();
    auto poison = std::make_shared<Poison>(Poison::kFail);
    StreamNode node{.name = name.empty() ? source->Name() : std::move(name), .kind = "source"};
    node.ports = {&TypedBatch<T>::Type()};
    node.create_operator = [source, strategy, poison](const StreamNode& self) {
      return MakeSourceOperator<T>(source, *strategy, *poison, self.side_outputs);
    };
    node.create_coordinator = [source, strategy] { return MakeSourceCoordinator<T>(source, strategy->settings()); };
    return SourceStream(graph, graph.AddNode(std::move(node)), std::move(strategy), std::move(poison));
  }

  SourceStream& Name(std::string name) { return DataStream<T>::Name(std::move(name)), *this; }
  SourceStream& Uid(std::string uid) { return DataStream<T>::Uid(std::move(uid)), *this; }
  SourceStream& DisableChaining() { return DataStream<T>::DisableChaining(), *this; }
  SourceStream& SlotSharingGroup(std::string group) { return DataStream<T>::SlotSharingGroup(std::move(group)), *this; }
  SourceStream& SetParallelism(int parallelism) { return DataStream<T>::SetParallelism(parallelism), *this; }

  /// What becomes of a record of this source that fails the job again and again; Poison::kFail unless set.
  SourceStream& OnPoison(Poison policy) {
    *poison_ = policy;
    return *this;
  }
  SourceStream& WithWatermarks(WatermarkStrategy<T> strategy) {
    *strategy_ = std::move(strategy);
    return *this;
  }
  template <typename Selector>
  SourceStream& WithWatermarks(const Watermarks& watermarks, Selector timestamp) {
    return WithWatermarks(MakeWatermarkStrategy<T>(watermarks, std::move(timestamp)));
  }

 private:
  SourceStream(StreamGraph& graph, int node, std::shared_ptr<WatermarkStrategy<T>> strategy,
               std::shared_ptr<Poison> poison)
      : DataStream<T>(graph, {{node, 0}}), strategy_(std::move(strategy)), poison_(std::move(poison)) {}

  // Shared with the graph's node until the job is built.
  std::shared_ptr<WatermarkStrategy<T>> strategy_;
  std::shared_ptr<Poison> poison_;
};

}  // namespace eagre
