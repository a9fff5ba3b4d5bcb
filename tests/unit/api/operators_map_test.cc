// Map, Filter and FlatMap: lambdas and classes, in place and copying, with the same results however the input is cut.
#include "eagre/operators/map_operator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "eagre/testing/operator_harness.h"

namespace eagre {

struct MapTestPoint {
  int64_t x = 0;
  double y = 0;
};
EAGRE_RECORD(MapTestPoint, x, y);

namespace {

using testing::ElementsAre;

class MapOperatorTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, MapOperatorTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

template <typename T>
std::vector<Stamped<T>> Numbered(int64_t count, T (*make)(int64_t)) {
  std::vector<Stamped<T>> records;
  for (int64_t i = 0; i < count; ++i) records.push_back({make(i), i});
  return records;
}

TEST_P(MapOperatorTest, MapsToTheSameType) {
  OperatorHarness harness(GetParam(), MakeMapOperator<int64_t, int64_t>([](int64_t v) { return v * 2; }));
  harness.AddPort<int64_t>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<int64_t>(Numbered<int64_t>(3000, [](int64_t i) { return i; })).ok());
  EXPECT_EQ(harness.Take<int64_t>(), Numbered<int64_t>(3000, [](int64_t i) { return 2 * i; }));
}

TEST_P(MapOperatorTest, MapsToAnotherType) {
  OperatorHarness harness(GetParam(),
                          MakeMapOperator<int64_t, std::string>([](const int64_t& v) { return std::to_string(v); }));
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<int64_t>({{4, 1}, {5, 2}}).ok());
  EXPECT_THAT(harness.Take<std::string>(), ElementsAre(Stamped<std::string>{"4", 1}, Stamped<std::string>{"5", 2}));
}

TEST_P(MapOperatorTest, ALambdaMayChangeTheRecordOrTakeItOver) {
  OperatorHarness in_place(GetParam(), MakeMapOperator<MapTestPoint, MapTestPoint>([](MapTestPoint& p) { ++p.x; }));
  in_place.AddPort<MapTestPoint>();
  ASSERT_TRUE(in_place.Open().ok());
  ASSERT_TRUE(in_place.Push<MapTestPoint>({{{1, 2.5}, 7}}).ok());
  EXPECT_THAT(in_place.Take<MapTestPoint>(), ElementsAre(Stamped<MapTestPoint>{{2, 2.5}, 7}));

  OperatorHarness taking(GetParam(), MakeMapOperator<std::string, std::string>([](std::string text) {
                           text += "!";
                           return text;
                         }));
  taking.AddPort<std::string>();
  ASSERT_TRUE(taking.Open().ok());
  ASSERT_TRUE(taking.Push<std::string>({{"a", 1}, {"b", 2}}).ok());
  EXPECT_THAT(taking.Take<std::string>(), ElementsAre(Stamped<std::string>{"a!", 1}, Stamped<std::string>{"b!", 2}));
}

class Prefix : public MapFunction<std::string, std::string> {
 public:
  explicit Prefix(std::vector<std::string>* calls) : calls_(calls) {}
  Status Open(RuntimeContext& context) override {
    calls_->push_back("open " + context.operator_name());
    counter_ = &context.AddCounter("mapped");
    return OkStatus();
  }
  void Close() override { calls_->push_back("close"); }
  std::string Map(const std::string& value) override {
    counter_->Add();
    return "<" + value;
  }

 private:
  std::vector<std::string>* calls_;
  Counter* counter_ = nullptr;
};

TEST_P(MapOperatorTest, AClassIsOpenedAndClosedAndMayCount) {
  std::vector<std::string> calls;
  OperatorHarness harness(GetParam(), MakeMapOperator<std::string, std::string>(Prefix(&calls)));
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<std::string>({{"a", 1}, {"b", 1}}).ok());
  ASSERT_TRUE(harness.Close().ok());
  EXPECT_THAT(calls, ElementsAre("open test", "close"));
  EXPECT_EQ(harness.context().MetricValue("mapped"), 2);
  EXPECT_THAT(harness.Take<std::string>(), ElementsAre(Stamped<std::string>{"<a", 1}, Stamped<std::string>{"<b", 1}));
}

TEST_P(MapOperatorTest, FiltersPlainRecords) {
  OperatorHarness harness(GetParam(), MakeFilterOperator<int64_t>([](int64_t v) { return v % 3 == 0; }));
  harness.AddPort<int64_t>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<int64_t>(Numbered<int64_t>(5000, [](int64_t i) { return i; })).ok());
  std::vector<Stamped<int64_t>> expected;
  for (int64_t i = 0; i < 5000; i += 3) expected.push_back({i, i});
  EXPECT_EQ(harness.Take<int64_t>(), expected);
}

class LongerThan : public FilterFunction<std::string> {
 public:
  explicit LongerThan(size_t size) : size_(size) {}
  bool Filter(const std::string& value) override { return value.size() > size_; }

 private:
  const size_t size_;
};

TEST_P(MapOperatorTest, FiltersRecordsThatOwnMemory) {
  OperatorHarness harness(GetParam(), MakeFilterOperator<std::string>(LongerThan(2)));
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<std::string>({{"a", 1}, {"abc", 2}, {"", 3}, {"abcd", 4}, {"ab", 5}}).ok());
  EXPECT_THAT(harness.Take<std::string>(),
              ElementsAre(Stamped<std::string>{"abc", 2}, Stamped<std::string>{"abcd", 4}));
}

TEST_P(MapOperatorTest, AFilterMayDropOrKeepEverything) {
  for (const bool keep : {true, false}) {
    OperatorHarness harness(GetParam(), MakeFilterOperator<int64_t>([keep](int64_t) { return keep; }));
    harness.AddPort<int64_t>();
    ASSERT_TRUE(harness.Open().ok());
    ASSERT_TRUE(harness.Push<int64_t>({{1, 1}, {2, 2}}).ok());
    EXPECT_EQ(harness.Take<int64_t>().size(), keep ? 2u : 0u);
  }
}

TEST_P(MapOperatorTest, FlatMapEmitsAnyNumber) {
  OperatorHarness harness(GetParam(), MakeFlatMapOperator<int64_t, int64_t>([](int64_t v, Collector<int64_t>& out) {
                            for (int64_t i = 0; i < v; ++i) out.Collect(v * 100'000 + i);
                          }));
  harness.AddPort<int64_t>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<int64_t>({{0, 1}, {2, 2}, {50'000, 3}, {1, 4}}).ok());
  const auto emitted = harness.Take<int64_t>();
  ASSERT_EQ(emitted.size(), 50'003u);
  EXPECT_EQ(emitted[0], (Stamped<int64_t>{200'000, 2}));
  for (int64_t i = 0; i < 50'000; ++i) {
    ASSERT_EQ(emitted[static_cast<size_t>(i) + 2], (Stamped<int64_t>{int64_t{50'000} * 100'000 + i, 3}));
  }
  EXPECT_EQ(emitted.back(), (Stamped<int64_t>{100'000, 4}));
}

class Words : public FlatMapFunction<std::string, std::string> {
 public:
  void FlatMap(const std::string& line, Collector<std::string>& out) override {
    for (const char c : line) out.Collect(std::string(1, c));
  }
};

TEST_P(MapOperatorTest, FlatMapTakesAClass) {
  static_assert(std::is_same_v<CollectorOutputOf<Words>, std::string>);
  OperatorHarness harness(GetParam(), MakeFlatMapOperator<std::string, std::string>(Words()));
  harness.AddPort<std::string>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<std::string>({{"ab", 5}}).ok());
  EXPECT_THAT(harness.Take<std::string>(), ElementsAre(Stamped<std::string>{"a", 5}, Stamped<std::string>{"b", 5}));
}

TEST_P(MapOperatorTest, ACallThatEmitsBeyondTheBudgetFails) {
  OperatorHarness harness(GetParam(), MakeFlatMapOperator<int64_t, int64_t>([](int64_t, Collector<int64_t>& out) {
                            for (;;) out.Collect(1);
                          }));
  harness.AddPort<int64_t>();
  harness.context().overflow().limit_bytes = 1 << 20;
  ASSERT_TRUE(harness.Open().ok());
  const Status status = harness.Push<int64_t>({{1, 1}});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(StatusMessage(status)), testing::HasSubstr("operator 'test'"));
}

TEST(FunctionTraitsTest, OutputTypesFollowFromTheFunction) {
  const auto to_text = [](const int64_t& v) { return std::to_string(v); };
  static_assert(std::is_same_v<MapResult<decltype(to_text), int64_t>, std::string>);
  const auto change = [](MapTestPoint& p) { p.x = 0; };
  static_assert(std::is_same_v<MapResult<decltype(change), MapTestPoint>, MapTestPoint>);
  static_assert(std::is_same_v<MapResult<Prefix, std::string>, std::string>);
  static_assert(std::is_same_v<MapResult<double MapTestPoint::*, MapTestPoint>, double>);
  const auto split = [](const std::string&, Collector<int64_t>&) {};
  static_assert(std::is_same_v<CollectorOutputOf<decltype(split)>, int64_t>);
}

}  // namespace
}  // namespace eagre
