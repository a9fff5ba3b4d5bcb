// Operator state: what functions get back after a restart, at whatever parallelism, and who may change what.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include <eagre/eagre.h>
#include <eagre/testing/function_harness.h>

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class OperatorStateTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, OperatorStateTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

// Emits what was held once three records are there, and keeps a count in a member that goes to state at the barrier.
class HoldThree : public FlatMapFunction<int64_t, int64_t>, public CheckpointedFunction {
 public:
  Status InitializeState(bool restored) override {
    restored_ = restored;
    count_ = std::accumulate(counts_.Get().begin(), counts_.Get().end(), int64_t{0});
    return OkStatus();
  }
  Status SnapshotState(int64_t) override {
    counts_.Update({count_});
    return OkStatus();
  }
  void FlatMap(const int64_t& value, Collector<int64_t>& out) override {
    ++count_;
    if (value < 0) out.Collect(restored_ ? count_ : -count_);  // asked for the count
    if (value < 0) return;
    held_.Add(value);
    if (held_.Get().size() < 3) return;
    for (const int64_t held : held_.Get()) out.Collect(held);
    held_.Clear();
  }

 private:
  OperatorListState<int64_t> held_{this, "held"};
  UnionListState<int64_t> counts_{this, "counts"};
  int64_t count_ = 0;
  bool restored_ = false;
};

TEST_P(OperatorStateTest, AListGoesOnAfterARestart) {
  auto harness = FlatMapHarness<int64_t>(HoldThree(), GetParam());
  ASSERT_TRUE(harness.PushAll({{1}, {2}, {3}, {4}, {5}}).ok());
  EXPECT_THAT(harness.Take(), ElementsAre(1, 2, 3));
  const auto snapshot = harness.Snapshot();
  ASSERT_TRUE(snapshot.ok()) << StatusMessage(snapshot.status());
  ASSERT_TRUE(harness.Push(6).ok());  // behind the checkpoint
  EXPECT_THAT(harness.Take(), ElementsAre(4, 5, 6));

  auto restored = FlatMapHarness<int64_t>(HoldThree(), GetParam());
  restored.Restore({*snapshot});
  ASSERT_TRUE(restored.PushAll({{7}, {-1}}).ok());
  EXPECT_THAT(restored.Take(), ElementsAre(4, 5, 7, 7));  // five counted before, two since
}

TEST_P(OperatorStateTest, WhatIsBeingStoredStaysAsItWasAtTheBarrier) {
  auto harness = FlatMapHarness<int64_t>(HoldThree(), GetParam());
  ASSERT_TRUE(harness.PushAll({{1}, {2}}).ok());
  const auto first = harness.Snapshot();
  ASSERT_TRUE(harness.Push(3).ok());
  const auto second = harness.Snapshot();
  ASSERT_TRUE(first.ok() && second.ok());
  for (const auto& [snapshot, expected] : {std::pair(*first, std::vector<int64_t>{1, 2, 9}), {*second, {}}}) {
    auto restored = FlatMapHarness<int64_t>(HoldThree(), GetParam());
    restored.Restore({snapshot});
    ASSERT_TRUE(restored.Push(9).ok());
    EXPECT_EQ(restored.Take(), expected);
  }
}

// Three subtasks with 5, 0 and 2 held records, restored as p subtasks: nothing is lost, nothing is there twice, and the
// parts are of about one size. The union list gives everybody everything.
class RescaledOperatorStateTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Parallelism, RescaledOperatorStateTest, testing::Values(1, 2, 3, 8));

class Keep : public FlatMapFunction<int64_t, std::string>, public CheckpointedFunction {
 public:
  void FlatMap(const int64_t& value, Collector<std::string>& out) override {
    if (value >= 0) {
      kept_.Add(value);
      seen_.Add(value);
    } else {
      for (const int64_t kept : kept_.Get()) out.Collect(fmt::format("kept {}", kept));
      out.Collect(fmt::format("seen {}", fmt::join(seen_.Get(), " ")));
    }
  }

 private:
  OperatorListState<int64_t> kept_{this, "kept"};
  UnionListState<int64_t> seen_{this, "seen"};
};

TEST_P(RescaledOperatorStateTest, ListsAreDividedAndUnionsAreNot) {
  std::vector<HarnessSnapshot> stored;
  const std::vector<std::vector<Stamped<int64_t>>> inputs = {{{1}, {2}, {3}, {4}, {5}}, {}, {{6}, {7}}};
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto harness = FlatMapHarness<int64_t>(Keep());
    harness.SetSubtask(static_cast<int>(i), 3);
    ASSERT_TRUE(harness.PushAll(inputs[i]).ok());
    const auto snapshot = harness.Snapshot();
    ASSERT_TRUE(snapshot.ok());
    stored.push_back(*snapshot);
  }
  std::vector<std::string> kept;
  for (int subtask = 0; subtask < GetParam(); ++subtask) {
    auto harness = FlatMapHarness<int64_t>(Keep());
    harness.SetSubtask(subtask, GetParam());
    harness.Restore(stored);
    ASSERT_TRUE(harness.Push(-1).ok());
    std::vector<std::string> lines = harness.Take();
    ASSERT_THAT(lines, testing::Not(IsEmpty()));
    EXPECT_EQ(lines.back(), "seen 1 2 3 4 5 6 7");
    lines.pop_back();
    if (GetParam() != 3) {
      EXPECT_LE(lines.size(), static_cast<size_t>((7 + GetParam() - 1) / GetParam()));
    }
    kept.insert(kept.end(), lines.begin(), lines.end());
  }
  EXPECT_THAT(kept, UnorderedElementsAre("kept 1", "kept 2", "kept 3", "kept 4", "kept 5", "kept 6", "kept 7"));
}

// ---- schemas ----

struct OldHeld {
  std::string user;
  int32_t amount = 0;
};
EAGRE_RECORD(OldHeld, user, amount);
struct NewHeld {
  std::string user;
  int64_t amount = 0;
  std::string currency = "EUR";
};
EAGRE_RECORD(NewHeld, user, amount, currency);

template <typename T>
class KeepRecords : public FlatMapFunction<int64_t, std::string>, public CheckpointedFunction {
 public:
  void FlatMap(const int64_t& value, Collector<std::string>& out) override {
    if (value > 0) {
      T held;
      if constexpr (requires { held.user; }) {
        held.user = "ann";
        held.amount = static_cast<int32_t>(value);
      }
      held_.Add(std::move(held));
    }
    for (const T& held : held_.Get()) out.Collect(PrintRecord(held));
  }

 private:
  OperatorListState<T> held_{this, "held"};
};

TEST(OperatorStateSchemaTest, FieldsMayBeAddedAndWidened) {
  auto before = FlatMapHarness<int64_t>(KeepRecords<OldHeld>());
  ASSERT_TRUE(before.Push(7).ok());
  const auto snapshot = before.Snapshot();
  ASSERT_TRUE(snapshot.ok());
  auto after = FlatMapHarness<int64_t>(KeepRecords<NewHeld>());
  after.Restore({*snapshot});
  ASSERT_TRUE(after.Push(0).ok());
  const std::vector<std::string> lines = after.Take();
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr("7"));
  EXPECT_THAT(lines[0], HasSubstr("EUR"));
}

TEST(OperatorStateSchemaTest, AnotherTypeIsRefusedWithItsDifferences) {
  auto before = FlatMapHarness<int64_t>(KeepRecords<OldHeld>());
  ASSERT_TRUE(before.Push(7).ok());
  const auto snapshot = before.Snapshot();
  ASSERT_TRUE(snapshot.ok());
  auto after = FlatMapHarness<int64_t>(KeepRecords<std::string>());
  after.Restore({*snapshot});
  const Status status = after.Open();
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("state 'list held'"));
}

TEST(OperatorStateSchemaTest, MistakesInDeclarationsAreNamed) {
  class Twice : public Keep {
    OperatorListState<int64_t> again_{this, "kept"};
  };
  EXPECT_THAT(std::string(StatusMessage(CheckStates(Twice()))), HasSubstr("'kept' is declared twice"));
  class Outside : public MapFunction<int64_t, int64_t>, public CheckpointedFunction {
   public:
    int64_t Map(const int64_t& value) override { return value; }

   private:
    std::shared_ptr<OperatorListState<int64_t>> list_ = std::make_shared<OperatorListState<int64_t>>(this, "list");
  };
  EXPECT_THAT(std::string(StatusMessage(CheckStates(Outside()))), HasSubstr("member of the function object itself"));
  const std::vector<StateDeclarationInfo> infos = StatesOf(HoldThree());
  ASSERT_THAT(infos, SizeIs(2));
  EXPECT_EQ(infos[0].kind, "operator list");
  EXPECT_EQ(infos[1].kind, "operator union list");
  EXPECT_EQ(infos[1].schema, "element: int64");
}

// ---- notifications ----

class TellsOfCheckpoints : public MapFunction<int64_t, int64_t>, public CheckpointedFunction {
 public:
  int64_t Map(const int64_t&) override { return complete_; }
  void NotifyCheckpointComplete(int64_t checkpoint_id) override { complete_ = checkpoint_id; }

 private:
  int64_t complete_ = 0;
};

TEST_P(OperatorStateTest, FunctionsHearOfCompleteCheckpoints) {
  auto harness = MapHarness<int64_t>(TellsOfCheckpoints(), GetParam());
  ASSERT_TRUE(harness.Snapshot().ok());
  ASSERT_TRUE(harness.Snapshot().ok());
  ASSERT_TRUE(harness.Push(0).ok());
  ASSERT_TRUE(harness.NotifyCheckpointComplete().ok());
  ASSERT_TRUE(harness.Push(0).ok());
  EXPECT_THAT(harness.Take(), ElementsAre(0, 2));
}

}  // namespace
}  // namespace eagre
