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

// What an enumerator gives, by subtask.
struct Given final : SplitEnumerator::Context {
  explicit Given(int readers) : splits(static_cast<size_t>(readers)), no_more(static_cast<size_t>(readers)) {}
  int parallelism() const override { return static_cast<int>(splits.size()); }
  const Configuration& config() const override { return configuration; }
  const Clock& clock() const override { return manual_clock; }
  void AssignSplits(int subtask, std::vector<SourceSplit> given) override {
    for (const SourceSplit& split : given) splits[static_cast<size_t>(subtask)].push_back(split.id);
  }
  void SignalNoMoreSplits(int subtask) override { no_more[static_cast<size_t>(subtask)] = true; }
  void PostAfter(int64_t, std::function<Status()>) override {}

  Configuration configuration;
  ManualClock manual_clock;
  std::vector<std::vector<std::string>> splits;
  std::vector<bool> no_more;
};

// Or a slow starter's records would come when event time is at its end: all of them late.
TEST(GeneratorTest, AReaderThatAsksLateStillGetsItsOwnShare) {
  IndexRangeEnumerator enumerator({.count = 10});
  Given given(2);
  ASSERT_TRUE(enumerator.Start(given).ok());
  ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
  ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
  EXPECT_TRUE(given.no_more[0]);
  EXPECT_FALSE(given.no_more[1]);
  ASSERT_TRUE(enumerator.OnSplitRequest(1).ok());
  EXPECT_THAT(given.splits, ElementsAre(ElementsAre("range-0-of-2"), ElementsAre("range-1-of-2")));
}

TEST(GeneratorTest, SharesThatWereNotGivenOutGoToFewerReadersAfterARestore) {
  IndexRangeEnumerator before({.count = 10});
  Given four(4);
  ASSERT_TRUE(before.Start(four).ok());
  ASSERT_TRUE(before.OnSplitRequest(1).ok());
  IndexRangeEnumerator after({.count = 10});
  Given two(2);
  ASSERT_TRUE(after.Restore(before.Snapshot()).ok());
  ASSERT_TRUE(after.Start(two).ok());
  ASSERT_TRUE(after.OnSplitRequest(0).ok());
  ASSERT_TRUE(after.OnSplitRequest(1).ok());
  EXPECT_THAT(two.splits, ElementsAre(ElementsAre("range-0-of-4", "range-2-of-4"), ElementsAre("range-3-of-4")));
}

TEST(GeneratorTest, AReaderOfSeveralSharesMakesTheirRecordsInOrder) {
  IndexRangeReader reader({.count = 100});
  ASSERT_TRUE(reader
                  .AddSplits({IndexRange{.split = 1, .splits = 2, .block = 8}.Encode(),
                              IndexRange{.split = 0, .splits = 2, .block = 8}.Encode()})
                  .ok());
  reader.NoMoreSplits();
  std::vector<int64_t> made;
  for (;;) {
    const IndexRangeReader::Run run = reader.Next(5);
    if (run.result == ReadResult::kEnd) break;
    ASSERT_EQ(run.result, ReadResult::kMore);
    EXPECT_EQ(reader.split_id(), run.first / 8 % 2 == 0 ? "range-0-of-2" : "range-1-of-2");
    for (int64_t i = 0; i < run.count; ++i) made.push_back(run.first + i);
    reader.Advance(run.count);
  }
  ASSERT_EQ(made.size(), 100u);
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(made[static_cast<size_t>(i)], i);
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
