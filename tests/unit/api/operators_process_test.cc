// Process functions: time, side outputs, keyed state, timers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "eagre/operators/keyed_process_operator.h"
#include "eagre/operators/process_operator.h"
#include "eagre/operators/reduce_operator.h"
#include "eagre/testing/operator_harness.h"

namespace eagre {

struct ProcessTestEvent {
  std::string user;
  int64_t amount = 0;
};
EAGRE_RECORD(ProcessTestEvent, user, amount);

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Event = ProcessTestEvent;

class ProcessOperatorTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, ProcessOperatorTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

std::unique_ptr<KeyExtractor<Event, std::string>> UserKey() {
  return std::make_unique<SelectorKeyExtractor<Event, std::string, std::string Event::*>>(&Event::user);
}

// An opened harness of a keyed function with one main output of text.
template <typename F>
std::unique_ptr<OperatorHarness> KeyedHarness(HarnessMode mode, F function, std::vector<std::string> tags = {}) {
  auto harness = std::make_unique<OperatorHarness>(
      mode, MakeKeyedProcessOperator<std::string, Event, std::string>(std::move(function), UserKey(), tags));
  harness->template AddPort<std::string>();
  for (size_t i = 0; i < tags.size(); ++i) harness->template AddPort<int64_t>();
  harness->SetHasher(std::make_unique<ExtractorKeyHasher<Event, std::string>>(UserKey()));
  return harness;
}

std::vector<std::string> Texts(OperatorHarness& harness) {
  std::vector<std::string> texts;
  for (const auto& record : harness.Take<std::string>()) {
    texts.push_back(record.value + " @ " + std::to_string(record.timestamp));
  }
  return texts;
}

class Split : public ProcessFunction<int64_t, int64_t> {
 public:
  void ProcessElement(const int64_t& value, Context& context, Collector<int64_t>& out) override {
    if (value < 0) {
      context.Output(kNegative, std::to_string(value) + " at watermark " + std::to_string(context.current_watermark()));
      context.Output(OutputTag<int64_t>{"nobody reads this"}, value);
    } else {
      out.Collect(value);
    }
  }
  const OutputTag<std::string> kNegative{"negative"};
};

TEST_P(ProcessOperatorTest, SideOutputsGoToTheirPorts) {
  OperatorHarness harness(GetParam(), MakeProcessOperator<int64_t, int64_t>(Split(), {"negative"}));
  harness.AddPort<int64_t>();
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Watermark(5).ok());
  ASSERT_TRUE(harness.Push<int64_t>({{1, 10}, {-2, 11}, {3, 12}, {-4, 13}}).ok());
  EXPECT_THAT(harness.Take<int64_t>(0), ElementsAre(Stamped<int64_t>{1, 10}, Stamped<int64_t>{3, 12}));
  EXPECT_THAT(harness.Take<std::string>(1), ElementsAre(Stamped<std::string>{"-2 at watermark 5", 11},
                                                        Stamped<std::string>{"-4 at watermark 5", 13}));
}

TEST_P(ProcessOperatorTest, ATagOfAnotherTypeIsAClearError) {
  OperatorHarness harness(GetParam(), MakeProcessOperator<int64_t, int64_t>(Split(), {"negative"}));
  harness.AddPort<int64_t>();
  harness.AddPort<double>();
  ASSERT_TRUE(harness.Open().ok());
  EXPECT_THAT(std::string(StatusMessage(harness.Push<int64_t>({{-1, 1}}))),
              HasSubstr("side output 'negative' is read as a stream of double, but the function emits string"));
}

TEST_P(ProcessOperatorTest, ALambdaProcessesToo) {
  OperatorHarness harness(GetParam(),
                          MakeProcessOperator<int64_t, std::string>(
                              [](const int64_t& value, ProcessContext& context, Collector<std::string>& out) {
                                out.Collect(std::to_string(value + context.timestamp()));
                              },
                              {}));
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<int64_t>({{1, 10}}).ok());
  EXPECT_THAT(harness.Take<std::string>(), ElementsAre(Stamped<std::string>{"11", 10}));
}

// Sums per user, and reports the sum when the user has been quiet for 100 ms.
class SumUntilQuiet : public KeyedProcessFunction<std::string, Event, std::string> {
 public:
  void ProcessElement(const Event& event, Context& context, Collector<std::string>& out) override {
    if (const int64_t* due = due_.Get()) context.DeleteEventTimeTimer(*due);
    sum_.Mutable() += event.amount;
    due_.Set(context.timestamp() + 100);
    context.RegisterEventTimeTimer(*due_.Get());
    if (event.amount < 0) context.Output(kRefunds, event.amount);
  }
  void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<std::string>& out) override {
    EXPECT_EQ(context.timestamp(), timestamp);
    EXPECT_EQ(context.time_domain(), TimeDomain::kEventTime);
    out.Collect(context.key() + "=" + std::to_string(*sum_.Get()));
    sum_.Clear();
    due_.Clear();
  }

 private:
  const OutputTag<int64_t> kRefunds{"refunds"};
  ValueState<int64_t> sum_{this, "sum"};
  ValueState<int64_t> due_{this, "due"};
};

TEST_P(ProcessOperatorTest, StateAndTimersPerKey) {
  auto harness = KeyedHarness(GetParam(), SumUntilQuiet(), {"refunds"});
  ASSERT_TRUE(harness->Open().ok());
  ASSERT_TRUE(harness->Push<Event>({{{"ann", 1}, 0}, {{"bob", 5}, 10}, {{"ann", 2}, 50}, {{"eve", -7}, 60}}).ok());
  ASSERT_TRUE(harness->Watermark(149).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("bob=5 @ 110"));
  ASSERT_TRUE(harness->Push<Event>({{{"eve", 1}, 155}}).ok());
  ASSERT_TRUE(harness->Watermark(kMaxWatermark).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("ann=3 @ 150", "eve=-6 @ 255"));
  EXPECT_THAT(harness->Take<int64_t>(1), ElementsAre(Stamped<int64_t>{-7, 60}));
  using Op = KeyedProcessOperator<std::string, Event, std::string, SumUntilQuiet>;
  EXPECT_EQ(harness->op<Op>().state().row_count(), 0u) << "cleared states leave no row behind";
  EXPECT_EQ(harness->op<Op>().timers().size(), 0u);
}

TEST_P(ProcessOperatorTest, ManyTimersFireInOrderThroughNarrowOutputs) {
  auto harness = KeyedHarness(GetParam(), SumUntilQuiet(), {"refunds"});
  ASSERT_TRUE(harness->Open().ok());
  std::vector<Stamped<Event>> events;
  for (int64_t i = 0; i < 3000; ++i) events.push_back({{"user" + std::to_string(i), i}, (i * 7919) % 5000});
  ASSERT_TRUE(harness->Push(events).ok());
  ASSERT_TRUE(harness->Watermark(10'000).ok());
  std::stable_sort(events.begin(), events.end(),
                   [](const auto& a, const auto& b) { return a.timestamp < b.timestamp; });
  const auto fired = harness->Take<std::string>();
  ASSERT_EQ(fired.size(), events.size());
  for (size_t i = 0; i < fired.size(); ++i) {
    ASSERT_EQ(fired[i].value, events[i].value.user + "=" + std::to_string(events[i].value.amount));
    ASSERT_EQ(fired[i].timestamp, events[i].timestamp + 100);
  }
}

class Beeper : public KeyedProcessFunction<std::string, Event, std::string> {
 public:
  void ProcessElement(const Event& event, Context& context, Collector<std::string>&) override {
    context.RegisterProcessingTimeTimer(context.current_processing_time() + event.amount);
    if (event.amount == 13) context.DeleteProcessingTimeTimer(context.current_processing_time() + 13);
  }
  void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<std::string>& out) override {
    EXPECT_EQ(context.time_domain(), TimeDomain::kProcessingTime);
    out.Collect(context.key());
    if (timestamp < 1100) context.RegisterProcessingTimeTimer(timestamp + 100);
  }
};

TEST_P(ProcessOperatorTest, ProcessingTimeTimersFollowTheClock) {
  auto harness = KeyedHarness(GetParam(), Beeper());
  harness->context().manual_clock().now_ms = 1000;
  ASSERT_TRUE(harness->Open().ok());
  ASSERT_TRUE(harness->Push<Event>({{{"a", 50}, 0}, {{"b", 20}, 0}, {{"c", 13}, 0}}).ok());
  using Op = KeyedProcessOperator<std::string, Event, std::string, Beeper>;
  EXPECT_LE(harness->op<Op>().NextProcessingTimeMs(), 1020) << "a deleted timer may wake the operator early, none late";
  ASSERT_TRUE(harness->ProcessingTime(1019).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre());
  ASSERT_TRUE(harness->ProcessingTime(1060).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("b @ 1020", "a @ 1050"));
  ASSERT_TRUE(harness->ProcessingTime(2000).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("b @ 1120", "a @ 1150"));
  EXPECT_EQ(harness->op<Op>().NextProcessingTimeMs(), kMaxWatermark);
}

TEST_P(ProcessOperatorTest, StateDeclaredTwiceFailsBeforeTheFirstRecord) {
  class Twice : public KeyedProcessFunction<std::string, Event, std::string> {
   public:
    void ProcessElement(const Event&, Context&, Collector<std::string>&) override {}

   private:
    ValueState<int64_t> a_{this, "count"};
    ValueState<int64_t> b_{this, "count"};
  };
  EXPECT_THAT(std::string(StatusMessage(CheckStates(Twice()))), HasSubstr("declared twice"));
  auto harness = KeyedHarness(GetParam(), Twice());
  EXPECT_THAT(std::string(StatusMessage(harness->Open())), HasSubstr("state 'count' is declared twice"));
}

TEST_P(ProcessOperatorTest, StateUsedInOpenFailsClearly) {
  class Early : public KeyedProcessFunction<std::string, Event, std::string> {
   public:
    Status Open(RuntimeContext&) override {
      count_.Set(1);
      return OkStatus();
    }
    void ProcessElement(const Event&, Context&, Collector<std::string>&) override {}

   private:
    ValueState<int64_t> count_{this, "count"};
  };
  auto harness = KeyedHarness(GetParam(), Early());
  EXPECT_THAT(std::string(StatusMessage(harness->Open())), HasSubstr("state 'count' was used outside a keyed call"));
}

TEST_P(ProcessOperatorTest, StatesAreInTheGraphBeforeTheJobRuns) {
  const std::vector<StateDeclarationInfo> states = StatesOf(SumUntilQuiet());
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].name, "sum");
  EXPECT_EQ(states[0].kind, "value");
  EXPECT_EQ(states[0].schema, "int64");
  EXPECT_TRUE(StatesOf([](int) {}).empty());
  ASSERT_EQ(StatesOfReduce<Event>().size(), 1u);
  EXPECT_EQ(StatesOfReduce<Event>()[0].schema, "{user:string,amount:int64}");
}

TEST_P(ProcessOperatorTest, RollingReduceEmitsEveryStep) {
  const auto add = [](const Event& a, const Event& b) { return Event{a.user, a.amount + b.amount}; };
  OperatorHarness harness(GetParam(), MakeReduceOperator<Event, std::string>(add, UserKey()));
  harness.AddPort<Event>();
  ASSERT_TRUE(harness.Open().ok());
  SeededRandom random(3);
  std::map<std::string, int64_t> sums;
  std::vector<Stamped<Event>> in;
  std::vector<Stamped<Event>> expected;
  for (int64_t i = 0; i < 2000; ++i) {
    const Event event{"u" + std::to_string(random.Below(100)), static_cast<int64_t>(random.Below(10))};
    in.push_back({event, i});
    expected.push_back({{event.user, sums[event.user] += event.amount}, i});
  }
  ASSERT_TRUE(harness.Push(in).ok());
  EXPECT_EQ(harness.Take<Event>(), expected);
}

}  // namespace
}  // namespace eagre
