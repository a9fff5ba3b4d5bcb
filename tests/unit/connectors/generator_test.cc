#include "connectors/generator/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "eagre/testing/source_harness.h"

namespace eagre {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(GeneratorTest, EveryIndexIsMadeOnceAtAnyParallelism) {
  for (const int parallelism : {1, 2, 3, 7}) {
    for (const int64_t count : {0, 1, 5, 5000}) {
      SourceHarness<int64_t> harness(Generate<int64_t>(count, [](int64_t i) { return i * i; }), NoWatermarks(),
                                     parallelism);
      ASSERT_TRUE(harness.Open().ok());
      ASSERT_TRUE(harness.RunToEnd(1).ok());
      std::vector<int64_t> records = harness.AllRecords();
      std::sort(records.begin(), records.end());
      ASSERT_EQ(records.size(), static_cast<size_t>(count));
      for (int64_t i = 0; i < count; ++i) ASSERT_EQ(records[static_cast<size_t>(i)], i * i);
    }
  }
}

TEST(GeneratorTest, ReadersStayAtNeighbouringIndices) {
  SourceHarness<int64_t> harness(Generate<int64_t>(100'000, [](int64_t i) { return i; }), NoWatermarks(), 2);
  ASSERT_TRUE(harness.Open().ok());
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(harness.Step(0).ok());
    ASSERT_TRUE(harness.Step(1).ok());
  }
  const int64_t a = harness.Records(0).back();
  const int64_t b = harness.Records(1).back();
  EXPECT_EQ(b - a, 1024);
}

TEST(GeneratorTest, AFunctionMayFillTheRecordInPlace) {
  SourceHarness<std::string> harness(
      Generate<std::string>(3, [](int64_t i, std::string& text) { text.assign(static_cast<size_t>(i), 'x'); }),
      NoWatermarks(), 1);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.RunToEnd().ok());
  EXPECT_THAT(harness.AllRecords(), ElementsAre("", "x", "xx"));
}

TEST(GeneratorTest, ARateMakesEachRecordWhenItIsDueAndNotBefore) {
  SourceHarness<int64_t> harness(Generate<int64_t>(1000, [](const Due& due) { return due.ns; }).RatePerSecond(100),
                                 NoWatermarks(), 2);
  harness.clock().now_ms = 5000;
  ASSERT_TRUE(harness.Open().ok());
  const auto step_until_nothing = [&](int64_t now_ms) {
    ASSERT_TRUE(harness.ProcessingTime(now_ms).ok());
    for (int i = 0; i < 2; ++i) {
      while (*harness.Step(i) == SourceOperator::Produced::kMore) {
      }
    }
  };
  step_until_nothing(5000);
  EXPECT_THAT(harness.Records(0), ElementsAre(5'000'000'000));
  EXPECT_THAT(harness.Records(1), IsEmpty());
  step_until_nothing(5009);
  EXPECT_THAT(harness.Records(1), IsEmpty());
  EXPECT_EQ(harness.reader(1).op<Operator>().NextProcessingTimeMs(), 5010);
  step_until_nothing(5010);
  EXPECT_THAT(harness.Records(1), ElementsAre(5'010'000'000));
  // A source that was held up makes up for it, on the same schedule.
  step_until_nothing(5050);
  EXPECT_THAT(harness.Records(0), ElementsAre(5'000'000'000, 5'020'000'000, 5'040'000'000));
  EXPECT_THAT(harness.Records(1), ElementsAre(5'010'000'000, 5'030'000'000, 5'050'000'000));
  // The event time is the time at which the record is due.
  EXPECT_EQ(harness.log(1).back().timestamp, 5050);
  step_until_nothing(100'000);
  EXPECT_TRUE(harness.all_ended());
  EXPECT_EQ(harness.AllRecords().size(), 1000u);
}

TEST(GeneratorTest, TheScheduleDoesNotDrift) {
  EXPECT_EQ(DueNs(0, 3), 0);
  EXPECT_EQ(DueNs(3, 3), 1'000'000'000);
  EXPECT_EQ(DueNs(100'000 * int64_t{86'400}, 100'000), int64_t{86'400} * 1'000'000'000);
  EXPECT_EQ(DueNs(100'001, 100'000), 1'000'010'000);
}

TEST(GeneratorTest, ABadRateIsRefused) {
  SourceHarness<int64_t> harness(Generate<int64_t>([](int64_t i) { return i; }).RatePerSecond(-1), NoWatermarks(), 1);
  EXPECT_THAT(std::string(StatusMessage(harness.Open())), HasSubstr("rate of -1 per second"));
}

TEST(GeneratorTest, WithoutACountItIsUnbounded) {
  EXPECT_EQ(Generate<int64_t>([](int64_t i) { return i; }).boundedness(), Boundedness::kContinuousUnbounded);
  EXPECT_EQ(Generate<int64_t>(5, [](int64_t i) { return i; }).boundedness(), Boundedness::kBounded);
}

TEST(FromValuesTest, OneSubtaskReadsThemInOrder) {
  SourceHarness<std::string> harness(FromValues<std::string>({"a", "b", "c"}), NoWatermarks(), 1);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.RunToEnd().ok());
  EXPECT_THAT(harness.AllRecords(), ElementsAre("a", "b", "c"));
}

}  // namespace
}  // namespace eagre
