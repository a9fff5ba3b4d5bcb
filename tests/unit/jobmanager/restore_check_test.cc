// Which jobs may go on from which savepoints.
#include "jobmanager/restore_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace eagre {
namespace {

using ::testing::HasSubstr;

proto::JobGraph SomeGraph() {
  proto::JobGraph graph;
  graph.set_name("new job");
  proto::Vertex& vertex = *graph.add_vertices();
  vertex.set_parallelism(4);
  proto::OperatorNode& node = *vertex.add_operators();
  node.set_id("counter-id");
  node.set_name("counter");
  node.add_states()->set_name("count");
  node.mutable_states(0)->set_kind("value");
  node.mutable_states(0)->set_schema("int64");
  return graph;
}

proto::CheckpointMetadata SomeCheckpoint() {
  proto::CheckpointMetadata metadata;
  metadata.set_job_name("old job");
  proto::OperatorSnapshot& op = *metadata.add_operators();
  op.set_operator_id("counter-id");
  op.set_name("counter");
  op.set_max_parallelism(4);
  proto::StateSnapshot& state = *op.add_subtasks()->add_states();
  state.set_name("keyed state");
  state.set_schema("key: string\nvalue count: int64");
  state.add_segments();
  return metadata;
}

TEST(RestoreCheckTest, EverythingThatDoesNotFitIsListed) {
  struct Case {
    const char* name;
    std::function<void(proto::JobGraph&, proto::CheckpointMetadata&)> change;
    bool allow_non_restored_state;
    std::vector<std::string> complaints;  // none: it is accepted
  };
  const auto rename = [](proto::JobGraph&, proto::CheckpointMetadata& metadata) {
    metadata.mutable_operators(0)->set_operator_id("gone-id");
  };
  const std::vector<Case> cases = {
      {"the same job", [](proto::JobGraph&, proto::CheckpointMetadata&) {}, false, {}},
      {"an operator without a taker",
       rename,
       false,
       {"operator 'counter' (gone-id) has state, but the job has no such operator", "--allowNonRestoredState",
        "job 'new job' cannot go on from /sp (of job 'old job')"}},
      {"an operator without a taker, permitted", rename, true, {}},
      {"an operator without a taker, but without state as well",
       [](proto::JobGraph&, proto::CheckpointMetadata& metadata) {
         metadata.mutable_operators(0)->set_operator_id("gone-id");
         metadata.mutable_operators(0)->mutable_subtasks(0)->mutable_states(0)->clear_segments();
       },
       false,
       {}},
      {"a source without a taker",
       [](proto::JobGraph&, proto::CheckpointMetadata& metadata) {
         proto::OperatorSnapshot& source = *metadata.add_operators();
         source.set_operator_id("source-id");
         source.set_name("source");
         source.set_has_coordinator(true);
       },
       false,
       {"operator 'source' (source-id) has state"}},
      {"a parallelism above the maximum",
       [](proto::JobGraph& graph, proto::CheckpointMetadata&) { graph.mutable_vertices(0)->set_parallelism(5); },
       true,
       {"'counter' has parallelism 5, its state can be divided among at most 4"}},
      {"a state of another form",
       [](proto::JobGraph& graph, proto::CheckpointMetadata&) {
         graph.mutable_vertices(0)->mutable_operators(0)->mutable_states(0)->set_schema("string");
       },
       true,
       {"'counter': ", "'count' was int64 and is string now"}},
      {"a state of another kind",
       [](proto::JobGraph& graph, proto::CheckpointMetadata&) {
         graph.mutable_vertices(0)->mutable_operators(0)->mutable_states(0)->set_kind("list");
       },
       true,
       {"state 'count' was a value and is a list now"}},
      {"a record that has a field more, and another state",
       [](proto::JobGraph& graph, proto::CheckpointMetadata& metadata) {
         proto::OperatorNode& node = *graph.mutable_vertices(0)->mutable_operators(0);
         node.mutable_states(0)->set_schema("{number:int64,since:int64}");
         proto::StateDeclaration& added = *node.add_states();
         added.set_name("added");
         added.set_kind("map");
         added.set_schema("map<string,int64>");
         metadata.mutable_operators(0)->mutable_subtasks(0)->mutable_states(0)->set_schema(
             "key: string\nvalue count: {number:int32}");
       },
       false,
       {}},
      {"all of it",
       [](proto::JobGraph& graph, proto::CheckpointMetadata& metadata) {
         graph.mutable_vertices(0)->set_parallelism(5);
         graph.mutable_vertices(0)->mutable_operators(0)->mutable_states(0)->set_schema("string");
         proto::OperatorSnapshot& source = *metadata.add_operators();
         source.set_operator_id("source-id");
         source.set_has_coordinator(true);
       },
       false,
       {"parallelism 5", "is string now", "source-id"}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    proto::JobGraph graph = SomeGraph();
    proto::CheckpointMetadata metadata = SomeCheckpoint();
    test.change(graph, metadata);
    const Status checked = CheckRestore(graph, metadata, "/sp", test.allow_non_restored_state);
    EXPECT_EQ(checked.ok(), test.complaints.empty()) << checked;
    for (const std::string& complaint : test.complaints) {
      EXPECT_THAT(std::string(StatusMessage(checked)), HasSubstr(complaint));
    }
  }
}

}  // namespace
}  // namespace eagre
