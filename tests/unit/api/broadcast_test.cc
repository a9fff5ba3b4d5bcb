// Broadcast streams: rules that every subtask keeps, beside records with and without keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>

#include <eagre/eagre.h>
#include <eagre/testing/function_harness.h>

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

struct BroadcastTestSale {
  std::string user;
  int64_t amount = 0;
};
EAGRE_RECORD(BroadcastTestSale, user, amount);
using Sale = BroadcastTestSale;

struct BroadcastTestRule {
  std::string name;
  int64_t limit = 0;  // negative: the rule goes; 0: forget all users
};
EAGRE_RECORD(BroadcastTestRule, name, limit);
using Rule = BroadcastTestRule;

const OutputTag<std::string> kRules{"rules"};

// What the rules say, and how they change, whatever function keeps them.
using Rules = BroadcastState<std::string, Rule>;
std::vector<std::string> BrokenBy(int64_t value, const Rules& rules) {
  std::vector<std::string> names;
  for (const auto& [name, rule] : rules.Entries()) {
    if (value > rule.limit) names.push_back(name);
  }
  return names;
}
template <typename Context>
size_t Apply(const Rule& rule, Context& context, Rules& rules) {
  auto writable = context.GetBroadcastState(rules);
  if (rule.limit < 0) {
    writable.Remove(rule.name);
  } else {
    writable.Put(rule.name, rule);
  }
  return writable.Entries().size();
}

class Flag : public BroadcastProcessFunction<int64_t, Rule, std::string> {
 public:
  void ProcessElement(const int64_t& value, ReadOnlyContext& context, Collector<std::string>& out) override {
    for (const std::string& name : BrokenBy(value, rules_)) {
      out.Collect(fmt::format("{} {} @ {}", name, value, context.timestamp()));
    }
  }
  void ProcessBroadcastElement(const Rule& rule, Context& context, Collector<std::string>&) override {
    const size_t count = Apply(rule, context, rules_);
    context.Output(kRules, fmt::format("{} rules at {}", count, context.current_watermark()));
  }

 private:
  Rules rules_{this, "rules"};
};

class BroadcastTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, BroadcastTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

TEST_P(BroadcastTest, RecordsMeetTheRulesThatCameBeforeThem) {
  auto harness = BroadcastProcessHarness<int64_t, Rule>(Flag(), GetParam());
  harness.ReadSideOutput(kRules);
  ASSERT_TRUE(harness.Push(100, 1).ok());
  ASSERT_TRUE(harness.PushAllSecond({{{"high", 50}, 2}, {{"low", 5}, 2}}).ok());
  ASSERT_TRUE(harness.PushAll({{100, 3}, {10, 4}}).ok());
  ASSERT_TRUE(harness.Watermark(9).ok());
  ASSERT_TRUE(harness.PushSecond({"low", -1}).ok());
  ASSERT_TRUE(harness.Push(10, 10).ok());
  EXPECT_THAT(harness.Take(), ElementsAre("high 100 @ 3", "low 100 @ 3", "low 10 @ 4"));
  EXPECT_THAT(harness.TakeSideOutput(kRules), ElementsAre(fmt::format("1 rules at {}", kNoTimestamp),
                                                          fmt::format("2 rules at {}", kNoTimestamp), "1 rules at 9"));
}

// Sums per user; a rule named after a user's sum limit is told when it is passed; limit 0 resets all sums.
class Limits : public KeyedBroadcastProcessFunction<std::string, Sale, Rule, std::string> {
 public:
  void ProcessElement(const Sale& sale, ReadOnlyContext& context, Collector<std::string>& out) override {
    sum_.Mutable() += sale.amount;
    context.RegisterEventTimeTimer(context.timestamp() + 100);
    for (const auto& [name, rule] : rules_.Entries()) {
      if (*sum_.Get() > rule.limit) out.Collect(fmt::format("{}: {} has {}", name, context.key(), *sum_.Get()));
    }
  }
  void ProcessBroadcastElement(const Rule& rule, Context& context, Collector<std::string>& out) override {
    if (rule.limit == 0) {
      context.ApplyToKeyedState(sum_, [&](const std::string& user, ValueState<int64_t>& sum) {
        out.Collect(fmt::format("forgets {} of {}", *sum.Get(), user));
        sum.Clear();
        forgotten_.Set(true);
      });
      return;
    }
    context.GetBroadcastState(rules_).Put(rule.name, rule);
  }
  void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("{} at {}: {}{}", context.key(), timestamp, sum_.Get() == nullptr ? 0 : *sum_.Get(),
                            forgotten_.Get() == nullptr ? "" : ", forgotten"));
  }

 private:
  ValueState<int64_t> sum_{this, "sum"};
  ValueState<bool> forgotten_{this, "forgotten"};
  Rules rules_{this, "rules"};
};

auto LimitsHarness(HarnessMode mode) {
  return KeyedBroadcastProcessHarness<Sale, Rule>(Limits(), &Sale::user, mode);
}

// Pushes a sale of each of the users whose keys are the subtask's.
template <typename Harness>
void PushOwnUsers(Harness& harness, const std::vector<std::string>& users, int subtask, int parallelism,
                  int64_t amount) {
  for (const std::string& user : users) {
    if (SubtaskOfKeyGroup(KeyGroupOf(KeyHash(user), 128), parallelism, 128) == subtask) {
      ASSERT_TRUE(harness.Push({user, amount}, amount).ok());
    }
  }
}

TEST_P(BroadcastTest, KeyedStateAndTimersStandBesideTheRules) {
  auto harness = LimitsHarness(GetParam());
  ASSERT_TRUE(harness.PushAll({{{"ann", 5}, 0}, {{"bob", 7}, 1}}).ok());
  ASSERT_TRUE(harness.PushSecond({"ten", 10}).ok());
  ASSERT_TRUE(harness.PushAll({{{"ann", 4}, 2}, {{"ann", 3}, 3}, {{"bob", 1}, 4}}).ok());
  EXPECT_THAT(harness.Take(), ElementsAre("ten: ann has 12"));
  ASSERT_TRUE(harness.Watermark(101).ok());
  EXPECT_THAT(harness.Take(), ElementsAre("ann at 100: 12", "bob at 101: 8"));
}

TEST_P(BroadcastTest, ABroadcastRecordReachesTheStateOfAllKeys) {
  auto harness = LimitsHarness(GetParam());
  std::vector<std::string> expected;
  for (int64_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(harness.Push({fmt::format("u{}", i), i}, 0).ok());
    expected.push_back(fmt::format("forgets {} of u{}", i, i));
  }
  EXPECT_EQ(harness.KeysWithState(), 50);
  ASSERT_TRUE(harness.PushSecond({"reset", 0}).ok());
  std::vector<std::string> lines = harness.Take();
  std::sort(lines.begin(), lines.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(lines, expected);
  // Only keys that have the state are visited.
  ASSERT_TRUE(harness.PushSecond({"reset", 0}).ok());
  EXPECT_THAT(harness.Take(), IsEmpty());
  // The timers of the keys see what was changed.
  ASSERT_TRUE(harness.Watermark(100).ok());
  lines = harness.Take();
  EXPECT_THAT(lines, SizeIs(50));
  for (const std::string& line : lines) EXPECT_THAT(line, HasSubstr(": 0, forgotten"));
}

// The rules of two subtasks, restored as 1, 2 and 5 subtasks: everybody knows them, and the keys lie where they belong.
TEST_P(BroadcastTest, EveryNewSubtaskKnowsTheRules) {
  std::vector<std::string> users;
  for (int i = 0; i < 40; ++i) users.push_back(fmt::format("u{}", i));
  std::vector<HarnessSnapshot> stored;
  for (int subtask = 0; subtask < 2; ++subtask) {
    auto harness = LimitsHarness(GetParam());
    harness.SetSubtask(subtask, 2);
    PushOwnUsers(harness, users, subtask, 2, 4);
    ASSERT_TRUE(harness.PushAllSecond({{{"five", 5}}, {{"seven", 7}}}).ok());
    const auto snapshot = harness.Snapshot();
    ASSERT_TRUE(snapshot.ok()) << StatusMessage(snapshot.status());
    stored.push_back(*snapshot);
  }
  for (const int parallelism : {1, 2, 5}) {
    size_t told = 0;
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      auto harness = LimitsHarness(GetParam());
      harness.SetSubtask(subtask, parallelism);
      harness.Restore(stored);
      PushOwnUsers(harness, users, subtask, parallelism, 2);
      for (const std::string& line : harness.Take()) {
        EXPECT_THAT(line, HasSubstr("has 6"));
        EXPECT_THAT(line, HasSubstr("five: "));
        ++told;
      }
    }
    EXPECT_EQ(told, users.size());
  }
}

TEST(BroadcastStreamTest, AllSubtasksSeeTheRules) {
  LocalJob job;
  job.SetParallelism(3);
  auto rules = job.Read(FromValues<Rule>({{"first", 1}, {"second", 2}})).SetParallelism(1);
  auto sales = job.Read(Generate<Sale>(300, [](int64_t i) { return Sale{fmt::format("u{}", i % 20), 1}; }));
  // Which rules a record meets depends on their arrival: what all subtasks know at the end does not.
  class Count : public KeyedBroadcastProcessFunction<std::string, Sale, Rule, std::string> {
   public:
    void ProcessElement(const Sale&, ReadOnlyContext& context, Collector<std::string>&) override {
      context.RegisterEventTimeTimer(1);
    }
    void ProcessBroadcastElement(const Rule& rule, Context& context, Collector<std::string>&) override {
      context.GetBroadcastState(rules_).Mutable(rule.name) += rule.limit;
    }
    void OnTimer(int64_t, OnTimerContext& context, Collector<std::string>& out) override {
      out.Collect(fmt::format("{} knows {}", context.key(), rules_.Entries().size()));
    }

   private:
    BroadcastState<std::string, int64_t> rules_{this, "rules"};
  };
  const auto lines = sales.KeyBy(&Sale::user).Connect(rules.Broadcast()).Process(Count()).ExecuteAndCollect();
  ASSERT_TRUE(lines.ok()) << StatusMessage(lines.status());
  EXPECT_THAT(*lines, SizeIs(20));
  for (const std::string& line : *lines) EXPECT_THAT(line, HasSubstr("knows 2"));
}

// Opened when it was knocked at so often.
class Doors {
 public:
  explicit Doors(int knocks) : knocks_(knocks) {}
  void Knock() {
    std::lock_guard lock(mutex_);
    if (--knocks_ == 0) opened_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    if (!opened_.wait_for(lock, std::chrono::seconds(30), [this] { return knocks_ <= 0; }))
      throw std::runtime_error("not every subtask has seen all rules");
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  int knocks_;
};

// The rules that a number breaks, for numbers that come when all subtasks know all rules.
class KnockAndFlag : public BroadcastProcessFunction<int64_t, Rule, std::string> {
 public:
  explicit KnockAndFlag(std::shared_ptr<Doors> doors) : doors_(std::move(doors)) {}
  void ProcessElement(const int64_t& value, ReadOnlyContext&, Collector<std::string>& out) override {
    for (const std::string& name : BrokenBy(value, rules_)) out.Collect(fmt::format("{} {}", name, value));
  }
  void ProcessBroadcastElement(const Rule& rule, Context& context, Collector<std::string>&) override {
    Apply(rule, context, rules_);
    context.Output(kRules, rule.name);
    doors_->Knock();
  }

 private:
  std::shared_ptr<Doors> doors_;
  Rules rules_{this, "rules"};
};

TEST(BroadcastStreamTest, RecordsWithoutKeysMeetTheRulesInEverySubtask) {
  for (const int parallelism : {1, 3}) {
    LocalJob job;
    job.SetParallelism(parallelism);
    const std::vector<Rule> all = {{"low", 1}, {"mid", 3}, {"high", 4}, {"mid", -1}};
    auto doors = std::make_shared<Doors>(static_cast<int>(all.size()) * parallelism);
    auto rules = job.Read(FromValues<Rule>(all)).SetParallelism(1);
    // Its own thread waits until the rules are everywhere; then each of its records falls to some subtask.
    DataStream<int64_t> numbers = job.Read(Generate<int64_t>(6,
                                                             [doors](int64_t i) {
                                                               doors->Wait();
                                                               return i;
                                                             }))
                                      .SetParallelism(1);
    numbers.Blocking();
    const auto flagged = numbers.Rebalance().Connect(rules.Broadcast()).Process(KnockAndFlag(doors));
    const auto seen = flagged.SideOutput(kRules).Map([](const std::string& name) { return "saw " + name; });
    auto lines = flagged.Union(seen).ExecuteAndCollect();
    ASSERT_TRUE(lines.ok()) << StatusMessage(lines.status());
    std::vector<std::string> expected = {"low 2", "low 3", "low 4", "low 5", "high 5"};
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      for (const Rule& rule : all) expected.push_back("saw " + rule.name);
    }
    EXPECT_THAT(*lines, UnorderedElementsAreArray(expected)) << "at parallelism " << parallelism;
  }
}

TEST(BroadcastStreamTest, AStreamThatIsNotBroadcastIsRefused) {
  for (const bool keyed : {false, true}) {
    LocalJob job;
    auto rules = job.Read(FromValues<Rule>({{"first", 1}}));
    auto sales = job.Read(FromValues<Sale>({{"ann", 1}}));
    if (keyed) {
      sales.KeyBy(&Sale::user).Connect(rules).Process(Limits()).WriteTo(Blackhole());
    } else {
      sales.Map(&Sale::amount).Connect(rules).Process(Flag()).WriteTo(Blackhole());
    }
    EXPECT_THAT(std::string(StatusMessage(job.Execute())), HasSubstr("Connect(rules.Broadcast())"));
  }
}

}  // namespace
}  // namespace eagre
