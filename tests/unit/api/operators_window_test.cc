// Tumbling windows: every form of function, lateness, resumable firing, and random input against brute force.
#include "eagre/operators/window_operator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "eagre/testing/operator_harness.h"
#include "tests/testing/map_state_backend.h"

namespace eagre {

struct WindowTestPayment {
  std::string user;
  int64_t amount = 0;
};
EAGRE_RECORD(WindowTestPayment, user, amount);

struct WindowTestSpend {
  int64_t payments = 0;
  int64_t total = 0;
};
EAGRE_RECORD(WindowTestSpend, payments, total);

namespace {

using namespace std::chrono_literals;  // NOLINT
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Payment = WindowTestPayment;
using Spend = WindowTestSpend;

class WindowOperatorTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, WindowOperatorTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

std::unique_ptr<KeyExtractor<Payment, std::string>> UserKey() {
  return std::make_unique<SelectorKeyExtractor<Payment, std::string, std::string Payment::*>>(&Payment::user);
}

template <typename Out>
std::unique_ptr<OperatorHarness> Opened(HarnessMode mode, std::unique_ptr<Operator> op) {
  auto harness = std::make_unique<OperatorHarness>(mode, std::move(op));
  harness->template AddPort<Out>();
  harness->SetHasher(std::make_unique<ExtractorKeyHasher<Payment, std::string>>(UserKey()));
  EXPECT_TRUE(harness->Open().ok());
  return harness;
}

// Folds sums and writes "user [start,end): payments/total".
std::unique_ptr<Operator> SumWindows(TumblingEventTimeWindows windows) {
  return MakeKeyedWindowOperator<Payment, std::string>(
      windows, UserKey(),
      FoldByAggregate<Payment>(Spend{},
                               [](Spend& spend, const Payment& payment) {
                                 ++spend.payments;
                                 spend.total += payment.amount;
                               }),
      EmitByFunction(
          [](const std::string& user, const TimeWindow& window, const Spend& spend, Collector<std::string>& out) {
            out.Collect(fmt::format("{} [{},{}): {}/{}", user, window.start, window.end, spend.payments, spend.total));
          }));
}

TEST_P(WindowOperatorTest, FiresWhenTheWatermarkReachesTheLastMillisecond) {
  auto harness = Opened<std::string>(GetParam(), SumWindows(Tumbling(10ms)));
  ASSERT_TRUE(harness->Push<Payment>({{{"ann", 1}, 0}, {{"ann", 2}, 9}, {{"ann", 4}, 10}, {{"bob", 8}, 3}}).ok());
  ASSERT_TRUE(harness->Watermark(8).ok());
  EXPECT_THAT(harness->Take<std::string>(), IsEmpty());
  ASSERT_TRUE(harness->Watermark(9).ok());
  EXPECT_THAT(harness->Take<std::string>(), UnorderedElementsAre(Stamped<std::string>{"ann [0,10): 2/3", 9},
                                                                 Stamped<std::string>{"bob [0,10): 1/8", 9}));
  ASSERT_TRUE(harness->Watermark(kMaxWatermark).ok());
  EXPECT_THAT(harness->Take<std::string>(), ElementsAre(Stamped<std::string>{"ann [10,20): 1/4", 19}));
  EXPECT_EQ(harness->context().MetricValue("openWindows"), 0);
}

TEST_P(WindowOperatorTest, RecordsOfFiredWindowsAreDroppedAndCounted) {
  auto harness = Opened<std::string>(GetParam(), SumWindows(Tumbling(10ms)));
  ASSERT_TRUE(harness->Watermark(12).ok());
  ASSERT_TRUE(harness->Push<Payment>({{{"a", 1}, 9}, {{"a", 2}, 10}, {{"a", 4}, 25}, {{"a", 8}, -100}}).ok());
  ASSERT_TRUE(harness->Watermark(100).ok());
  EXPECT_THAT(harness->Take<std::string>(),
              ElementsAre(Stamped<std::string>{"a [10,20): 1/2", 19}, Stamped<std::string>{"a [20,30): 1/4", 29}));
  EXPECT_EQ(harness->context().MetricValue("numLateRecordsDropped"), 2);
}

TEST_P(WindowOperatorTest, ReduceGivesOneRecordPerKeyAndWindow) {
  const auto larger = [](const Payment& a, const Payment& b) { return a.amount >= b.amount ? a : b; };
  auto harness =
      Opened<Payment>(GetParam(), MakeWindowReduceOperator<Payment, std::string>(larger, UserKey(), Tumbling(10ms)));
  ASSERT_TRUE(harness->Push<Payment>({{{"a", 1}, 1}, {{"b", 9}, 2}, {{"a", 3}, 3}, {{"a", 2}, 4}}).ok());
  ASSERT_TRUE(harness->Watermark(9).ok());
  EXPECT_THAT(harness->Take<Payment>(),
              UnorderedElementsAre(Stamped<Payment>{{"a", 3}, 9}, Stamped<Payment>{{"b", 9}, 9}));
}

class Average : public AggregateFunction<Payment, Spend, double> {
 public:
  void Add(Spend& spend, const Payment& payment) override {
    ++spend.payments;
    spend.total += payment.amount;
  }
  double GetResult(const Spend& spend) override {
    return static_cast<double>(spend.total) / static_cast<double>(spend.payments);
  }
};

TEST_P(WindowOperatorTest, AggregatesWithAClass) {
  auto harness = Opened<double>(
      GetParam(), MakeWindowAggregateOperator<Payment, std::string, double>(Average(), UserKey(), Tumbling(10ms)));
  ASSERT_TRUE(harness->Push<Payment>({{{"a", 1}, 1}, {{"a", 4}, 2}}).ok());
  ASSERT_TRUE(harness->Watermark(9).ok());
  EXPECT_THAT(harness->Take<double>(), ElementsAre(Stamped<double>{2.5, 9}));
}

class Listing : public ProcessWindowFunction<Payment, std::string, std::string> {
 public:
  void Process(const std::string& user, Context& context, const std::vector<Payment>& payments,
               Collector<std::string>& out) override {
    std::string line = user;
    for (const Payment& payment : payments) line += " " + std::to_string(payment.amount);
    out.Collect(line);
    context.Output(sizes_, static_cast<int64_t>(payments.size()));
    EXPECT_GE(context.current_watermark(), context.window().MaxTimestamp());
  }

 private:
  const OutputTag<int64_t> sizes_{"sizes"};
};

TEST_P(WindowOperatorTest, ProcessSeesAllRecordsInTheOrderOfArrival) {
  OperatorHarness harness(
      GetParam(), MakeKeyedWindowOperator<Payment, std::string>(Tumbling(10ms), UserKey(), FoldByBuffering<Payment>(),
                                                                EmitByFunction(Listing()), {"sizes"}));
  harness.AddPort<std::string>();
  harness.AddPort<int64_t>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Payment>({{{"a", 5}, 7}, {{"b", 1}, 8}, {{"a", 3}, 2}, {{"a", 4}, 5}}).ok());
  EXPECT_GE(harness.context().MetricValue("windowStateBytes"), 4 * sizeof(Payment));
  ASSERT_TRUE(harness.Watermark(50).ok());
  EXPECT_THAT(harness.Take<std::string>(),
              UnorderedElementsAre(Stamped<std::string>{"a 5 3 4", 9}, Stamped<std::string>{"b 1", 9}));
  EXPECT_THAT(harness.Take<int64_t>(1), UnorderedElementsAre(Stamped<int64_t>{3, 9}, Stamped<int64_t>{1, 9}));
}

TEST_P(WindowOperatorTest, WindowsOverTheWholeStream) {
  auto harness = Opened<std::string>(
      GetParam(),
      MakeAllWindowOperator<Payment>(
          Tumbling(10ms, 3ms), FoldByReduce<Payment>([](Payment& sum, const Payment& p) { sum.amount += p.amount; }),
          EmitByFunction([](const TimeWindow& window, const Payment& sum, Collector<std::string>& out) {
            out.Collect(fmt::format("[{},{}): {}", window.start, window.end, sum.amount));
          })));
  ASSERT_TRUE(harness->Push<Payment>({{{"a", 1}, 3}, {{"b", 2}, 12}, {{"a", 4}, 2}, {{"a", 8}, 13}}).ok());
  ASSERT_TRUE(harness->Watermark(kMaxWatermark).ok());
  EXPECT_THAT(harness->Take<std::string>(),
              ElementsAre(Stamped<std::string>{"[-7,3): 4", 2}, Stamped<std::string>{"[3,13): 3", 12},
                          Stamped<std::string>{"[13,23): 8", 22}));
}

TEST_P(WindowOperatorTest, ProcessOverTheWholeStream) {
  class Count : public ProcessAllWindowFunction<Payment, int64_t> {
   public:
    void Process(Context&, const std::vector<Payment>& payments, Collector<int64_t>& out) override {
      out.Collect(static_cast<int64_t>(payments.size()));
    }
  };
  auto harness = Opened<int64_t>(
      GetParam(), MakeAllWindowOperator<Payment>(Tumbling(10ms), FoldByBuffering<Payment>(), EmitByFunction(Count())));
  ASSERT_TRUE(harness->Push<Payment>({{{"a", 1}, 3}, {{"b", 2}, 5}, {{"a", 4}, 12}}).ok());
  ASSERT_TRUE(harness->Watermark(kMaxWatermark).ok());
  EXPECT_THAT(harness->Take<int64_t>(), ElementsAre(Stamped<int64_t>{2, 9}, Stamped<int64_t>{1, 19}));
}

TEST_P(WindowOperatorTest, ARecordWithoutTimeIsAClearError) {
  auto harness = Opened<std::string>(GetParam(), SumWindows(Tumbling(10ms)));
  EXPECT_THAT(std::string(StatusMessage(harness->Push<Payment>({{{"a", 1}, kNoTimestamp}}))),
              HasSubstr("give the stream event time by WithWatermarks"));
}

TEST_P(WindowOperatorTest, ParametersAreChecked) {
  for (const auto& windows : {Tumbling(0ms), Tumbling(-5ms), Tumbling(10ms, 10ms), Tumbling(10ms, -11ms)}) {
    OperatorHarness harness(GetParam(), SumWindows(windows));
    harness.AddPort<std::string>();
    EXPECT_EQ(harness.Open().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(TumblingWindowsTest, CoverAllOfTime) {
  const auto windows = Tumbling(1000ms, 250ms);
  EXPECT_EQ(windows.WindowOf(250), (TimeWindow{250, 1250}));
  EXPECT_EQ(windows.WindowOf(249), (TimeWindow{-750, 250}));
  EXPECT_EQ(windows.WindowOf(-751), (TimeWindow{-1750, -750}));
  EXPECT_EQ(windows.WindowOf(kMaxWatermark).end, kMaxWatermark);
  EXPECT_EQ(windows.WindowOf(kNoTimestamp + 1).start, kNoTimestamp);
}

// Of accumulators that own memory, what they own counts as state.
constexpr int64_t kTextUsers = 50;
constexpr int64_t kTextsPerUser = 200;
constexpr size_t kTextBytes = 100;

template <typename Emitter>
auto CollectTexts(Emitter emitter) {
  return std::pair(FoldByAggregate<Payment>(std::vector<std::string>(),
                                            [](std::vector<std::string>& texts, const Payment& payment) {
                                              texts.push_back(std::string(kTextBytes, 't') + payment.user);
                                            }),
                   EmitByFunction(std::move(emitter)));
}
// Gives each user a text more, by a batch each time; the most that was held between batches.
int64_t PushTexts(OperatorHarness& harness, StateBackend& backend) {
  harness.AddPort<int64_t>();
  harness.SetHasher(std::make_unique<ExtractorKeyHasher<Payment, std::string>>(UserKey()));
  harness.context().set_state_backend(&backend);
  EXPECT_TRUE(harness.Open().ok());
  int64_t most = 0;
  for (int64_t i = 0; i < kTextsPerUser; ++i) {
    std::vector<Stamped<Payment>> batch;
    for (int64_t user = 0; user < kTextUsers; ++user) batch.push_back({{"u" + std::to_string(user), 1}, i % 10});
    const Status pushed = harness.Push(batch);
    EXPECT_TRUE(pushed.ok()) << pushed;
    most = std::max(most, backend.used_bytes());
  }
  return most;
}
constexpr auto kTexts = static_cast<int64_t>(kTextBytes) * kTextUsers * kTextsPerUser;

std::unique_ptr<Operator> TextWindows() {
  auto [folding, emitter] =
      CollectTexts([](const std::string&, const TimeWindow&, const std::vector<std::string>& texts,
                      Collector<int64_t>& out) { out.Collect(static_cast<int64_t>(texts.size())); });
  return MakeKeyedWindowOperator<Payment, std::string>(Tumbling(10ms), UserKey(), std::move(folding),
                                                       std::move(emitter));
}

TEST(WindowMemoryTest, WhatAccumulatorsOwnCountsUntilTheWindowFires) {
  MemoryStateBackend backend;
  OperatorHarness harness(HarnessMode::kBatches, TextWindows());
  const int64_t most = PushTexts(harness, backend);
  EXPECT_GE(most, kTexts / 2);
  EXPECT_LE(most, kTexts * 3 / 2);
  ASSERT_TRUE(harness.Watermark(kMaxWatermark).ok());
  EXPECT_EQ(harness.Take<int64_t>().size(), static_cast<size_t>(kTextUsers));
  EXPECT_LE(backend.used_bytes(), kTexts / 10);
}

TEST(WindowMemoryTest, AboveAStoreWhatTheyOwnIsEvicted) {
  constexpr int64_t kLimit = kTexts / 2;
  MapStateBackend backend(kLimit);
  OperatorHarness harness(HarnessMode::kBatches, TextWindows());
  EXPECT_LE(PushTexts(harness, backend), kLimit);
  EXPECT_GT(backend.commits, 0u);
  ASSERT_TRUE(harness.Watermark(kMaxWatermark).ok());
  const std::vector<Stamped<int64_t>> fired = harness.Take<int64_t>();
  EXPECT_EQ(fired.size(), static_cast<size_t>(kTextUsers));
  for (const auto& texts : fired) EXPECT_EQ(texts.value, kTextsPerUser);
  EXPECT_LE(backend.used_bytes(), kTexts / 10);
}

TEST(WindowMemoryTest, ReducedRecordsCount) {
  MemoryStateBackend backend;
  OperatorHarness harness(
      HarnessMode::kBatches,
      MakeKeyedWindowOperator<Payment, std::string>(
          Tumbling(10ms), UserKey(),
          FoldByReduce<Payment>([](Payment& all, const Payment&) { all.user += std::string(kTextBytes, 't'); }),
          EmitByFunction([](const std::string&, const TimeWindow&, const Payment& all, Collector<int64_t>& out) {
            out.Collect(static_cast<int64_t>(all.user.size()));
          })));
  EXPECT_GE(PushTexts(harness, backend), kTexts / 2);
  ASSERT_TRUE(harness.Watermark(kMaxWatermark).ok());
  EXPECT_LE(backend.used_bytes(), kTexts / 10);
}

TEST(WindowMemoryTest, SoDoesTheAccumulatorOfAWholeStream) {
  MemoryStateBackend backend;
  auto [folding, emitter] =
      CollectTexts([](const TimeWindow&, const std::vector<std::string>& texts, Collector<int64_t>& out) {
        out.Collect(static_cast<int64_t>(texts.size()));
      });
  OperatorHarness harness(HarnessMode::kBatches,
                          MakeAllWindowOperator<Payment>(Tumbling(10ms), std::move(folding), std::move(emitter)));
  EXPECT_GE(PushTexts(harness, backend), kTexts / 2);
  ASSERT_TRUE(harness.Watermark(kMaxWatermark).ok());
  EXPECT_LE(backend.used_bytes(), kTexts / 10);
}

TEST_P(WindowOperatorTest, RandomInputAgreesWithBruteForce) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SeededRandom random(seed);
    const int64_t size = 1 + static_cast<int64_t>(random.Below(200));
    const auto offset = static_cast<int64_t>(random.Below(static_cast<uint64_t>(size)));
    const uint64_t users = seed % 2 == 0 ? 5 : 20'000;
    auto harness = Opened<std::string>(
        GetParam(), SumWindows(Tumbling(std::chrono::milliseconds(size), std::chrono::milliseconds(-offset))));
    std::map<std::pair<int64_t, std::string>, Spend> open;  // by window start, user
    std::vector<std::string> expected;
    std::vector<std::string> actual;
    int64_t watermark = kNoTimestamp;
    int64_t late = 0;
    for (int64_t i = 0; i < 8'000;) {
      std::vector<Stamped<Payment>> batch;
      for (uint64_t n = random.Below(3000); n > 0; --n, ++i) {
        const Payment payment{"u" + std::to_string(random.Below(users)), static_cast<int64_t>(random.Below(50))};
        const int64_t time = i / 20 - static_cast<int64_t>(random.Below(400));
        batch.push_back({payment, time});
        const int64_t start = time - ((time + offset) % size + size) % size;
        if (start + size - 1 <= watermark) {
          ++late;
          continue;
        }
        Spend& spend = open[{start, payment.user}];
        ++spend.payments;
        spend.total += payment.amount;
      }
      ASSERT_TRUE(harness->Push(batch).ok());
      watermark = i >= 8'000 ? kMaxWatermark : std::max(watermark, i / 20 - 300);
      ASSERT_TRUE(harness->Watermark(watermark).ok());
      const size_t first = expected.size();
      while (!open.empty() && open.begin()->first.first + size - 1 <= watermark) {
        const auto& [key, spend] = *open.begin();
        expected.push_back(
            fmt::format("{} [{},{}): {}/{}", key.second, key.first, key.first + size, spend.payments, spend.total));
        open.erase(open.begin());
      }
      for (const auto& record : harness->Take<std::string>()) actual.push_back(record.value);
      // Windows fire in the order of their ends; the order of keys within one is the operator's own.
      ASSERT_EQ(actual.size(), expected.size());
      std::sort(expected.begin() + static_cast<std::ptrdiff_t>(first), expected.end());
      std::sort(actual.begin() + static_cast<std::ptrdiff_t>(first), actual.end());
    }
    ASSERT_EQ(actual, expected);
    EXPECT_EQ(harness->context().MetricValue("numLateRecordsDropped"), static_cast<double>(late));
  }
}

}  // namespace
}  // namespace eagre
