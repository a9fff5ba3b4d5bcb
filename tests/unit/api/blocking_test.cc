// Operators whose user code blocks: they hold up nobody but themselves, and what they emit keeps its place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include <eagre/eagre.h>
#include <eagre/testing/operator_harness.h>

#include "runtime/piecewise_operator.h"
#include "tests/testing/gate.h"

namespace eagre {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// All in one slot: the first stream waits for what the second one does.
TEST(BlockingTest, ABlockingOperatorDoesNotHoldUpItsSlot) {
  for (const bool as_source : {false, true}) {
    LocalJob job;
    auto gate = std::make_shared<Gate>();
    auto waits = [gate](int64_t value) {
      if (!gate->Wait()) throw std::runtime_error("the other stream did not go on");
      return value;
    };
    const auto waiting =
        as_source
            ? DataStream<int64_t>(job.Read(Generate<int64_t>(2, [waits](int64_t i) { return waits(i); })).Blocking())
            : job.Read(FromValues<int64_t>({1, 2})).Map(waits).Blocking();
    auto opening = job.Read(Generate<int64_t>(10'000, [](int64_t i) { return i; })).Map([gate](int64_t value) {
      if (value == 9'999) gate->Open();
      return value;
    });
    opening.WriteTo(Blackhole());
    const auto values = waiting.ExecuteAndCollect();
    ASSERT_TRUE(values.ok()) << StatusMessage(values.status());
    EXPECT_THAT(*values, SizeIs(2));
  }
}

// Its writer waits at the gate with every record.
class WaitingSink final : public Sink<int64_t> {
 public:
  WaitingSink(std::shared_ptr<Gate> gate, std::shared_ptr<CollectedRecords<int64_t>> written)
      : gate_(std::move(gate)), written_(std::move(written)) {}
  std::string Name() const override { return "Waiting"; }
  StatusOr<std::unique_ptr<SinkWriter<int64_t>>> CreateWriter() const override {
    class Writer final : public SinkWriter<int64_t> {
     public:
      Writer(std::shared_ptr<Gate> gate, std::shared_ptr<CollectedRecords<int64_t>> written)
          : gate_(std::move(gate)), written_(std::move(written)) {}
      Status Write(const TypedBatch<int64_t>& batch, size_t& position) override {
        if (!gate_->Wait()) return Internal("the other stream did not go on");
        written_->Add(batch.records() + position, batch.size() - position);
        position = batch.size();
        return OkStatus();
      }

     private:
      const std::shared_ptr<Gate> gate_;
      const std::shared_ptr<CollectedRecords<int64_t>> written_;
    };
    return std::make_unique<Writer>(gate_, written_);
  }

 private:
  const std::shared_ptr<Gate> gate_;
  const std::shared_ptr<CollectedRecords<int64_t>> written_;
};

TEST(BlockingTest, ABlockingSinkDoesNotHoldUpItsSlot) {
  LocalJob job;
  auto gate = std::make_shared<Gate>();
  auto written = std::make_shared<CollectedRecords<int64_t>>();
  job.Read(FromValues<int64_t>({1, 2, 3})).WriteTo(WaitingSink(gate, written)).Blocking();
  job.Read(Generate<int64_t>(10'000, [](int64_t i) { return i; }))
      .Map([gate](int64_t value) {
        if (value == 9'999) gate->Open();
        return value;
      })
      .WriteTo(Blackhole());
  const Status status = job.Execute();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(written->Take(), ElementsAre(1, 2, 3));
}

struct BlockingTestTick {
  std::string user;
  int64_t number = 0;
  Timestamp at;
};
EAGRE_RECORD(BlockingTestTick, user, number, at);
using Tick = BlockingTestTick;

TEST(BlockingTest, RecordsAndWatermarksKeepTheirPlaces) {
  std::vector<std::vector<std::string>> results;
  for (const bool blocking : {false, true}) {
    LocalJob job;
    auto ticks = job.Read(Generate<Tick>(5'000,
                                         [](int64_t i) {
                                           return Tick{fmt::format("u{}", i % 7), i, Timestamp(i * 10)};
                                         }))
                     .WithWatermarks(Monotonous(), &Tick::at)
                     .SetParallelism(1);
    auto slow = ticks.Map([last = int64_t{-1}](Tick& tick) mutable {
      if (tick.number != std::exchange(last, tick.number) + 1) throw std::runtime_error("a tick out of its order");
      if (tick.number % 512 == 0) std::this_thread::yield();
    });
    if (blocking) slow.Blocking();
    // Late records would be dropped: a watermark that overtakes its records shows.
    const auto windows =
        slow.KeyBy(&Tick::user)
            .Window(Tumbling(1s))
            .Aggregate(
                int64_t{0}, [](int64_t& count, const Tick&) { ++count; },
                [](const std::string& user, const TimeWindow& window, const int64_t& count,
                   Collector<std::string>& out) { out.Collect(fmt::format("{} {} {}", user, window.start, count)); })
            .ExecuteAndCollect();
    ASSERT_TRUE(windows.ok()) << StatusMessage(windows.status());
    results.push_back(*windows);
    std::sort(results.back().begin(), results.back().end());
  }
  EXPECT_THAT(results[0], SizeIs(350));
  EXPECT_EQ(results[0], results[1]);
}

TEST(BlockingTest, WhatACallHasEmittedGoesOnWhileTheNextOneWaits) {
  LocalJob job;
  auto gate = std::make_shared<Gate>();
  const auto values = job.Read(FromValues<int64_t>({1, 2, 3}))
                          .Map([gate](int64_t value) {
                            if (value == 2 && !gate->Wait()) throw std::runtime_error("1 did not go on");
                            return value;
                          })
                          .Blocking()
                          .Map([gate](int64_t value) {
                            if (value == 1) gate->Open();
                            return value;
                          })
                          .ExecuteAndCollect();
  ASSERT_TRUE(values.ok()) << StatusMessage(values.status());
  EXPECT_THAT(*values, ElementsAre(1, 2, 3));
}

TEST(BlockingTest, AFailureNamesTheOperator) {
  LocalJob job;
  const auto values = job.Read(FromValues<int64_t>({1}))
                          .Map([](int64_t) -> int64_t { throw std::runtime_error("no connection"); })
                          .Name("ask the database")
                          .Blocking()
                          .ExecuteAndCollect();
  EXPECT_THAT(std::string(StatusMessage(values.status())), HasSubstr("operator 'ask the database'"));
  EXPECT_THAT(std::string(StatusMessage(values.status())), HasSubstr("no connection"));
}

TEST(BlockingTest, TheGraphHasATaskOfItsOwn) {
  LocalJob job;
  job.Read(FromValues<int64_t>({1}))
      .Map([](int64_t value) { return value; })
      .Name("ask")
      .Blocking()
      .WriteTo(Blackhole())
      .Name("out");
  const auto chained = BuildJobGraph(job.graph());
  ASSERT_TRUE(chained.ok()) << chained.status();
  std::vector<std::pair<std::string, bool>> vertices;
  for (const auto& vertex : chained->job_graph.vertices()) vertices.emplace_back(vertex.name(), vertex.own_thread());
  ASSERT_THAT(vertices, SizeIs(3));
  EXPECT_EQ(vertices[1], std::pair(std::string("ask"), true));
  EXPECT_FALSE(vertices[0].second || vertices[2].second);
  EXPECT_EQ(RequiredSlots(chained->job_graph), 1);
}

class PiecewiseOperatorTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, PiecewiseOperatorTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

TEST_P(PiecewiseOperatorTest, EmitsWhatTheOperatorEmits) {
  OperatorHarness harness(GetParam(), std::make_unique<PiecewiseOperator>(MakeFlatMapOperator<int64_t, int64_t>(
                                          [](const int64_t& value, Collector<int64_t>& out) {
                                            for (int64_t i = 0; i < value; ++i) out.Collect(value * 10 + i);
                                          })));
  harness.AddPort<int64_t>();
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<int64_t>({{2, 100}, {0, 101}, {3, 102}}).ok());
  EXPECT_THAT(harness.Take<int64_t>(),
              ElementsAre(Stamped<int64_t>{20, 100}, Stamped<int64_t>{21, 100}, Stamped<int64_t>{30, 102},
                          Stamped<int64_t>{31, 102}, Stamped<int64_t>{32, 102}));
}

TEST_P(PiecewiseOperatorTest, InPlaceOperatorsDoNotLoseRecords) {
  OperatorHarness harness(GetParam(), std::make_unique<PiecewiseOperator>(
                                          MakeMapOperator<int64_t, int64_t>([](int64_t& value) { value += 1; })));
  harness.AddPort<int64_t>();
  ASSERT_TRUE(harness.Open().ok());
  std::vector<Stamped<int64_t>> in;
  std::vector<Stamped<int64_t>> expected;
  for (int64_t i = 0; i < 3000; ++i) {
    in.push_back({i, i});
    expected.push_back({i + 1, i});
  }
  ASSERT_TRUE(harness.Push<int64_t>(in).ok());
  EXPECT_EQ(harness.Take<int64_t>(), expected);
}

TEST(PiecewiseOperatorCallsTest, HandsOverOneRecordPerCall) {
  PiecewiseOperator op(MakeMapOperator<int64_t, int64_t>([](int64_t value) { return value; }));
  FakeOperatorContext context;
  context.AddPort<int64_t>();
  ASSERT_TRUE(op.Open(context).ok());
  std::unique_ptr<Batch> batch = TypedBatch<int64_t>::Type().create();
  for (int64_t i = 0; i < 5; ++i) static_cast<TypedBatch<int64_t>&>(*batch).Append(i) = i;
  size_t position = 0;
  for (size_t call = 1; call <= 5; ++call) {
    ASSERT_TRUE(op.Process(0, batch, position).ok());
    EXPECT_EQ(position, call);
    context.Collect();
    EXPECT_THAT(context.TakeAll<int64_t>(0), SizeIs(1));
  }
}

// Fires two windows for a watermark, one per call.
class FiresTwice final : public Operator {
 public:
  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    position = batch->size();
    return OkStatus();
  }
  Status OnWatermark(int64_t, bool& done) override {
    done = ++fired_ % 2 == 0;
    return OkStatus();
  }

 private:
  int fired_ = 0;
};

TEST(PiecewiseOperatorCallsTest, IsNotOvertakenBetweenTwoWindowsOfAWatermark) {
  PiecewiseOperator op(std::make_unique<FiresTwice>());
  EXPECT_TRUE(op.overtakable());
  bool done = false;
  ASSERT_TRUE(op.OnWatermark(10, done).ok());
  ASSERT_FALSE(done);
  EXPECT_FALSE(op.overtakable());
  ASSERT_TRUE(op.OnWatermark(10, done).ok());
  ASSERT_TRUE(done);
  EXPECT_TRUE(op.overtakable());
}

}  // namespace
}  // namespace eagre
