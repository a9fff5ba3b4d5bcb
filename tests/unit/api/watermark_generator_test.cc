#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "connectors/generator/generator.h"
#include "eagre/operators/watermark_operator.h"
#include "eagre/testing/operator_harness.h"
#include "eagre/testing/source_harness.h"
#include "eagre/watermark_generator.h"

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

}  // namespace
}  // namespace eagre
