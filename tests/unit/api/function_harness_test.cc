// The harness that users test their functions with, and the metrics that a function makes in its Open.
#include "eagre/testing/function_harness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "eagre/eagre.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct Deposit {
  std::string user;
  int64_t amount = 0;
};
EAGRE_RECORD(Deposit, user, amount);

const OutputTag<Deposit> kRefused{"refused"};

// Says a user's balance a minute after the first deposit, and again when the clock says so.
class Balance final : public KeyedProcessFunction<std::string, Deposit, std::string> {
 public:
  Status Open(RuntimeContext& context) override {
    refused_ = &context.metrics().AddCounter("refused");
    amounts_ = &context.metrics().AddHistogram("amount");
    by_kind_ = &context.metrics().Group("kind", "cash only").AddCounter("deposits");
    rate_ = &context.metrics().Group("rates").AddMeter("deposits");
    return context.subtask() < context.parallelism() ? OkStatus() : Internal("no such subtask");
  }
  void ProcessElement(const Deposit& deposit, Context& context, Collector<std::string>& out) override {
    if (deposit.amount > 1'000'000) throw std::runtime_error("too much money");
    if (deposit.amount < 0) {
      refused_->Add();
      return context.Output(kRefused, deposit);
    }
    amounts_->Update(static_cast<double>(deposit.amount));
    by_kind_->Add();
    rate_->Mark();
    if (balance_.Get() == nullptr) {
      context.RegisterEventTimeTimer(context.timestamp() + 60'000);
      context.RegisterProcessingTimeTimer(5000);
    }
    balance_.Mutable() += deposit.amount;
  }
  void OnTimer(int64_t, OnTimerContext& context, Collector<std::string>& out) override {
    const bool event_time = context.time_domain() == TimeDomain::kEventTime;
    out.Collect(fmt::format("{} has {}{}", context.key(), balance_.Get() != nullptr ? *balance_.Get() : 0,
                            event_time ? "" : " by the clock"));
    if (event_time) balance_.Clear();
  }

 private:
  ValueState<int64_t> balance_{this, "balance"};
  Counter* refused_ = nullptr;
  Counter* by_kind_ = nullptr;
  Histogram* amounts_ = nullptr;
  Meter* rate_ = nullptr;
};

class FunctionHarnessTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, FunctionHarnessTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

TEST_P(FunctionHarnessTest, AKeyedFunctionHasItsStateTimersAndSideOutputs) {
  auto harness = KeyedProcessHarness<Deposit>(Balance(), &Deposit::user, GetParam());
  harness.ReadSideOutput(kRefused);
  ASSERT_TRUE(harness.PushAll({{{"ann", 5}, 1000}, {{"bob", 7}, 2000}, {{"ann", -1}, 3000}, {{"ann", 6}, 4000}}).ok());
  EXPECT_EQ(harness.KeysWithState(), 2);
  EXPECT_EQ(harness.Timers(), 4);
  EXPECT_THAT(harness.Take(), IsEmpty());
  ASSERT_TRUE(harness.Watermark(61'000).ok());
  EXPECT_THAT(harness.TakeStamped(), ElementsAre(Stamped<std::string>{"ann has 11", 61'000}));
  ASSERT_TRUE(harness.ProcessingTime(5000).ok());
  EXPECT_THAT(harness.Take(), UnorderedElementsAre("ann has 0 by the clock", "bob has 7 by the clock"));
  ASSERT_TRUE(harness.EndOfInput().ok());
  EXPECT_THAT(harness.Take(), ElementsAre("bob has 7"));
  EXPECT_EQ(harness.KeysWithState(), 0);
  EXPECT_EQ(harness.Timers(), 0);
  const std::vector<Deposit> refused = harness.TakeSideOutput(kRefused);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].amount, -1);
  EXPECT_TRUE(harness.Close().ok());
}

// Tells how much a user has deposited within the last while, and what they deposited last, if that is not long ago.
class Recently final : public KeyedProcessFunction<std::string, Deposit, std::string> {
 public:
  explicit Recently(const StateTtl& ttl)
      : sum_(
            this, "sum", [](int64_t& into, const int64_t& amount) { into += amount; }, ttl),
        amounts_(this, "amounts", ttl) {}
  void ProcessElement(const Deposit& deposit, Context&, Collector<std::string>& out) override {
    sum_.Add(deposit.amount);
    amounts_.Add(deposit.amount);
    out.Collect(fmt::format("{} {} in {}", deposit.user, *sum_.Get(), amounts_.Get().size()));
  }

 private:
  TtlReducingState<int64_t> sum_;
  TtlListState<int64_t> amounts_;
};

TEST_P(FunctionHarnessTest, TheClockLetsStateExpire) {
  auto harness = KeyedProcessHarness<Deposit>(Recently(StateTtl(std::chrono::minutes(1))), &Deposit::user, GetParam());
  ASSERT_TRUE(harness.PushAll({{{"ann", 5}, 0}, {{"bob", 7}, 0}}).ok());
  ASSERT_TRUE(harness.ProcessingTime(40'000).ok());
  ASSERT_TRUE(harness.Push({"ann", 6}).ok());
  EXPECT_THAT(harness.Take(), ElementsAre("ann 5 in 1", "bob 7 in 1", "ann 11 in 2"));
  EXPECT_EQ(harness.KeysWithState(), 2);
  ASSERT_TRUE(harness.ProcessingTime(60'000).ok());
  EXPECT_EQ(harness.KeysWithState(), 1) << "nobody asked for bob's";
  ASSERT_TRUE(harness.Push({"ann", 1}).ok());
  EXPECT_THAT(harness.Take(), ElementsAre("ann 12 in 2"));
  ASSERT_TRUE(harness.ProcessingTime(200'000).ok());
  EXPECT_EQ(harness.KeysWithState(), 0);
  ASSERT_TRUE(harness.PushAll({{{"ann", 2}, 0}, {{"bob", 3}, 0}}).ok());
  EXPECT_THAT(harness.Take(), ElementsAre("ann 2 in 1", "bob 3 in 1"));
}

TEST_P(FunctionHarnessTest, StateThatIsRestoredHasAged) {
  const StateTtl ttl(std::chrono::minutes(1));
  auto before = KeyedProcessHarness<Deposit>(Recently(ttl), &Deposit::user, GetParam());
  ASSERT_TRUE(before.Push({"bob", 7}).ok());
  ASSERT_TRUE(before.ProcessingTime(30'000).ok());
  ASSERT_TRUE(before.Push({"ann", 5}).ok());
  const StatusOr<HarnessSnapshot> snapshot = before.Snapshot();
  ASSERT_TRUE(snapshot.ok());
  auto after = KeyedProcessHarness<Deposit>(Recently(ttl), &Deposit::user, GetParam());
  after.Restore({*snapshot});
  ASSERT_TRUE(after.ProcessingTime(70'000).ok());
  EXPECT_EQ(after.KeysWithState(), 1);
  ASSERT_TRUE(after.PushAll({{{"ann", 6}, 0}, {{"bob", 1}, 0}}).ok());
  EXPECT_THAT(after.Take(), ElementsAre("ann 11 in 2", "bob 1 in 1"));
}

TEST_P(FunctionHarnessTest, ATimeToLiveOfNothingIsRefused) {
  auto harness = KeyedProcessHarness<Deposit>(Recently(StateTtl(std::chrono::minutes(0))), &Deposit::user, GetParam());
  EXPECT_THAT(std::string(StatusMessage(harness.Push({"ann", 1}))), HasSubstr("the time to live of state 'sum'"));
}

TEST_P(FunctionHarnessTest, AFunctionsMetricsHaveItsGroups) {
  auto harness = KeyedProcessHarness<Deposit>(Balance(), &Deposit::user, GetParam());
  ASSERT_TRUE(harness.PushAll({{{"ann", 5}, 0}, {{"ann", -1}, 0}, {{"bob", 9}, 0}}).ok());
  EXPECT_EQ(harness.MetricValue("refused"), 1);
  EXPECT_EQ(harness.MetricValue("kind_deposits"), 2);
  EXPECT_EQ(harness.MetricValue("rates_deposits"), 0);
  EXPECT_EQ(harness.MetricValue("nothing of the kind"), -1);
}

TEST_P(FunctionHarnessTest, WhatAFunctionThrowsIsAStatus) {
  auto harness = KeyedProcessHarness<Deposit>(Balance(), &Deposit::user, GetParam());
  EXPECT_THAT(std::string(StatusMessage(harness.Push({"ann", 2'000'000}))), HasSubstr("too much money"));
}

TEST_P(FunctionHarnessTest, AFailureOfOpenIsSeenByTheFirstCall) {
  auto harness = KeyedProcessHarness<Deposit>(Balance(), &Deposit::user, GetParam());
  harness.SetSubtask(2, 2);
  EXPECT_EQ(StatusMessage(harness.Push({"ann", 1})), "no such subtask");
}

TEST_P(FunctionHarnessTest, FunctionsOfAllKindsCanBeTested) {
  auto map = MapHarness<int64_t>([](int64_t n) { return std::to_string(n); }, GetParam());
  ASSERT_TRUE(map.Push(7).ok());
  EXPECT_THAT(map.Take(), ElementsAre("7"));

  auto filter = FilterHarness<int64_t>([](int64_t n) { return n > 1; }, GetParam());
  ASSERT_TRUE(filter.PushAll({{1, 0}, {2, 0}, {3, 0}}).ok());
  EXPECT_THAT(filter.Take(), ElementsAre(2, 3));

  auto flat_map = FlatMapHarness<int64_t>(
      [](int64_t n, Collector<int64_t>& out) {
        for (int64_t i = 0; i < n; ++i) out.Collect(i);
      },
      GetParam());
  ASSERT_TRUE(flat_map.Push(3).ok());
  EXPECT_THAT(flat_map.Take(), ElementsAre(0, 1, 2));

  auto process = ProcessHarness<int64_t>(
      [](const int64_t& n, ProcessContext& context, Collector<int64_t>& out) { out.Collect(n + context.timestamp()); },
      GetParam());
  ASSERT_TRUE(process.Push(3, 100).ok());
  EXPECT_THAT(process.Take(), ElementsAre(103));

  struct Both final : CoMapFunction<int64_t, std::string, std::string> {
    std::string Map1(const int64_t& n) override { return std::to_string(n); }
    std::string Map2(const std::string& text) override { return text; }
  };
  auto both = CoHarness<int64_t, std::string>(Both(), GetParam());
  ASSERT_TRUE(both.Push(1).ok());
  ASSERT_TRUE(both.PushSecond("x").ok());
  EXPECT_THAT(both.Take(), ElementsAre("1", "x"));
}

// Pairs deposits with the names of their users; says after a minute whose name did not come.
class Named final : public KeyedCoProcessFunction<int64_t, Deposit, std::pair<int64_t, std::string>, std::string> {
 public:
  void ProcessElement1(const Deposit& deposit, Context& context, Collector<std::string>& out) override {
    if (const std::string* name = name_.Get()) {
      out.Collect(fmt::format("{} pays {}", *name, deposit.amount));
    } else {
      waiting_.Add(deposit.amount);
      context.RegisterEventTimeTimer(context.timestamp() + 60'000);
      context.Output(kRefused, deposit);
    }
  }
  void ProcessElement2(const std::pair<int64_t, std::string>& user, Context&, Collector<std::string>& out) override {
    name_.Set(user.second);
    for (const int64_t amount : waiting_.Get()) out.Collect(fmt::format("{} paid {}", user.second, amount));
    waiting_.Clear();
  }
  void OnTimer(int64_t, OnTimerContext& context, Collector<std::string>& out) override {
    if (!waiting_.Empty()) out.Collect(fmt::format("nobody knows user {}", context.key()));
    waiting_.Clear();
  }

 private:
  ValueState<std::string> name_{this, "name"};
  ListState<int64_t> waiting_{this, "waiting"};
};

auto NamedHarness(HarnessMode mode) {
  return KeyedCoProcessHarness<Deposit, std::pair<int64_t, std::string>>(
      Named(), [](const Deposit& deposit) { return std::stoll(deposit.user); }, &std::pair<int64_t, std::string>::first,
      mode);
}

TEST_P(FunctionHarnessTest, AKeyedFunctionOfTwoStreamsSharesItsKeysStateAndTimers) {
  auto harness = NamedHarness(GetParam());
  harness.ReadSideOutput(kRefused);
  ASSERT_TRUE(harness.PushAll({{{"1", 5}, 1000}, {{"2", 7}, 2000}, {{"1", 6}, 3000}}).ok());
  EXPECT_EQ(harness.KeysWithState(), 2);
  EXPECT_EQ(harness.Timers(), 3);
  ASSERT_TRUE(harness.PushAllSecond({{{1, "ann"}, 4000}, {{3, "eve"}, 4000}}).ok());
  ASSERT_TRUE(harness.PushAll({{{"3", 9}, 5000}, {{"1", 8}, 6000}}).ok());
  ASSERT_TRUE(harness.EndOfInput().ok());
  EXPECT_THAT(harness.TakeStamped(),
              ElementsAre(Stamped<std::string>{"ann paid 5", 4000}, Stamped<std::string>{"ann paid 6", 4000},
                          Stamped<std::string>{"eve pays 9", 5000}, Stamped<std::string>{"ann pays 8", 6000},
                          Stamped<std::string>{"nobody knows user 2", 62'000}));
  EXPECT_EQ(harness.TakeSideOutput(kRefused).size(), 3u);
  EXPECT_EQ(harness.Timers(), 0);
}

TEST_P(FunctionHarnessTest, AKeyedFunctionOfTwoStreamsGoesOnWhereItsSnapshotWasTaken) {
  auto before = NamedHarness(GetParam());
  ASSERT_TRUE(before.PushAll({{{"1", 5}, 1000}, {{"2", 7}, 2000}}).ok());
  ASSERT_TRUE(before.PushSecond({2, "bob"}, 3000).ok());
  EXPECT_THAT(before.Take(), ElementsAre("bob paid 7"));
  const StatusOr<HarnessSnapshot> snapshot = before.Snapshot();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();

  auto after = NamedHarness(GetParam());
  after.Restore({*snapshot});
  ASSERT_TRUE(after.Push({"2", 1}, 4000).ok());
  ASSERT_TRUE(after.Watermark(61'000).ok());
  EXPECT_THAT(after.Take(), ElementsAre("bob pays 1", "nobody knows user 1"));
}

// The mean of what an average is fed.
struct MeanOf final : AggregateFunction<int64_t, std::pair<int64_t, int64_t>, double> {
  void Add(std::pair<int64_t, int64_t>& sum, const int64_t& value) override {
    sum.first += value;
    ++sum.second;
  }
  double GetResult(const std::pair<int64_t, int64_t>& sum) override {
    return static_cast<double>(sum.first) / static_cast<double>(sum.second);
  }
};

// Both states of each user; a deposit of 0 asks for them and clears them.
class Statistics final : public KeyedProcessFunction<std::string, Deposit, std::string> {
 public:
  void ProcessElement(const Deposit& deposit, Context& context, Collector<std::string>& out) override {
    if (deposit.amount != 0) {
      largest_.Add(deposit.amount);
      mean_.Add(deposit.amount);
      return;
    }
    const std::optional<double> mean = mean_.Get();
    out.Collect(largest_.Get() == nullptr && !mean
                    ? context.key() + ": nothing"
                    : fmt::format("{}: largest {}, mean {}", context.key(), *largest_.Get(), *mean));
    largest_.Clear();
    mean_.Clear();
  }

 private:
  ReducingState<int64_t> largest_{this, "largest",
                                  [](int64_t& into, const int64_t& value) { into = std::max(into, value); }};
  AggregatingState<MeanOf> mean_{this, "mean"};
};

TEST_P(FunctionHarnessTest, ReducingAndAggregatingStateAreOfTheCurrentKey) {
  auto harness = KeyedProcessHarness<Deposit>(Statistics(), &Deposit::user, GetParam());
  ASSERT_TRUE(harness
                  .PushAll({{{"ann", 3}, 0},
                            {{"bob", -2}, 0},
                            {{"ann", 6}, 0},
                            {{"ann", 0}, 0},
                            {{"ann", 0}, 0},
                            {{"ann", 1}, 0},
                            {{"bob", -5}, 0},
                            {{"bob", 0}, 0},
                            {{"ann", 0}, 0}})
                  .ok());
  EXPECT_THAT(harness.Take(), ElementsAre("ann: largest 6, mean 4.5", "ann: nothing", "bob: largest -2, mean -3.5",
                                          "ann: largest 1, mean 1"));
  EXPECT_EQ(harness.KeysWithState(), 0) << "cleared states leave no key behind";
}

TEST_P(FunctionHarnessTest, ReducingAndAggregatingStateAreRestoredAndFoldedOn) {
  auto before = KeyedProcessHarness<Deposit>(Statistics(), &Deposit::user, GetParam());
  ASSERT_TRUE(before.PushAll({{{"ann", 3}, 0}, {{"bob", 9}, 0}, {{"ann", 6}, 0}}).ok());
  const StatusOr<HarnessSnapshot> snapshot = before.Snapshot();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  auto after = KeyedProcessHarness<Deposit>(Statistics(), &Deposit::user, GetParam());
  after.Restore({*snapshot});
  ASSERT_TRUE(after.PushAll({{{"ann", 12}, 0}, {{"ann", 0}, 0}, {{"bob", 0}, 0}}).ok());
  EXPECT_THAT(after.Take(), ElementsAre("ann: largest 12, mean 7", "bob: largest 9, mean 9"));
}

}  // namespace
}  // namespace eagre
