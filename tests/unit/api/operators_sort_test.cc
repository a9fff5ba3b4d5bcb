// SortByEventTime: order, stability, lateness, hashes carried through, and the limit of what is held.
#include "eagre/operators/sort_operator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "eagre/testing/operator_harness.h"
#include "runtime/key_extractor.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SortOperatorTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, SortOperatorTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

template <typename T>
std::unique_ptr<OperatorHarness> Opened(HarnessMode mode, std::unique_ptr<Operator> op) {
  auto harness = std::make_unique<OperatorHarness>(mode, std::move(op));
  harness->AddPort<T>();
  EXPECT_TRUE(harness->Open().ok());
  return harness;
}

std::vector<std::string> Texts(OperatorHarness& harness) {
  std::vector<std::string> texts;
  for (const auto& item : harness.TakeAll<std::string>()) {
    texts.push_back(item.event ? "watermark " + std::to_string(item.timestamp)
                               : item.value + "@" + std::to_string(item.timestamp));
  }
  return texts;
}

TEST_P(SortOperatorTest, HoldsRecordsUntilTheWatermarkHasPassedThem) {
  auto harness = Opened<std::string>(GetParam(), MakeSortOperator<std::string>());
  ASSERT_TRUE(harness->Push<std::string>({{"c", 300}, {"a", 100}, {"b", 200}, {"far", 100'000}}).ok());
  EXPECT_THAT(Texts(*harness), IsEmpty());
  ASSERT_TRUE(harness->Watermark(199).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("a@100", "watermark 199"));
  ASSERT_TRUE(harness->Push<std::string>({{"between", 250}}).ok());
  ASSERT_TRUE(harness->Watermark(300).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("b@200", "between@250", "c@300", "watermark 300"));
  ASSERT_TRUE(harness->Watermark(kMaxWatermark).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("far@100000", "watermark 9223372036854775807"));
}

TEST_P(SortOperatorTest, EqualTimesKeepTheOrderOfArrival) {
  auto harness = Opened<std::string>(GetParam(), MakeSortOperator<std::string>());
  ASSERT_TRUE(harness->Push<std::string>({{"x", 5}, {"b", 4}, {"a", 5}, {"m", 5}}).ok());
  ASSERT_TRUE(harness->Watermark(5).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("b@4", "x@5", "a@5", "m@5", "watermark 5"));
}

TEST_P(SortOperatorTest, OrAreOrderedByTheUser) {
  auto harness = Opened<std::string>(
      GetParam(), MakeSortOperator<std::string>([](const std::string& a, const std::string& b) { return a < b; }));
  ASSERT_TRUE(harness->Push<std::string>({{"x", 5}, {"b", 4}, {"a", 5}, {"m", 5}}).ok());
  ASSERT_TRUE(harness->Watermark(5).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("b@4", "a@5", "m@5", "x@5", "watermark 5"));
}

TEST_P(SortOperatorTest, LateRecordsAreDroppedAndCounted) {
  auto harness = Opened<std::string>(GetParam(), MakeSortOperator<std::string>());
  ASSERT_TRUE(harness->Watermark(100).ok());
  ASSERT_TRUE(harness->Push<std::string>({{"late", 100}, {"in time", 101}, {"later", -5}}).ok());
  ASSERT_TRUE(harness->Watermark(200).ok());
  EXPECT_THAT(Texts(*harness), ElementsAre("watermark 100", "in time@101", "watermark 200"));
  EXPECT_EQ(harness->context().MetricValue("numLateRecordsDropped"), 2);
}

TEST_P(SortOperatorTest, ARecordWithoutTimeIsAClearError) {
  auto harness = Opened<std::string>(GetParam(), MakeSortOperator<std::string>());
  EXPECT_THAT(std::string(StatusMessage(harness->Push<std::string>({{"a", kNoTimestamp}}))),
              HasSubstr("give the stream event time by WithWatermarks"));
}

TEST_P(SortOperatorTest, KeyHashesGoThrough) {
  OperatorHarness harness(GetParam(), MakeSortOperator<std::string>());
  harness.AddPort<std::string>();
  const auto selector = [](const std::string& value) -> const std::string& { return value; };
  harness.SetHasher(std::make_unique<ExtractorKeyHasher<std::string, std::string>>(
      std::make_unique<SelectorKeyExtractor<std::string, std::string, decltype(selector)>>(selector)));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<std::string>({{"b", 2}, {"a", 1}, {"c", 3}}).ok());
  ASSERT_TRUE(harness.Watermark(10).ok());
  int records = 0;
  for (const auto& item : harness.TakeAll<std::string>()) {
    if (item.event) continue;
    ++records;
    EXPECT_TRUE(item.keyed);
    EXPECT_EQ(item.hash, KeyHash(item.value));
  }
  EXPECT_EQ(records, 3);
}

TEST_P(SortOperatorTest, HoldingTooMuchFailsAndNamesTheOperatorAndTheKey) {
  OperatorHarness harness(GetParam(), MakeSortOperator<std::string>());
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.context().mutable_config().Set("execution.sort.max-buffered-size", "100kb", "test").ok());
  ASSERT_TRUE(harness.Open().ok());
  const std::string text(1000, 'x');
  for (int64_t i = 0; i < 90; ++i) ASSERT_TRUE(harness.Push<std::string>({{text, i}}).ok());
  ASSERT_TRUE(harness.Watermark(80).ok());
  for (int64_t i = 100; i < 180; ++i)
    ASSERT_TRUE(harness.Push<std::string>({{text, i}}).ok()) << "emitted ones count no more";
  Status status;
  for (int64_t i = 200; i < 230 && status.ok(); ++i) status = harness.Push<std::string>({{text, i}});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("operator 'test' holds"));
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("'execution.sort.max-buffered-size' = 100kb"));
}

TEST_P(SortOperatorTest, RandomInputComesOutInOrder) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SeededRandom random(seed);
    auto harness = Opened<int64_t>(GetParam(), MakeSortOperator<int64_t>());
    const uint64_t disorder = seed % 2 == 0 ? 50 : 5000;
    const int64_t per_ms = seed <= 2 ? 20 : 1;
    int64_t watermark = kNoTimestamp;
    std::vector<Stamped<int64_t>> pending;
    std::vector<Stamped<int64_t>> expected;
    std::vector<Stamped<int64_t>> actual;
    int64_t late = 0;
    for (int64_t i = 0; i < 20'000;) {
      std::vector<Stamped<int64_t>> batch;
      for (uint64_t n = random.Below(700); n > 0; --n, ++i) {
        batch.push_back({i, i / per_ms - static_cast<int64_t>(random.Below(disorder))});
        if (batch.back().timestamp <= watermark) {
          ++late;
        } else {
          pending.push_back(batch.back());
        }
      }
      ASSERT_TRUE(harness->Push(batch).ok());
      watermark = std::max(watermark, i / per_ms - static_cast<int64_t>(disorder / 2));
      ASSERT_TRUE(harness->Watermark(watermark).ok());
      std::stable_sort(pending.begin(), pending.end(),
                       [](const auto& a, const auto& b) { return a.timestamp < b.timestamp; });
      const auto due =
          std::find_if(pending.begin(), pending.end(), [&](const auto& r) { return r.timestamp > watermark; });
      expected.insert(expected.end(), pending.begin(), due);
      pending.erase(pending.begin(), due);
      const auto emitted = harness->Take<int64_t>();
      actual.insert(actual.end(), emitted.begin(), emitted.end());
    }
    ASSERT_EQ(actual, expected);
    EXPECT_GT(late, 0);
    EXPECT_EQ(harness->context().MetricValue("numLateRecordsDropped"), static_cast<double>(late));
    EXPECT_EQ(harness->context().MetricValue("sortBufferedRecords"), static_cast<double>(pending.size()));
  }
}

}  // namespace
}  // namespace eagre
