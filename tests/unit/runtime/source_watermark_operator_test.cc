// WithWatermarks in the middle of a stream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "eagre/operators/watermark_operator.h"
#include "eagre/testing/operator_harness.h"

namespace eagre {
namespace {

using std::chrono_literals::operator""ms;

struct Reading {
  int64_t at = 0;
  std::string sensor;
};
EAGRE_RECORD(Reading, at, sensor);

class WatermarkOperatorTest : public testing::TestWithParam<HarnessMode> {
 protected:
  std::vector<ControlEvent> Events(OperatorHarness& harness) {
    std::vector<ControlEvent> events;
    for (const Emitted<Reading>& item : harness.TakeAll<Reading>()) {
      if (item.event) events.push_back({item.kind, item.timestamp});
    }
    return events;
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, WatermarkOperatorTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

TEST_P(WatermarkOperatorTest, GivesRecordsTheirTimestampsAndMakesWatermarks) {
  OperatorHarness harness(GetParam(),
                          MakeWatermarkOperator<Reading>(BoundedOutOfOrderness(5ms).WithTimestamps(&Reading::at)));
  harness.AddPort<Reading>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Reading>({{{10, "a"}, 0}, {{30, "b"}, 1}, {{20, "c"}, 2}}).ok());
  const std::vector<Stamped<Reading>> records = harness.Take<Reading>();
  ASSERT_EQ(records.size(), 3u);
  for (const Stamped<Reading>& record : records) EXPECT_EQ(record.timestamp, record.value.at);
  ASSERT_TRUE(harness.ProcessingTime(200).ok());
  const std::vector<ControlEvent> events = Events(harness);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].value, 30 - 5 - 1);
}

TEST_P(WatermarkOperatorTest, DropsWatermarksFromBeforeButTheLast) {
  OperatorHarness harness(GetParam(), MakeWatermarkOperator<Reading>(Monotonous().WithTimestamps(&Reading::at)));
  harness.AddPort<Reading>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Watermark(500).ok());
  EXPECT_TRUE(Events(harness).empty());
  ASSERT_TRUE(harness.Watermark(kMaxWatermark).ok());
  const std::vector<ControlEvent> events = Events(harness);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].value, kMaxWatermark);
}

TEST_P(WatermarkOperatorTest, WithoutASelectorTimestampsStay) {
  OperatorHarness harness(GetParam(), MakeWatermarkOperator<Reading>(Monotonous()));
  harness.AddPort<Reading>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Reading>({{{10, "a"}, 7}}).ok());
  EXPECT_EQ(harness.Take<Reading>()[0].timestamp, 7);
  ASSERT_TRUE(harness.ProcessingTime(200).ok());
  EXPECT_EQ(Events(harness)[0].value, 6);
}

TEST_P(WatermarkOperatorTest, AStreamThatNeverHadARecordIsIdleAfterItsTimeoutToo) {
  for (const Watermarks& strategy : {Monotonous().WithIdleness(1000ms), NoWatermarks().WithIdleness(1000ms)}) {
    OperatorHarness harness(GetParam(), MakeWatermarkOperator<Reading>(strategy));
    harness.AddPort<Reading>();
    ASSERT_TRUE(harness.Open().ok());
    for (int64_t now_ms = 200; now_ms < 1000; now_ms += 200) ASSERT_TRUE(harness.ProcessingTime(now_ms).ok());
    EXPECT_TRUE(Events(harness).empty());
    for (int64_t now_ms = 1000; now_ms < 2000; now_ms += 200) ASSERT_TRUE(harness.ProcessingTime(now_ms).ok());
    std::vector<ControlEvent> events = Events(harness);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, ControlEvent::Kind::kIdle);
    ASSERT_TRUE(harness.Push<Reading>({{{10, "a"}, 7}}).ok());
    events = Events(harness);
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events[0].kind, ControlEvent::Kind::kActive);
  }
}

TEST_P(WatermarkOperatorTest, AStreamWithoutWatermarksAndIdlenessHasNoTimer) {
  OperatorHarness harness(GetParam(), MakeWatermarkOperator<Reading>(NoWatermarks()));
  harness.AddPort<Reading>();
  ASSERT_TRUE(harness.Open().ok());
  EXPECT_EQ(harness.op<Operator>().NextProcessingTimeMs(), kMaxWatermark);
}

TEST(WatermarkSettingsTest, TimestampsAtTheEndsOfTimeDoNotWrapAround) {
  const WatermarkSettings settings = BoundedOutOfOrderness(1000ms).settings();
  EXPECT_EQ(settings.WatermarkAfter(kNoTimestamp), kNoTimestamp);
  EXPECT_EQ(settings.WatermarkAfter(kNoTimestamp + 5), kNoTimestamp);
  EXPECT_EQ(settings.WatermarkAfter(1000), -1);
  EXPECT_EQ(NoWatermarks().settings().WatermarkAfter(1000), kNoTimestamp);
}

}  // namespace
}  // namespace eagre
