// Operators with state that fail and go on from a checkpoint, at the same or another parallelism: what they emit in all
// is what they would have emitted undisturbed.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "eagre/keyed_state.h"
#include "eagre/operators/keyed_process_operator.h"
#include "eagre/operators/reduce_operator.h"
#include "eagre/operators/sort_operator.h"
#include "eagre/operators/window_operator.h"
#include "eagre/ttl_state.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/failing_operator.h"
#include "tests/testing/operator_checkpoints.h"

namespace eagre {

struct CheckpointTestEvent {
  std::string user;
  int64_t amount = 0;
};
EAGRE_RECORD(CheckpointTestEvent, user, amount);

struct CheckpointTestSum {
  int64_t count = 0;
  int64_t total = 0;
};
EAGRE_RECORD(CheckpointTestSum, count, total);

namespace {

using namespace std::chrono_literals;  // NOLINT
using Event = CheckpointTestEvent;
using Sum = CheckpointTestSum;

std::unique_ptr<KeyExtractor<Event, std::string>> UserKey() {
  return std::make_unique<SelectorKeyExtractor<Event, std::string, std::string Event::*>>(&Event::user);
}

using Step = OperatorStep<Event>;

std::vector<Step> RandomEvents(Random& random) {
  constexpr int64_t kStepMs = 700;
  std::vector<Step> input;
  int64_t watermark = 0;
  const uint64_t users = 1 + random.Below(400);
  for (int i = 0; i < 60; ++i) {
    std::vector<Stamped<Event>> records(random.Below(200));
    for (auto& record : records) {
      record.value = {"user " + std::to_string(random.Below(users)), static_cast<int64_t>(random.Below(1000))};
      record.timestamp =
          watermark - kStepMs / 4 + static_cast<int64_t>(random.Below(static_cast<uint64_t>(kStepMs * 3)));
    }
    input.emplace_back(std::move(records));
    if (random.Below(2) == 0) input.emplace_back(watermark += static_cast<int64_t>(random.Below(kStepMs)));
  }
  input.emplace_back(kMaxWatermark);
  return input;
}

template <typename T>
EmittedTexts TakeTexts(OperatorHarness& harness) {
  EmittedTexts outputs;
  for (const Stamped<T>& record : harness.Take<T>()) {
    std::string text;
    ByteWriter writer(text);
    Codec<T>::Encode(record.value, writer);
    outputs.emplace_back(record.timestamp, std::move(text));
  }
  return outputs;
}

// Of an operator that emits T.
template <typename T>
OperatorSubject<Event> Plain(std::function<std::unique_ptr<Operator>()> make) {
  return {.make = std::move(make),
          .add_ports = [](OperatorHarness& harness) { harness.AddPort<T>(); },
          .take = &TakeTexts<T>};
}
template <typename T>
OperatorSubject<Event> Keyed(std::function<std::unique_ptr<Operator>()> make) {
  OperatorSubject<Event> subject = Plain<T>(std::move(make));
  subject.key = &Event::user;
  return subject;
}
OperatorSubject<Event> InOrder(OperatorSubject<Event> subject) {
  subject.in_order = true;
  return subject;
}

auto SumFolding() {
  return FoldByAggregate<Event>(Sum{}, [](Sum& sum, const Event& event) {
    ++sum.count;
    sum.total += event.amount;
  });
}
auto SumText() {
  return [](const std::string& user, const TimeWindow& window, const Sum& sum, Collector<std::string>& out) {
    out.Collect(fmt::format("{} {} {}/{}", user, window.start, sum.count, sum.total));
  };
}

class OperatorsCheckpointTest : public testing::TestWithParam<FailureMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, OperatorsCheckpointTest, testing::ValuesIn(kFailureModes),
                         testing::PrintToStringParamName());

TEST_P(OperatorsCheckpointTest, KeyedWindowsThatFold) {
  ExpectSurvives<Event>(Keyed<std::string>([] {
                          return MakeKeyedWindowOperator<Event, std::string>(Tumbling(1s), UserKey(), SumFolding(),
                                                                             EmitByFunction(SumText()));
                        }),
                        GetParam(), RandomEvents);
}

TEST_P(OperatorsCheckpointTest, KeyedWindowsThatReduce) {
  ExpectSurvives<Event>(Keyed<Event>([] {
                          return MakeWindowReduceOperator<Event, std::string>(
                              [](Event& sum, const Event& event) { sum.amount += event.amount; }, UserKey(),
                              Tumbling(300ms, 7ms));
                        }),
                        GetParam(), RandomEvents);
}

TEST_P(OperatorsCheckpointTest, KeyedWindowsThatHoldRecords) {
  ExpectSurvives<Event>(Keyed<std::string>([] {
                          return MakeKeyedWindowOperator<Event, std::string>(
                              Tumbling(1s), UserKey(), FoldByBuffering<Event>(),
                              EmitByFunction([](const std::string& user, const TimeWindow& window,
                                                const std::vector<Event>& events, Collector<std::string>& out) {
                                std::string text = user + std::to_string(window.start);
                                for (const Event& event : events) text += ' ' + std::to_string(event.amount);
                                out.Collect(text);
                              }));
                        }),
                        GetParam(), RandomEvents);
}

TEST(AllWindowCheckpointTest, WindowsOverAWholeStream) {
  // Its parallelism is one; a second subtask gets every other step's records, as an operator of its own.
  ExpectSurvives<Event>(Plain<std::string>([] {
                          return MakeAllWindowOperator<Event>(
                              Tumbling(100ms), SumFolding(),
                              EmitByFunction([](const TimeWindow& window, const Sum& sum, Collector<std::string>& out) {
                                out.Collect(fmt::format("{} {}/{}", window.start, sum.count, sum.total));
                              }));
                        }),
                        {}, RandomEvents);
}

TEST_P(OperatorsCheckpointTest, SortedKeyedRecords) {
  ExpectSurvives<Event>(InOrder(Keyed<Event>([] { return MakeSortOperator<Event>(); })), GetParam(), RandomEvents);
}

TEST_P(OperatorsCheckpointTest, SortedRecords) {
  ExpectSurvives<Event>(InOrder(Plain<Event>([] { return MakeSortOperator<Event>(); })), GetParam(), RandomEvents);
}

TEST_P(OperatorsCheckpointTest, RollingReduce) {
  ExpectSurvives<Event>(Keyed<Event>([] {
                          return MakeReduceOperator<Event>(
                              [](Event& sum, const Event& event) { sum.amount += event.amount; }, UserKey());
                        }),
                        GetParam(), RandomEvents);
}

// Calls check(make, add_port, count_of) for the operators that hold records back until their watermark has come.
template <typename Check>
void ForWindowsAndSort(Check&& check) {
  check(
      [] {
        return MakeKeyedWindowOperator<Event, std::string>(Tumbling(1s), UserKey(), SumFolding(),
                                                           EmitByFunction(SumText()));
      },
      [](OperatorHarness& harness) { harness.AddPort<std::string>(); },
      [](OperatorHarness& harness) { return harness.Take<std::string>().size(); });
  check([] { return MakeSortOperator<Event>(); }, [](OperatorHarness& harness) { harness.AddPort<Event>(); },
        [](OperatorHarness& harness) { return harness.Take<Event>().size(); });
}

TEST(OperatorsRestoredTest, WhatWasLateStaysLateAlthoughTheSourceBeginsBehind) {
  ForWindowsAndSort([](std::function<std::unique_ptr<Operator>()> make, auto add_port, auto count_of) {
    SeededRandom random(1);
    OperatorHarness before(HarnessMode::kBatches, make());
    add_port(before);
    EXPECT_TRUE(before.Open().ok());
    OperatorCheckpoints checkpoints(before.op<Operator>());
    checkpoints.Begin();
    EXPECT_TRUE(before.Push<Event>({{{"ann", 1}, 100}, {{"ann", 1}, 5000}}).ok());
    EXPECT_TRUE(before.Watermark(1999).ok());
    EXPECT_EQ(count_of(before), 1u);
    checkpoints.Seal(random);
    while (!checkpoints.Encode(random)) {
    }
    OperatorHarness after(HarnessMode::kBatches, make());
    add_port(after);
    EXPECT_TRUE(after.Open().ok());
    OperatorCheckpoints restored(after.op<Operator>());
    EXPECT_TRUE(restored.Restore({checkpoints.Stored()}, 0, 1, true).ok());
    EXPECT_TRUE(after.Push<Event>({{{"ann", 1}, 200}}).ok());
    EXPECT_TRUE(after.Watermark(50).ok());
    EXPECT_TRUE(after.Push<Event>({{{"ann", 1}, 300}}).ok());
    EXPECT_TRUE(after.Watermark(1999).ok());
    EXPECT_EQ(count_of(after), 0u);
    EXPECT_EQ(after.context().MetricValue("numLateRecordsDropped"), 2);
    EXPECT_TRUE(after.Watermark(kMaxWatermark).ok());
    EXPECT_EQ(count_of(after), 1u);
  });
}

// A user whose records the first of two subtasks gets, or the second.
std::string UserOfSubtask(int subtask) {
  for (int i = 0;; ++i) {
    std::string user = "user " + std::to_string(i);
    if (SubtaskOfKeyGroup(KeyGroupOf(KeyHash(user), 128), 2, 128) == subtask) return user;
  }
}

// A barrier that overtakes may find one subtask ahead of another in event time.
TEST(OperatorsRestoredTest, WhatASubtaskHadEmittedStaysEmittedWhereverTheOthersWere) {
  ForWindowsAndSort([](std::function<std::unique_ptr<Operator>()> make, auto add_port, auto count_of) {
    SeededRandom random(1);
    // What both subtasks store, restored from `stored` if there is anything.
    const auto checkpoint = [&](const std::vector<SubtaskCheckpoint>& stored, auto feed) {
      std::vector<SubtaskCheckpoint> all;
      for (int subtask = 0; subtask < 2; ++subtask) {
        OperatorHarness harness(HarnessMode::kBatches, make());
        harness.context().set_subtask(subtask, 2);
        harness.SetHasher(std::make_unique<ExtractorKeyHasher<Event, std::string>>(UserKey()));
        add_port(harness);
        EXPECT_TRUE(harness.Open().ok());
        OperatorCheckpoints checkpoints(harness.op<Operator>());
        if (stored.empty()) {
          checkpoints.Begin();
        } else {
          EXPECT_TRUE(checkpoints.Restore(stored, subtask, 2, /*may_inherit=*/true).ok());
        }
        feed(harness, subtask);
        checkpoints.Seal(random);
        while (!checkpoints.Encode(random)) {
        }
        all.push_back(checkpoints.Stored());
      }
      return all;
    };
    std::vector<SubtaskCheckpoint> stored = checkpoint({}, [&](OperatorHarness& harness, int subtask) {
      const std::string user = UserOfSubtask(subtask);
      EXPECT_TRUE(harness.Push<Event>({{{user, 1}, 100}, {{user, 1}, 5000}}).ok());
      EXPECT_TRUE(harness.Watermark(subtask == 0 ? 1999 : 50).ok());
      EXPECT_EQ(count_of(harness), subtask == 0 ? 1u : 0u);
    });
    // No watermark has come yet when the next barrier does.
    stored = checkpoint(stored, [](OperatorHarness&, int) {});
    checkpoint(stored, [&](OperatorHarness& harness, int subtask) {
      EXPECT_TRUE(harness.Push<Event>({{{UserOfSubtask(subtask), 1}, 200}}).ok());
      EXPECT_EQ(harness.context().MetricValue("numLateRecordsDropped"), subtask == 0 ? 1 : 0);
      EXPECT_TRUE(harness.Watermark(1999).ok());
      EXPECT_EQ(count_of(harness) > 0, subtask == 1);
      EXPECT_TRUE(harness.Watermark(kMaxWatermark).ok());
      EXPECT_EQ(count_of(harness), 1u);
    });
  });
}

// Sums until a key has been quiet for a while, then tells and forgets it.
class SumUntilQuiet : public KeyedProcessFunction<std::string, Event, std::string> {
 public:
  void ProcessElement(const Event& event, Context& context, Collector<std::string>& out) override {
    Sum& sum = sum_.Mutable();
    ++sum.count;
    sum.total += event.amount;
    if (const int64_t* at = quiet_at_.Get()) context.DeleteEventTimeTimer(*at);
    quiet_at_.Set(std::max(context.timestamp(), context.current_watermark()) + 900);
    context.RegisterEventTimeTimer(*quiet_at_.Get());
    if (event.amount % 50 == 0) out.Collect(event.user + " so far " + std::to_string(sum.total));
  }
  void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("{} {} {}/{}", context.key(), timestamp, sum_.Get()->count, sum_.Get()->total));
    sum_.Clear();
    quiet_at_.Clear();
  }

 private:
  ValueState<Sum> sum_{this, "sum"};
  ValueState<int64_t> quiet_at_{this, "quiet at"};
};

TEST_P(OperatorsCheckpointTest, KeyedFunctionsWithStateAndTimers) {
  ExpectSurvives<Event>(
      Keyed<std::string>(
          [] { return MakeKeyedProcessOperator<std::string, Event, std::string>(SumUntilQuiet(), UserKey(), {}); }),
      GetParam(), RandomEvents);
}

// Above a store that refuses writes an operator takes what it has room for, then nothing until the store goes on.
void ExpectWaitsForItsStore(std::unique_ptr<Operator> op, std::function<void(OperatorHarness&)> add_port) {
  MapStateBackend backend(1);
  bool refuses = true;
  backend.refuses = [&] { return refuses; };
  OperatorHarness harness(HarnessMode::kBatches, std::move(op));
  harness.context().set_state_backend(&backend);
  harness.SetHasher(std::make_unique<ExtractorKeyHasher<Event, std::string>>(UserKey()));
  add_port(harness);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Event>({{{"ann", 1}, 1}, {{"bob", 2}, 2}}).ok());
  Operator& subject = harness.op<Operator>();
  EXPECT_TRUE(subject.blocked());
  std::unique_ptr<Batch> batch = TypedBatch<Event>::Type().create();
  static_cast<TypedBatch<Event>&>(*batch).Append(3) = {"ann", 5};
  ExtractorKeyHasher<Event, std::string>(UserKey()).Hash(*batch);
  size_t position = 0;
  backend.EndStall();
  EXPECT_FALSE(subject.blocked());
  ASSERT_TRUE(subject.Process(0, batch, position).ok());
  EXPECT_EQ(position, 0u);
  EXPECT_TRUE(subject.blocked());
  refuses = false;
  backend.EndStall();
  ASSERT_TRUE(subject.Process(0, batch, position).ok());
  EXPECT_EQ(position, 1u);
  EXPECT_FALSE(subject.blocked());
}

TEST(OperatorsAboveAStoreTest, FunctionsWaitForIt) {
  ExpectWaitsForItsStore(
      MakeReduceOperator<Event>([](Event& sum, const Event& event) { sum.amount += event.amount; }, UserKey()),
      [](OperatorHarness& harness) { harness.AddPort<Event>(); });
}

// What a sealed row held is encoded before the row changes again; an operator that did so with much waits until a
// checkpoint has taken that.
TEST(OperatorsAboveAStoreTest, FunctionsWaitForACheckpointThatIsFarBehind) {
  const auto run = [](StateBackend* backend) {
    OperatorHarness harness(
        HarnessMode::kBatches,
        MakeReduceOperator<Event>([](Event& sum, const Event& event) { sum.amount += event.amount; }, UserKey()));
    harness.context().set_state_backend(backend);
    harness.AddPort<Event>();
    ASSERT_TRUE(harness.Open().ok());
    Operator& subject = harness.op<Operator>();
    OperatorCheckpoints checkpoints(subject);
    checkpoints.Begin();
    std::vector<Stamped<Event>> events;
    for (char i = 0; i < 50; ++i) events.push_back({{std::string(300'000, static_cast<char>('0' + i)), 1}, 1});
    SeededRandom random(1);
    ASSERT_TRUE(harness.Push(events).ok());
    checkpoints.Seal(random);
    EXPECT_FALSE(subject.blocked());
    ASSERT_TRUE(harness.Push(events).ok());
    EXPECT_TRUE(subject.blocked());
    while (!checkpoints.Encode(random)) {
    }
    EXPECT_FALSE(subject.blocked());
  };
  run(nullptr);
  MapStateBackend store(/*limit_bytes=*/0);
  run(&store);
}

// Has timers and no state.
class Reminder final : public KeyedProcessFunction<std::string, Event, std::string> {
 public:
  void ProcessElement(const Event&, Context& context, Collector<std::string>&) override {
    context.RegisterEventTimeTimer(context.timestamp() + 100);
    context.RegisterEventTimeTimer(context.timestamp() + 200);
    context.DeleteEventTimeTimer(context.timestamp() + 200);
  }
  void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("{} {}", context.key(), timestamp));
  }
};

TEST(OperatorsAboveAStoreTest, TimersWaitForIt) {
  const auto make = [] { return MakeKeyedProcessOperator<std::string, Event, std::string>(Reminder(), UserKey(), {}); };
  ExpectWaitsForItsStore(make(), [](OperatorHarness& harness) { harness.AddPort<std::string>(); });

  MapStateBackend backend(1);
  bool refuses = false;
  backend.refuses = [&] { return refuses; };
  OperatorHarness harness(HarnessMode::kBatches, make());
  harness.context().set_state_backend(&backend);
  harness.SetHasher(std::make_unique<ExtractorKeyHasher<Event, std::string>>(UserKey()));
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Event>({{{"ann", 1}, 1}, {{"bob", 2}, 2}}).ok());
  EXPECT_EQ(harness.context().MetricValue("timers"), 2);
  refuses = true;
  Operator& subject = harness.op<Operator>();
  bool done = true;
  ASSERT_TRUE(subject.OnWatermark(1000, done).ok());
  EXPECT_FALSE(done);
  EXPECT_TRUE(subject.blocked());
  refuses = false;
  backend.EndStall();
  EXPECT_FALSE(subject.blocked());
  ASSERT_TRUE(harness.Watermark(1000).ok());
  const std::vector<Stamped<std::string>> out = harness.Take<std::string>();
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].value, "ann 101");
  EXPECT_EQ(out[1].value, "bob 102");
  EXPECT_EQ(harness.context().MetricValue("timers"), 0);
}

// Keeps what it has seen of a user for a minute.
class SeenLately final : public KeyedProcessFunction<std::string, Event, std::string> {
 public:
  void ProcessElement(const Event& event, Context&, Collector<std::string>& out) override {
    out.Collect(fmt::format("{} #{}", event.user, ++seen_.Mutable()));
  }

 private:
  TtlValueState<int64_t> seen_{this, "seen", StateTtl(1min)};
};

TEST(OperatorsAboveAStoreTest, WhatHasExpiredGoesFromTheStore) {
  MapStateBackend backend(1);
  OperatorHarness harness(HarnessMode::kBatches,
                          MakeKeyedProcessOperator<std::string, Event, std::string>(SeenLately(), UserKey(), {}));
  harness.context().set_state_backend(&backend);
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(harness.Push<Event>({{{std::to_string(i), 1}, i}}).ok());
  EXPECT_EQ(harness.context().MetricValue("keyedStateKeys"), 3000);
  // Each step takes its time; the user who is busy meanwhile stays.
  int64_t now_ms = 0;
  for (; now_ms < 70'000; now_ms += 100) {
    ASSERT_TRUE(harness.ProcessingTime(now_ms).ok());
    ASSERT_TRUE(harness.Push<Event>({{{"17", 1}, 0}}).ok());
    if (now_ms == 59'900) {
      EXPECT_EQ(harness.context().MetricValue("keyedStateKeys"), 3000);
    }
  }
  EXPECT_EQ(harness.context().MetricValue("keyedStateKeys"), 1);
  EXPECT_EQ(harness.Take<std::string>().back().value, "17 #701");
}

TEST(OperatorsAboveAStoreTest, WindowsWaitForIt) {
  ExpectWaitsForItsStore(
      MakeWindowReduceOperator<Event, std::string>([](Event& sum, const Event& event) { sum.amount += event.amount; },
                                                   UserKey(), Tumbling(300ms)),
      [](OperatorHarness& harness) { harness.AddPort<Event>(); });
}

}  // namespace
}  // namespace eagre
