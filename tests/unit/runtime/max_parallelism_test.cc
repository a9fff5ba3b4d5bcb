// Which maximum parallelism is derived, and what follows when a restored job takes another one.
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "base/config.h"
#include "runtime/operator.h"
#include "runtime/stream_graph.h"

namespace eagre {
namespace {

class NoHasher final : public BatchKeyHasher {
 public:
  void Hash(Batch&) override {}
};

// Two operators of one keyed stream, in tasks of their own.
StreamGraph TwoKeyedNodes(int max_parallelism_of_second = 0) {
  StreamGraph graph{Configuration()};
  graph.AddNode({.name = "first", .uid = "first", .kind = "process", .parallelism = 2});
  StreamNode second{.name = "second", .uid = "second", .kind = "process", .parallelism = 2};
  second.max_parallelism = max_parallelism_of_second;
  second.chains_to_input = false;
  second.inputs.push_back({.create_hasher = [] { return std::make_unique<NoHasher>(); }});
  graph.AddNode(std::move(second));
  return graph;
}

proto::JobGraph Built(const StreamGraph& graph) {
  StatusOr<ChainedGraph> chained = BuildJobGraph(graph);
  EXPECT_TRUE(chained.ok()) << chained.status();
  return chained->job_graph;
}

TEST(MaxParallelismTest, ItIsDerivedWhereNobodyHasSetIt) {
  const proto::JobGraph graph = Built(TwoKeyedNodes(/*max_parallelism_of_second=*/128));
  EXPECT_TRUE(graph.vertices(0).derived_max_parallelism());
  EXPECT_FALSE(graph.vertices(1).derived_max_parallelism());
  StreamGraph configured = TwoKeyedNodes();
  ASSERT_TRUE(configured.config().SetProperty("pipeline.max-parallelism=128").ok());
  EXPECT_FALSE(Built(configured).vertices(0).derived_max_parallelism());
}

TEST(MaxParallelismTest, KeysAreDividedAnewBetweenTwoThatDiffer) {
  proto::JobGraph graph = Built(TwoKeyedNodes());
  const proto::JobGraph before = graph;
  ASSERT_EQ(graph.edges(0).partitioning(), proto::FORWARD);
  OverrideMaxParallelism(graph, {{graph.vertices(1).id(), 6}});
  EXPECT_EQ(graph.vertices(0).max_parallelism(), 128);
  EXPECT_EQ(graph.vertices(1).max_parallelism(), 6);
  EXPECT_EQ(graph.edges(0).partitioning(), proto::HASH);
  EXPECT_NE(DescribeGraphDifference(before, graph), "");
  OverrideMaxParallelism(graph, {{graph.vertices(0).id(), 6}});
  EXPECT_EQ(graph.edges(0).partitioning(), proto::FORWARD);
}

TEST(MaxParallelismTest, OneThatWasSetStays) {
  proto::JobGraph graph = Built(TwoKeyedNodes(/*max_parallelism_of_second=*/128));
  const proto::JobGraph before = graph;
  OverrideMaxParallelism(graph, {{graph.vertices(1).id(), 6}});
  EXPECT_EQ(DescribeGraphDifference(before, graph), "");
}

}  // namespace
}  // namespace eagre
