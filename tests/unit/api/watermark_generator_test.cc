#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include <eagre/eagre.h>

#include "eagre/operators/watermark_operator.h"
#include "eagre/testing/operator_harness.h"
#include "eagre/testing/source_harness.h"
#include "eagre/watermark_generator.h"
#include "tests/testing/gate.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

struct Mark {
  int64_t at = 0;
  bool mark = false;
};
EAGRE_RECORD(Mark, at, mark);

// Some records are marks of time.
class Punctuated final : public WatermarkGenerator<Mark> {
 public:
  void OnEvent(const Mark& event, int64_t timestamp_ms, WatermarkOutput& out) override {
    if (event.mark) out.EmitWatermark(timestamp_ms);
  }
};

// Half of the largest timestamp, when asked.
class Half final : public WatermarkGenerator<Mark> {
 public:
  void OnEvent(const Mark&, int64_t timestamp_ms, WatermarkOutput&) override {
    largest_ms_ = std::max(largest_ms_, timestamp_ms);
  }
  void OnPeriodicEmit(WatermarkOutput& out) override { out.EmitWatermark(largest_ms_ / 2); }

 private:
  int64_t largest_ms_ = 0;
};

template <typename Generator>
WatermarkStrategy<Mark> StrategyOf() {
  return WatermarkStrategy<Mark>::ForGenerator([] { return std::make_unique<Generator>(); }).WithTimestamps(&Mark::at);
}

std::vector<int64_t> TakeWatermarks(OperatorHarness& harness) {
  std::vector<int64_t> watermarks;
  for (const Emitted<Mark>& item : harness.TakeAll<Mark>()) {
    if (item.event && item.kind == ControlEvent::Kind::kWatermark) watermarks.push_back(item.timestamp);
  }
  return watermarks;
}

class WatermarkGeneratorTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, WatermarkGeneratorTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

TEST_P(WatermarkGeneratorTest, APunctuatedWatermarkFollowsItsRecordsAtOnceAndNeverGoesBack) {
  OperatorHarness harness(GetParam(), MakeWatermarkOperator<Mark>(StrategyOf<Punctuated>()));
  harness.AddPort<Mark>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Mark>({{{10, false}, 0}}).ok());
  EXPECT_THAT(TakeWatermarks(harness), IsEmpty());
  ASSERT_TRUE(harness.Push<Mark>({{{20, true}, 0}}).ok());
  EXPECT_THAT(TakeWatermarks(harness), ElementsAre(20));
  ASSERT_TRUE(harness.Push<Mark>({{{15, true}, 0}}).ok());
  EXPECT_THAT(TakeWatermarks(harness), IsEmpty());
}

TEST_P(WatermarkGeneratorTest, APeriodicWatermarkIsAskedForAtTheInterval) {
  OperatorHarness harness(GetParam(), MakeWatermarkOperator<Mark>(StrategyOf<Half>()));
  harness.AddPort<Mark>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Mark>({{{100, false}, 0}, {{300, false}, 0}}).ok());
  EXPECT_THAT(TakeWatermarks(harness), IsEmpty());
  ASSERT_TRUE(harness.ProcessingTime(200).ok());
  EXPECT_THAT(TakeWatermarks(harness), ElementsAre(150));
  ASSERT_TRUE(harness.ProcessingTime(400).ok());
  EXPECT_THAT(TakeWatermarks(harness), IsEmpty());
}

TEST(SourceWatermarkGeneratorTest, EverySplitHasAGeneratorOfItsOwnAndTheSlowestCounts) {
  // Block i of 1024 records is a split's; the marks of each are behind the other's.
  SourceHarness<Mark> harness(Generate<Mark>(4096,
                                             [](int64_t i) {
                                               return Mark{i, i % 100 == 0};
                                             }),
                              StrategyOf<Punctuated>(), 2);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.RunToEnd(5).ok());
  for (int reader = 0; reader < 2; ++reader) {
    int64_t watermark = kNoTimestamp;
    for (const Emitted<Mark>& item : harness.log(reader)) {
      if (item.event && item.kind == ControlEvent::Kind::kWatermark) {
        EXPECT_EQ(item.timestamp % 100, 0);
        watermark = item.timestamp;
      } else if (!item.event && watermark != kNoTimestamp) {
        EXPECT_GT(item.value.at, watermark);
      }
    }
    EXPECT_GT(watermark, 2000);
  }
}

TEST_P(WatermarkGeneratorTest, AStreamWithoutRecordsIsIdleAfterItsTimeout) {
  OperatorHarness harness(GetParam(), MakeWatermarkOperator<Mark>(StrategyOf<Punctuated>().WithIdleness(1s)));
  harness.AddPort<Mark>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Mark>({{{20, true}, 0}}).ok());
  ASSERT_TRUE(harness.ProcessingTime(200).ok());
  harness.TakeAll<Mark>();
  for (int64_t now_ms = 400; now_ms <= 1'600; now_ms += 200) ASSERT_TRUE(harness.ProcessingTime(now_ms).ok());
  std::vector<ControlEvent::Kind> events;
  for (const Emitted<Mark>& item : harness.TakeAll<Mark>()) {
    if (item.event) events.push_back(item.kind);
  }
  EXPECT_THAT(events, ElementsAre(ControlEvent::Kind::kIdle));
  ASSERT_TRUE(harness.Push<Mark>({{{30, true}, 0}}).ok());
  events.clear();
  for (const Emitted<Mark>& item : harness.TakeAll<Mark>()) {
    if (item.event) events.push_back(item.kind);
  }
  EXPECT_THAT(events, testing::Contains(ControlEvent::Kind::kActive));
}

// What each record sees of event time: its own, and the watermark before it.
TEST(WatermarkGeneratorJobTest, AGeneratorOfOnesOwnMakesTheTimeOfAJob) {
  for (const bool behind_read : {true, false}) {
    LocalJob job;
    job.SetParallelism(1);
    auto read = job.Read(Generate<Mark>(10'240, [](int64_t i) { return Mark{i, i % 100 == 0}; }));
    DataStream<Mark> marks =
        behind_read ? DataStream<Mark>(read.WithWatermarks(StrategyOf<Punctuated>()))
                    : read.Map([](const Mark& mark) { return mark; }).WithWatermarks(StrategyOf<Punctuated>());
    const auto seen =
        marks.Process([](const Mark& mark, ProcessContext& context, Collector<std::pair<int64_t, int64_t>>& out) {
          if (context.timestamp() != mark.at) throw std::runtime_error("a record without its timestamp");
          out.Collect({mark.at, context.current_watermark()});
        });
    const auto pairs = seen.ExecuteAndCollect();
    ASSERT_TRUE(pairs.ok()) << StatusMessage(pairs.status());
    ASSERT_EQ(pairs->size(), 10'240u);
    int64_t last = kNoTimestamp;
    for (const auto& [at, watermark] : *pairs) {
      ASSERT_GE(watermark, last);
      ASSERT_LT(watermark, at);
      ASSERT_TRUE(watermark == kNoTimestamp || watermark % 100 == 0) << watermark << " is the time of no mark";
      last = watermark;
    }
    EXPECT_GT(last, 8'000) << "the marks did not move event time";
  }
}

class OpenByTimer final : public KeyedProcessFunction<int64_t, Mark, int64_t> {
 public:
  explicit OpenByTimer(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  void ProcessElement(const Mark& mark, Context& context, Collector<int64_t>&) override {
    context.RegisterEventTimeTimer(mark.at);
  }
  void OnTimer(int64_t timestamp, OnTimerContext&, Collector<int64_t>& out) override {
    gate_->Open();
    out.Collect(timestamp);
  }

 private:
  std::shared_ptr<Gate> gate_;
};

// Of two streams in one operator one is silent, after its first record or from the start. Timers must not wait for it:
// it goes on only when one has fired.
class IdleStreamTest : public testing::TestWithParam<bool> {
 protected:
  void ExpectTimersInSpiteOfASilentStream(const WatermarkStrategy<Mark>& of_the_silent) {
    LocalJob job;
    job.SetParallelism(1);
    job.Set("pipeline.auto-watermark-interval", "10 ms");
    auto gate = std::make_shared<Gate>();
    const auto read_until = [&job, gate](std::vector<Mark> marks, size_t waits_at) {
      auto wait = [gate, waits_at, count = size_t{0}](const Mark& mark) mutable {
        if (count++ == waits_at && !gate->Wait()) throw std::runtime_error("no timer fired beside the silent stream");
        return mark;
      };
      auto waiting = job.Read(FromValues<Mark>(std::move(marks))).Map(wait).Blocking();
      return waiting.Map([](const Mark& mark) { return mark; });
    };
    // Neither ends before: what has ended says nothing about what the idle stream may still bring.
    auto busy =
        read_until({{100, false}, {200, true}, {300, true}, {400, true}}, 3).WithWatermarks(StrategyOf<Punctuated>());
    auto silent = read_until({{0, true}, {1, true}}, GetParam() ? 1 : 0).WithWatermarks(of_the_silent);
    auto times =
        busy.Union(silent).KeyBy([](const Mark&) { return int64_t{0}; }).Process(OpenByTimer(gate)).ExecuteAndCollect();
    ASSERT_TRUE(times.ok()) << StatusMessage(times.status());
    EXPECT_THAT(*times, testing::IsSupersetOf({100, 200, 300, 400}));
  }
};
INSTANTIATE_TEST_SUITE_P(Silent, IdleStreamTest, testing::Bool(),
                         [](const auto& silent) { return silent.param ? "AfterARecord" : "FromTheStart"; });

TEST_P(IdleStreamTest, WithAGeneratorDoesNotHoldEventTimeBack) {
  ExpectTimersInSpiteOfASilentStream(StrategyOf<Punctuated>().WithIdleness(50ms));
}

TEST_P(IdleStreamTest, WithTimestampsDoesNotHoldEventTimeBack) {
  ExpectTimersInSpiteOfASilentStream(Monotonous().WithIdleness(50ms).WithTimestamps(&Mark::at));
}

// As for rules that have no time of their own.
TEST_P(IdleStreamTest, WithoutWatermarksDoesNotHoldEventTimeBack) {
  ExpectTimersInSpiteOfASilentStream(NoWatermarks().WithIdleness(50ms));
}

}  // namespace
}  // namespace eagre
