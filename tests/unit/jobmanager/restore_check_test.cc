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
using ::testing::Not;

proto::StateForm& AddForm(proto::OperatorForm& form, const std::string& name, const std::string& schema) {
  proto::StateForm& state = *form.add_states();
  state.set_name(name);
  state.set_schema(schema);
  return state;
}

void AddStored(proto::CheckpointMetadata& metadata, const std::string& name, const std::string& schema,
               uint64_t entries = 1) {
  proto::StateSnapshot& state = *metadata.mutable_operators(0)->mutable_subtasks(0)->add_states();
  state.set_name(name);
  state.set_schema(schema);
  state.add_segments()->set_entries(entries);
}

proto::SubmitJobHeader SomeJob() {
  proto::SubmitJobHeader header;
  header.set_restore_from("/sp");
  header.mutable_graph()->set_name("new job");
  proto::Vertex& vertex = *header.mutable_graph()->add_vertices();
  vertex.set_id("counter-id");
  vertex.set_parallelism(4);
  vertex.set_max_parallelism(4);
  proto::OperatorNode& node = *vertex.add_operators();
  node.set_id("counter-id");
  node.set_name("counter");
  proto::OperatorForm& form = *header.add_forms();
  form.set_operator_id("counter-id");
  AddForm(form, "keyed state", "key: string\nvalue count: int64");
  AddForm(form, "watermark", "watermark");
  return header;
}

proto::CheckpointMetadata SomeCheckpoint() {
  proto::CheckpointMetadata metadata;
  metadata.set_job_name("old job");
  proto::OperatorSnapshot& op = *metadata.add_operators();
  op.set_operator_id("counter-id");
  op.set_name("counter");
  op.set_max_parallelism(4);
  op.add_subtasks();
  AddStored(metadata, "keyed state", "key: string\nvalue count: int64");
  AddStored(metadata, "watermark", "watermark");
  *op.add_subtasks() = op.subtasks(0);
  return metadata;
}

void SetDistribution(proto::OperatorSnapshot& op, proto::StateDistribution distribution) {
  for (auto& subtask : *op.mutable_subtasks()) {
    for (auto& state : *subtask.mutable_states()) state.set_distribution(distribution);
  }
}

struct Case {
  const char* name;
  std::function<void(proto::SubmitJobHeader&, proto::CheckpointMetadata&)> change;
  std::vector<std::string> complaints;  // none: it is accepted
};

Status Checked(const Case& test, bool allow_non_restored_state, std::vector<std::string>* left = nullptr) {
  proto::SubmitJobHeader header = SomeJob();
  proto::CheckpointMetadata metadata = SomeCheckpoint();
  test.change(header, metadata);
  header.set_allow_non_restored_state(allow_non_restored_state);
  const auto checked = CheckRestore(header, metadata);
  if (checked.ok() && left != nullptr) *left = *checked;
  return checked.status();
}

proto::StateForm& KeyedForm(proto::SubmitJobHeader& header) {
  return *header.mutable_forms(0)->mutable_states(0);
}

TEST(RestoreCheckTest, EverythingThatDoesNotFitIsListed) {
  const std::vector<Case> cases = {
      {"the same job", [](auto&, auto&) {}, {}},
      {"a parallelism above the maximum",
       [](auto& header, auto&) { header.mutable_graph()->mutable_vertices(0)->set_parallelism(5); },
       {"'counter' has parallelism 5, its state can be divided among at most 4"}},
      {"another maximum parallelism that was set",
       [](auto& header, auto&) { header.mutable_graph()->mutable_vertices(0)->set_max_parallelism(8); },
       {"'counter' has state in 4 key groups, but a maximum parallelism of 8 is set for it", "set 4, or none"}},
      {"another maximum parallelism, of state that is not by key",
       [](auto& header, auto& metadata) {
         header.mutable_graph()->mutable_vertices(0)->set_max_parallelism(8);
         SetDistribution(*metadata.mutable_operators(0), proto::STATE_SPLIT);
       },
       {}},
      {"a state of another form",
       [](auto& header, auto&) { KeyedForm(header).set_schema("key: string\nvalue count: string"); },
       {"'counter': keyed state: ", "'count' was int64 and is string now"}},
      {"a state of another kind",
       [](auto& header, auto&) { KeyedForm(header).set_schema("key: string\nlist count: int64"); },
       {"state 'count' was a value and is a list now"}},
      {"another key",
       [](auto& header, auto&) { KeyedForm(header).set_schema("key: int64\nvalue count: int64"); },
       {"the key was string and is int64 now"}},
      {"a form that must stay as it is",
       [](auto& header, auto& metadata) {
         KeyedForm(header).set_schema("key: string\nvalue matches: {a:int64,b:int64}");
         KeyedForm(header).add_exact("value matches");
         for (auto& subtask : *metadata.mutable_operators(0)->mutable_subtasks()) {
           subtask.mutable_states(0)->set_schema("key: string\nvalue matches: {a:int64}");
         }
       },
       {"'value matches' was {a:int64} and is {a:int64,b:int64} now, and must stay as it is"}},
      {"a record that has a field more, and another state",
       [](auto& header, auto& metadata) {
         KeyedForm(header).set_schema(
             "key: string\nvalue count: {number:int64,since:int64}\nmap added: map<string,int64>");
         for (auto& subtask : *metadata.mutable_operators(0)->mutable_subtasks()) {
           subtask.mutable_states(0)->set_schema("key: string\nvalue count: {number:int32}");
         }
       },
       {}},
      {"windows of another size and accumulator",
       [](auto& header, auto& metadata) {
         AddForm(*header.mutable_forms(0), "windows", "windows of 20 ms from 0 ms\nkey: string\naccumulator: string");
         AddStored(metadata, "windows", "windows of 10 ms from 0 ms\nkey: string\naccumulator: int64");
       },
       {"'counter': windows: ", "windows of 10 ms from 0 ms", "windows of 20 ms from 0 ms",
        "'accumulator' was int64 and is string now"}},
      {"records of a sort",
       [](auto& header, auto& metadata) {
         AddForm(*header.mutable_forms(0), "held records", "record: string");
         AddStored(metadata, "held records", "record: int64");
       },
       {"'counter': held records: ", "'record' was int64 and is string now"}},
      {"a list that became another kind of list, also an empty one",
       [](auto& header, auto& metadata) {
         AddForm(*header.mutable_forms(0), "union list held", "element: int64");
         AddStored(metadata, "list held", "element: int64", 0);
       },
       {"'counter': state 'held' was a list and is a union list now"}},
      {"elements of another form",
       [](auto& header, auto& metadata) {
         AddForm(*header.mutable_forms(0), "list held", "element: string");
         AddStored(metadata, "list held", "element: int64");
       },
       {"'counter': list held: ", "'element' was int64 and is string now"}},
      {"all of it",
       [](auto& header, auto& metadata) {
         header.mutable_graph()->mutable_vertices(0)->set_parallelism(5);
         KeyedForm(header).set_schema("key: int64\nvalue count: string");
         AddForm(*header.mutable_forms(0), "union list held", "element: int64");
         AddStored(metadata, "list held", "element: int64");
       },
       {"parallelism 5", "is string now", "the key was string", "was a list and is a union list",
        "job 'new job' cannot go on from /sp (of job 'old job')"}},
  };
  for (const Case& test : cases) {
    for (const bool allow_non_restored_state : {false, true}) {
      SCOPED_TRACE(test.name);
      const Status checked = Checked(test, allow_non_restored_state);
      EXPECT_EQ(checked.ok(), test.complaints.empty()) << checked;
      EXPECT_THAT(std::string(StatusMessage(checked)), Not(HasSubstr("--allowNonRestoredState")));
      for (const std::string& complaint : test.complaints) {
        EXPECT_THAT(std::string(StatusMessage(checked)), HasSubstr(complaint));
      }
    }
  }
}

TEST(RestoreCheckTest, WhatWouldBeLostIsRefusedUnlessItIsPermitted) {
  const auto rename = [](auto&, auto& metadata) { metadata.mutable_operators(0)->set_operator_id("gone-id"); };
  const std::vector<Case> cases = {
      {"an operator without a taker",
       rename,
       {"operator 'counter' (gone-id) has state, but the job has no such operator"}},
      {"a source without a taker",
       [](auto&, auto& metadata) {
         proto::OperatorSnapshot& source = *metadata.add_operators();
         source.set_operator_id("source-id");
         source.set_name("source");
         source.set_has_coordinator(true);
       },
       {"operator 'source' (source-id) has state, but the job has no such operator"}},
      {"an operator that is no source any more",
       [](auto&, auto& metadata) { metadata.mutable_operators(0)->set_has_coordinator(true); },
       {"'counter' has stored the positions of a source, but the job has no such state"}},
      {"a renamed state",
       [](auto& header, auto&) { KeyedForm(header).set_schema("key: string\nvalue renamed: int64"); },
       {"'counter' has stored 'value count', but the job has no such state"}},
      {"a function without keyed state",
       [](auto& header, auto&) { header.mutable_forms(0)->mutable_states()->DeleteSubrange(0, 1); },
       {"'counter' has stored 'value count', but the job has no such state"}},
      {"a renamed list, timers and windows",
       [](auto& header, auto& metadata) {
         AddForm(*header.mutable_forms(0), "list renamed", "element: int64");
         AddStored(metadata, "list held", "element: int64");
         AddStored(metadata, "event-time timers", "timers\nkey: string");
         AddStored(metadata, "windows", "windows of 10 ms from 0 ms\nkey: string\naccumulator: int64");
       },
       {"'counter' has stored 'list held', but the job has no such state",
        "'counter' has stored 'event-time timers', but the job has no such state",
        "'counter' has stored 'windows', but the job has no such state"}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    const Status refused = Checked(test, false);
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(StatusMessage(refused)), HasSubstr("--allowNonRestoredState"));
    for (const std::string& complaint : test.complaints) {
      EXPECT_THAT(std::string(StatusMessage(refused)), HasSubstr(complaint));
    }
    std::vector<std::string> left;
    const Status permitted = Checked(test, true, &left);
    EXPECT_TRUE(permitted.ok()) << permitted;
    EXPECT_EQ(left, test.complaints) << "each is told of once";
  }
}

TEST(RestoreCheckTest, WhatHoldsNothingMayGo) {
  const std::vector<Case> cases = {
      {"an operator with nothing but a watermark",
       [](auto&, auto& metadata) {
         metadata.mutable_operators(0)->set_operator_id("gone-id");
         for (auto& subtask : *metadata.mutable_operators(0)->mutable_subtasks()) {
           subtask.mutable_states(0)->clear_segments();
         }
       },
       {}},
      {"a watermark, empty timers and an empty list",
       [](auto& header, auto& metadata) {
         header.mutable_forms(0)->mutable_states()->DeleteSubrange(1, 1);
         AddStored(metadata, "processing-time timers", "timers\nkey: string", 0);
         AddStored(metadata, "list held", "element: int64", 0);
       },
       {}},
      {"keyed state without keys",
       [](auto& header, auto& metadata) {
         KeyedForm(header).set_schema("key: string\nvalue renamed: int64");
         for (auto& subtask : *metadata.mutable_operators(0)->mutable_subtasks()) {
           subtask.mutable_states(0)->clear_segments();
         }
       },
       {}},
      {"what was in flight, which is no state",
       [](auto&, auto& metadata) {
         AddStored(metadata, "in flight", "record: int64");
         metadata.mutable_operators(0)->mutable_subtasks(0)->mutable_states(2)->mutable_in_flight();
       },
       {}},
      {"what its operator says only when it is opened",
       [](auto& header, auto& metadata) {
         AddForm(*header.mutable_forms(0), "committables", "");
         AddStored(metadata, "committables", "committable");
       },
       {}},
      {"an operator that the plan says nothing of", [](auto& header, auto&) { header.clear_forms(); }, {}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    std::vector<std::string> left;
    const Status checked = Checked(test, false, &left);
    EXPECT_TRUE(checked.ok()) << checked;
    EXPECT_TRUE(left.empty());
  }
}

class StoredMaxParallelismTest : public ::testing::Test {
 protected:
  StoredMaxParallelismTest() {
    graph_.mutable_vertices(0)->set_max_parallelism(128);
    graph_.mutable_vertices(0)->set_derived_max_parallelism(true);
    graph_.set_digest("as submitted");
  }
  // A second operator in the task, with state of its own.
  void AddOperator(int max_parallelism, proto::StateDistribution distribution) {
    graph_.mutable_vertices(0)->add_operators()->set_id("other-id");
    graph_.mutable_vertices(0)->set_name("counter -> other");
    proto::OperatorSnapshot& op = *metadata_.add_operators();
    op = metadata_.operators(0);
    op.set_operator_id("other-id");
    op.set_name("other");
    op.set_max_parallelism(max_parallelism);
    SetDistribution(op, distribution);
  }
  int Taken() {
    TakeStoredMaxParallelism(metadata_, graph_);
    return graph_.vertices(0).max_parallelism();
  }
  std::string Complaint() { return std::string(StatusMessage(CheckRestore(header_, metadata_).status())); }

  proto::SubmitJobHeader header_ = SomeJob();
  proto::JobGraph& graph_ = *header_.mutable_graph();
  proto::CheckpointMetadata metadata_ = SomeCheckpoint();
};

TEST_F(StoredMaxParallelismTest, ItIsTakenWhereNobodyHasSetOne) {
  EXPECT_EQ(Taken(), 4);
  EXPECT_EQ(Complaint(), "");
  EXPECT_NE(graph_.digest(), "as submitted") << "workers compare their graph with this one";
}

TEST_F(StoredMaxParallelismTest, OneThatWasSetStays) {
  graph_.mutable_vertices(0)->set_derived_max_parallelism(false);
  EXPECT_EQ(Taken(), 128);
  EXPECT_EQ(graph_.digest(), "as submitted");
}

TEST_F(StoredMaxParallelismTest, AParallelismAboveItIsRefused) {
  graph_.mutable_vertices(0)->set_parallelism(5);
  EXPECT_EQ(Taken(), 128);
  EXPECT_THAT(Complaint(), HasSubstr("'counter' has parallelism 5, its state can be divided among at most 4"));
}

TEST_F(StoredMaxParallelismTest, StateByKeyDecidesForItsTask) {
  SetDistribution(*metadata_.mutable_operators(0), proto::STATE_SPLIT);
  AddOperator(16, proto::STATE_KEYED);
  EXPECT_EQ(Taken(), 16);
  EXPECT_EQ(Complaint(), "");
}

TEST_F(StoredMaxParallelismTest, OneTaskCannotHaveTwo) {
  AddOperator(16, proto::STATE_KEYED);
  EXPECT_EQ(Taken(), 4);
  EXPECT_THAT(Complaint(), HasSubstr("'other' has state in 16 key groups, but runs in the task 'counter -> other' with "
                                     "state in 4: part them by StartNewChain()"));
}

}  // namespace
}  // namespace eagre
