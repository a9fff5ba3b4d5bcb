#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <eagre/eagre.h>

#include "eagre/testing/operator_harness.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;
using namespace std::chrono_literals;

struct Order {
  std::string id;
  int64_t amount = 0;
  Timestamp at;
};
EAGRE_RECORD(Order, id, amount, at);

struct Receipt {
  std::string order;
  Timestamp at;
};
EAGRE_RECORD(Receipt, order, at);

// Emits an order when its receipt has come, whichever is first, and names those without one after a second.
class MatchReceipts final : public KeyedCoProcessFunction<std::string, Order, Receipt, std::string> {
 public:
  void ProcessElement1(const Order& order, Context& context, Collector<std::string>& out) override {
    if (receipt_.Get() != nullptr) {
      out.Collect("paid " + context.key());
      receipt_.Clear();
      return;
    }
    amount_.Set(order.amount);
    context.RegisterEventTimeTimer(context.timestamp() + 1000);
  }
  void ProcessElement2(const Receipt& receipt, Context& context, Collector<std::string>& out) override {
    if (const int64_t* amount = amount_.Get()) {
      out.Collect("paid " + context.key() + " " + std::to_string(*amount));
      amount_.Clear();
    } else {
      receipt_.Set(true);
      context.Output(kEarly, receipt.order);
    }
  }
  void OnTimer(int64_t, OnTimerContext& context, Collector<std::string>& out) override {
    if (amount_.Get() != nullptr) out.Collect("unpaid " + context.key());
    amount_.Clear();
  }
  const OutputTag<std::string> kEarly{"early"};

 private:
  ValueState<int64_t> amount_{this, "amount"};
  ValueState<bool> receipt_{this, "receipt"};
};

class CoOperatorTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, CoOperatorTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

std::vector<std::string> Texts(OperatorHarness& harness, int port = 0) {
  std::vector<std::string> texts;
  for (const Stamped<std::string>& text : harness.Take<std::string>(port)) {
    texts.push_back(fmt::format("{} @ {}", text.value, text.timestamp));
  }
  return texts;
}

template <typename T, typename Selector>
std::unique_ptr<KeyExtractor<T, std::string>> By(Selector selector) {
  return std::make_unique<SelectorKeyExtractor<T, std::string, Selector>>(selector);
}

TEST_P(CoOperatorTest, BothInputsShareKeysStateAndTimers) {
  OperatorHarness harness(GetParam(),
                          MakeKeyedCoProcessOperator<std::string, Order, Receipt, std::string>(
                              MatchReceipts(), By<Order>(&Order::id), By<Receipt>(&Receipt::order), {"early"}));
  harness.AddPort<std::string>();
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Order>({{{"a", 5, {}}, 10}, {{"b", 6, {}}, 20}, {{"c", 7, {}}, 30}}).ok());
  ASSERT_TRUE(harness.Push<Receipt>({{{"b", {}}, 40}, {{"d", {}}, 50}, {{"a", {}}, 60}}, /*input=*/1).ok());
  ASSERT_TRUE(harness.Push<Order>({{{"d", 8, {}}, 70}}).ok());
  ASSERT_TRUE(harness.Watermark(kMaxWatermark).ok());
  EXPECT_THAT(Texts(harness), ElementsAre("paid b 6 @ 40", "paid a 5 @ 60", "paid d @ 70", "unpaid c @ 1030"));
  EXPECT_THAT(Texts(harness, 1), ElementsAre("d @ 50"));
}

TEST_P(CoOperatorTest, BothInputsSeeTheWatermark) {
  class ShowWatermarks final : public KeyedCoProcessFunction<std::string, Order, Receipt, std::string> {
   public:
    void ProcessElement1(const Order&, Context& context, Collector<std::string>& out) override { Show(context, out); }
    void ProcessElement2(const Receipt&, Context& context, Collector<std::string>& out) override { Show(context, out); }

   private:
    static void Show(Context& context, Collector<std::string>& out) {
      out.Collect(std::to_string(context.current_watermark()));
    }
  };
  OperatorHarness harness(GetParam(), MakeKeyedCoProcessOperator<std::string, Order, Receipt, std::string>(
                                          ShowWatermarks(), By<Order>(&Order::id), By<Receipt>(&Receipt::order), {}));
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Watermark(3).ok());
  ASSERT_TRUE(harness.Push<Receipt>({{{"b", {}}, 40}}, /*input=*/1).ok());
  ASSERT_TRUE(harness.Push<Order>({{{"a", 5, {}}, 10}}).ok());
  ASSERT_TRUE(harness.Watermark(7).ok());
  ASSERT_TRUE(harness.Push<Receipt>({{{"b", {}}, 40}}, /*input=*/1).ok());
  EXPECT_THAT(Texts(harness), ElementsAre("3 @ 40", "3 @ 10", "7 @ 40"));
}

// Counts the records of both inputs in one object.
class CountBoth final : public CoProcessFunction<int64_t, std::string, std::string> {
 public:
  void ProcessElement1(const int64_t& value, Context& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("{}:{} at {}", ++count_, value, context.current_watermark()));
    if (value < 0) context.Output(OutputTag<int64_t>{"negative"}, value);
  }
  void ProcessElement2(const std::string& value, Context& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("{}:{} at {}", ++count_, value, context.timestamp()));
  }

 private:
  int64_t count_ = 0;
};

TEST_P(CoOperatorTest, ACoProcessFunctionSeesBothStreamsWithTimeAndSideOutputs) {
  OperatorHarness harness(GetParam(), MakeCoOperator<int64_t, std::string, std::string>(CountBoth(), {"negative"}));
  harness.AddPort<std::string>();
  harness.AddPort<int64_t>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Watermark(3).ok());
  ASSERT_TRUE(harness.Push<int64_t>({{1, 10}, {-2, 11}}).ok());
  ASSERT_TRUE(harness.Push<std::string>({{"x", 12}}, /*input=*/1).ok());
  EXPECT_THAT(Texts(harness), ElementsAre("1:1 at 3 @ 10", "2:-2 at 3 @ 11", "3:x at 12 @ 12"));
  EXPECT_THAT(harness.Take<int64_t>(1), ElementsAre(Stamped<int64_t>{-2, 11}));
}

class Describe final : public CoMapFunction<int64_t, std::string, std::string> {
 public:
  std::string Map1(const int64_t& value) override { return "number " + std::to_string(value); }
  std::string Map2(const std::string& value) override { return "text " + value; }
};

// Repeats numbers and spells texts, numbering what it has emitted from both.
class Unfold final : public CoFlatMapFunction<int64_t, std::string, std::string> {
 public:
  void FlatMap1(const int64_t& value, Collector<std::string>& out) override {
    for (int64_t i = 0; i < value; ++i) out.Collect(fmt::format("{}:{}", ++emitted_, value));
  }
  void FlatMap2(const std::string& value, Collector<std::string>& out) override {
    for (const char letter : value) out.Collect(fmt::format("{}:{}", ++emitted_, letter));
  }

 private:
  int64_t emitted_ = 0;
};

TEST_P(CoOperatorTest, ACoFlatMapFunctionEmitsAnyNumberForEachRecordOfBothStreams) {
  OperatorHarness harness(GetParam(), MakeCoOperator<int64_t, std::string, std::string>(Unfold(), {}));
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<int64_t>({{2, 10}, {0, 11}}).ok());
  ASSERT_TRUE(harness.Push<std::string>({{"ab", 12}, {"", 13}}, /*input=*/1).ok());
  ASSERT_TRUE(harness.Push<int64_t>({{1, 14}}).ok());
  EXPECT_THAT(Texts(harness), ElementsAre("1:2 @ 10", "2:2 @ 10", "3:a @ 12", "4:b @ 12", "5:1 @ 14"));
}

class ConnectedStreamsTest : public testing::TestWithParam<int> {
 protected:
  ConnectedStreamsTest() { job_.SetParallelism(GetParam()); }
  static std::vector<std::string> Sorted(const DataStream<std::string>& stream) {
    StatusOr<std::vector<std::string>> records = stream.ExecuteAndCollect();
    EXPECT_TRUE(records.ok()) << records.status();
    if (!records.ok()) return {};
    std::sort(records->begin(), records->end());
    return *std::move(records);
  }
  LocalJob job_;
};
INSTANTIATE_TEST_SUITE_P(Parallelism, ConnectedStreamsTest, testing::Values(1, 3));

TEST_P(ConnectedStreamsTest, MapAndFlatMapTakeAClassOrTwoLambdas) {
  auto numbers = job_.Read(FromValues<int64_t>({1, 2}));
  auto texts = job_.Read(FromValues<std::string>({"a"}));
  auto mapped = numbers.Connect(texts).Map(Describe());
  auto lambdas = numbers.Connect(texts).Map([](int64_t n) { return std::to_string(n); },
                                            [](const std::string& text) { return text; });
  auto flat = numbers.Connect(texts).FlatMap(
      [](int64_t n, Collector<std::string>& out) {
        for (int64_t i = 0; i < n; ++i) out.Collect("flat " + std::to_string(n));
      },
      [](const std::string&, Collector<std::string>&) {});
  EXPECT_THAT(Sorted(mapped.Union(lambdas, flat)),
              ElementsAre("1", "2", "a", "flat 1", "flat 2", "flat 2", "number 1", "number 2", "text a"));
}

TEST_P(ConnectedStreamsTest, ACoFlatMapFunctionRunsInAJob) {
  const auto unfolded =
      job_.Read(FromValues<int64_t>({3, 0})).Connect(job_.Read(FromValues<std::string>({"xy", ""}))).FlatMap(Unfold());
  std::vector<std::string> values;
  for (const std::string& text : Sorted(unfolded)) values.push_back(text.substr(text.find(':') + 1));
  EXPECT_THAT(values, UnorderedElementsAre("3", "3", "3", "x", "y"));
}

// A function of two streams without keys: each subtask's part of both, with event time and a side output.
class Stamps final : public CoProcessFunction<Order, Receipt, std::string> {
 public:
  void ProcessElement1(const Order& order, Context& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("order {} at {}", order.id, context.timestamp()));
    if (order.amount < 0) context.Output(kRefunds, order.amount);
  }
  void ProcessElement2(const Receipt& receipt, Context& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("receipt {} at {}", receipt.order, context.timestamp()));
  }
  const OutputTag<int64_t> kRefunds{"refunds"};
};

TEST_P(ConnectedStreamsTest, ACoProcessFunctionRunsInAJobWithTimeAndSideOutputs) {
  const auto orders =
      job_.Read(FromValues<Order>({{"a", 5, Timestamp(10)}, {"b", -7, Timestamp(20)}, {"c", -1, Timestamp(30)}}))
          .WithWatermarks(Monotonous(), &Order::at);
  const auto receipts =
      job_.Read(FromValues<Receipt>({{"b", Timestamp(40)}})).WithWatermarks(Monotonous(), &Receipt::at);
  const auto stamped = orders.Connect(receipts).Process(Stamps());
  const auto refunds =
      stamped.SideOutput(Stamps().kRefunds).Map([](int64_t amount) { return "refund " + std::to_string(amount); });
  EXPECT_THAT(Sorted(stamped.Union(refunds)), ElementsAre("order a at 10", "order b at 20", "order c at 30",
                                                          "receipt b at 40", "refund -1", "refund -7"));
}

class KeyedConnectTest : public ConnectedStreamsTest {
 protected:
  // 200 orders, of which every fourth has no receipt.
  void ExpectTheUnpaid(DataStream<std::string> (*match)(const DataStream<Order>&, const DataStream<Receipt>&)) {
    std::vector<Order> orders;
    std::vector<Receipt> receipts;
    std::vector<std::string> expected;
    for (int i = 0; i < 200; ++i) {
      const std::string id = "o" + std::to_string(i);
      orders.push_back({id, i, Timestamp(0)});
      if (i % 4 != 0) receipts.push_back({id, Timestamp(0)});
      if (i % 4 == 0) expected.push_back(id);
    }
    const auto read_orders = job_.Read(FromMemory<Order>(std::make_shared<const std::vector<Order>>(orders)))
                                 .WithWatermarks(BoundedOutOfOrderness(1s), &Order::at);
    const auto read_receipts = job_.Read(FromMemory<Receipt>(std::make_shared<const std::vector<Receipt>>(receipts)))
                                   .WithWatermarks(BoundedOutOfOrderness(1s), &Receipt::at);
    std::vector<std::string> unpaid;
    size_t paid = 0;
    for (const std::string& text : Sorted(match(read_orders, read_receipts))) {
      if (text.starts_with("unpaid ")) {
        unpaid.push_back(text.substr(7));
      } else {
        ++paid;
      }
    }
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(unpaid, expected);
    EXPECT_EQ(paid, receipts.size());
  }
};
INSTANTIATE_TEST_SUITE_P(Parallelism, KeyedConnectTest, testing::Values(1, 3));

TEST_P(KeyedConnectTest, KeyedStreamsMeetByKeyInOneSubtask) {
  ExpectTheUnpaid([](const DataStream<Order>& orders, const DataStream<Receipt>& receipts) {
    return orders.KeyBy(&Order::id).Connect(receipts.KeyBy(&Receipt::order)).Process(MatchReceipts());
  });
}

TEST_P(KeyedConnectTest, ConnectedStreamsThatAreKeyedAfterwardsAreTheSame) {
  ExpectTheUnpaid([](const DataStream<Order>& orders, const DataStream<Receipt>& receipts) {
    return orders.Connect(receipts)
        .KeyBy(&Order::id, [](const Receipt& receipt) { return receipt.order; })
        .Process(MatchReceipts());
  });
}

}  // namespace
}  // namespace eagre
