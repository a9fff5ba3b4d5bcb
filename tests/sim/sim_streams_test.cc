// Jobs on a simulated cluster whose records go from worker to worker by every way that a stream can take: what comes
// out is what comes out at parallelism 1, in whatever order things happen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>

#include <eagre/eagre.h>

#include "tests/sim/sim_cluster.h"
#include "tests/testing/placed.h"

namespace eagre {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsSubsetOf;

using Config = std::map<std::string, std::string>;

// Frames of a few records, so that every channel between workers is full at times.
const Config kSmallFrames = {{"taskmanager.memory.segment-size", "256b"},
                             {"taskmanager.network.memory.buffers-per-channel", "2"}};

// Runs the job on two TaskManagers of two slots, at parallelism 4.
proto::JobDetails RunAtFour(uint64_t seed, const std::function<void(Job&)>& describe, Config config = kSmallFrames) {
  SimCluster cluster(seed, {.task_managers = 2, .slots_each = 2});
  config.emplace("parallelism.default", "4");
  const StatusOr<proto::JobDetails> details = cluster.RunJob(
      [&describe](Configuration configuration) {
        auto graph = std::make_unique<StreamGraph>(std::move(configuration));
        Job job(*graph);
        describe(job);
        return graph;
      },
      config);
  EXPECT_TRUE(details.ok()) << StatusMessage(details.status());
  if (!details.ok()) return {};
  EXPECT_EQ(details->summary().state(), "FINISHED") << details->ShortDebugString();
  EXPECT_EQ(details->task_managers_size(), 2) << "the job is to use both TaskManagers";
  return *details;
}

constexpr int64_t kValues = 8'000;

using Repartition = DataStream<Placed> (*)(const DataStream<Placed>&);

// kValues records from `before` subtasks through the partitioning to `after`; each comes once.
std::vector<Placed> Send(uint64_t seed, int before, int after, Repartition repartition) {
  auto collected = std::make_shared<CollectedRecords<Placed>>();
  RunAtFour(seed, [&](Job& job) {
    auto sent = job.Read(Generate<int64_t>(kValues, [](int64_t i) { return i; }))
                    .SetParallelism(before)
                    .Map(NoteSender())
                    .SetParallelism(before);
    // What keeps both TaskManagers in the job, whatever the parallelism of the rest is.
    job.Read(FromValues<int64_t>({1})).SetParallelism(4).WriteTo(Blackhole()).SetParallelism(4);
    repartition(sent).Map(NoteReceiver()).SetParallelism(after).WriteTo(CollectSink<Placed>(collected));
  });
  std::vector<Placed> records = collected->Take();
  std::set<int64_t> values;
  for (const Placed& record : records) values.insert(record.value);
  EXPECT_EQ(records.size(), size_t{kValues});
  EXPECT_EQ(values.size(), size_t{kValues});
  return records;
}

std::map<int64_t, int> CountByReceiver(const std::vector<Placed>& records) {
  std::map<int64_t, int> counts;
  for (const Placed& record : records) ++counts[record.at];
  return counts;
}

class SimPartitioningTest : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, SimPartitioningTest, testing::Range<uint64_t>(1, 4));

TEST_P(SimPartitioningTest, ShuffleSpreadsRecordsOverAllWorkers) {
  const auto counts = CountByReceiver(Send(GetParam(), 4, 4, [](const auto& stream) { return stream.Shuffle(); }));
  ASSERT_EQ(counts.size(), 4u);
  for (const auto& [at, count] : counts) {
    EXPECT_GT(count, kValues / 5) << "subtask " << at;
    EXPECT_LT(count, kValues * 3 / 10) << "subtask " << at;
  }
}

TEST_P(SimPartitioningTest, GlobalBringsTheRecordsOfAllWorkersToTheFirstSubtask) {
  const auto counts = CountByReceiver(Send(GetParam(), 4, 4, [](const auto& stream) { return stream.Global(); }));
  EXPECT_THAT(counts, ElementsAre(testing::Pair(0, kValues)));
}

TEST_P(SimPartitioningTest, RescaleConnectsTheSamePairsAcrossWorkersAsWithinOne) {
  using Pair = std::pair<int64_t, int64_t>;
  const auto pairs = [](int before, int after) {
    std::set<Pair> found;
    for (const Placed& record : Send(GetParam(), before, after, [](const auto& stream) { return stream.Rescale(); }))
      found.emplace(record.from, record.at);
    return found;
  };
  // A sender that got nothing to read sends nothing.
  EXPECT_THAT(pairs(2, 4), IsSubsetOf({Pair(0, 0), Pair(0, 1), Pair(1, 2), Pair(1, 3)}));
  EXPECT_THAT(pairs(4, 2), IsSubsetOf({Pair(0, 0), Pair(1, 0), Pair(2, 1), Pair(3, 1)}));
  EXPECT_THAT(pairs(3, 4), IsSubsetOf({Pair(0, 0), Pair(1, 1), Pair(2, 2), Pair(2, 3)}));
}

TEST_P(SimPartitioningTest, APartitionerOfTheJobChoosesTheSubtaskInAnyWorker) {
  const auto records = Send(GetParam(), 4, 4, [](const auto& stream) {
    return stream.PartitionCustom([](int64_t key, int partitions) { return static_cast<int>(key) % partitions; },
                                  [](const Placed& placed) { return placed.value / 10; });
  });
  for (const Placed& record : records) ASSERT_EQ(record.at, record.value / 10 % 4);
}

TEST_P(SimPartitioningTest, RebalanceGivesEverySubtaskItsTurn) {
  const auto counts = CountByReceiver(Send(GetParam(), 1, 4, [](const auto& stream) { return stream.Rebalance(); }));
  EXPECT_THAT(counts, ElementsAre(testing::Pair(0, kValues / 4), testing::Pair(1, kValues / 4),
                                  testing::Pair(2, kValues / 4), testing::Pair(3, kValues / 4)));
}

// ---- results that do not depend on the parallelism ----

using Lines = std::vector<std::string>;
using BuildLines = DataStream<std::string> (*)(Job& job);

// The lines of the stream at parallelism 1 in this process, and on the cluster: the same.
void ExpectTheResultOfOneSubtask(uint64_t seed, BuildLines build) {
  LocalJob local;
  local.SetParallelism(1);
  StatusOr<Lines> expected = build(local).ExecuteAndCollect();
  ASSERT_TRUE(expected.ok()) << StatusMessage(expected.status());
  ASSERT_FALSE(expected->empty());
  auto collected = std::make_shared<CollectedRecords<std::string>>();
  RunAtFour(seed, [&](Job& job) { build(job).WriteTo(CollectSink<std::string>(collected)); });
  Lines lines = collected->Take();
  std::sort(lines.begin(), lines.end());
  std::sort(expected->begin(), expected->end());
  EXPECT_EQ(lines, *expected);
}

struct SimOrder {
  std::string user;
  int64_t amount = 0;
  Timestamp at;
};
EAGRE_RECORD(SimOrder, user, amount, at);
using Order = SimOrder;

struct SimRate {
  std::string name;
  int64_t percent = 0;
};
EAGRE_RECORD(SimRate, name, percent);
using Rate = SimRate;

SourceStream<Order> Orders(Job& job) {
  return job
      .Read(Generate<Order>(4'000,
                            [](int64_t i) {
                              return Order{"u" + std::to_string(i * 31 % 57), i, Timestamp(i)};
                            }))
      .WithWatermarks(Monotonous(), &Order::at);
}
SourceStream<Rate> Rates(Job& job) {
  return job.Read(Generate<Rate>(600,
                                 [](int64_t i) {
                                   return Rate{"u" + std::to_string(i % 60), i};
                                 }))
      .WithWatermarks(NoWatermarks(), [](const Rate& rate) { return rate.percent; });
}

// Sums both streams of a user, to be said when both have ended.
class SumBoth final : public KeyedCoProcessFunction<std::string, Order, Rate, std::string> {
 public:
  void ProcessElement1(const Order& order, Context& context, Collector<std::string>&) override {
    amounts_.Mutable() += order.amount;
    context.RegisterEventTimeTimer(kMaxWatermark - 1);
  }
  void ProcessElement2(const Rate& rate, Context& context, Collector<std::string>&) override {
    rates_.Mutable() += rate.percent;
    context.RegisterEventTimeTimer(kMaxWatermark - 1);
  }
  void OnTimer(int64_t, OnTimerContext& context, Collector<std::string>& out) override {
    out.Collect(fmt::format("{}: {} and {}", context.key(), amounts_.Get() == nullptr ? 0 : *amounts_.Get(),
                            rates_.Get() == nullptr ? 0 : *rates_.Get()));
  }

 private:
  ValueState<int64_t> amounts_{this, "amounts"};
  ValueState<int64_t> rates_{this, "rates"};
};

class SimStreamsTest : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, SimStreamsTest, testing::Range<uint64_t>(1, 4));

TEST_P(SimStreamsTest, ConnectedKeyedStreamsMeetAcrossWorkers) {
  ExpectTheResultOfOneSubtask(GetParam(), [](Job& job) {
    return DataStream<std::string>(Orders(job).Connect(Rates(job)).KeyBy(&Order::user, &Rate::name).Process(SumBoth()));
  });
}

TEST_P(SimStreamsTest, ConnectedStreamsWithoutKeysLoseNothing) {
  ExpectTheResultOfOneSubtask(GetParam(), [](Job& job) {
    return DataStream<std::string>(Orders(job)
                                       .Shuffle()
                                       .Connect(Rates(job).Rebalance())
                                       .Map([](const Order& order) { return fmt::format("order {}", order.amount); },
                                            [](const Rate& rate) { return fmt::format("rate {}", rate.percent); }));
  });
}

// What a user has spent, with all rates that there were: broadcast state as it is when both streams have ended.
class ApplyRates final : public KeyedBroadcastProcessFunction<std::string, Order, Rate, std::string> {
 public:
  void ProcessElement(const Order& order, ReadOnlyContext& context, Collector<std::string>&) override {
    spent_.Mutable() += order.amount;
    context.RegisterEventTimeTimer(kMaxWatermark - 1);
  }
  void ProcessBroadcastElement(const Rate& rate, Context& context, Collector<std::string>&) override {
    int64_t& largest = context.GetBroadcastState(rates_).Mutable(rate.name);
    largest = std::max(largest, rate.percent);
  }
  void OnTimer(int64_t, OnTimerContext& context, Collector<std::string>& out) override {
    int64_t all = 0;
    for (const auto& [name, percent] : rates_.Entries()) all += percent;
    out.Collect(fmt::format("{}: {}, {} rates of {}", context.key(), *spent_.Get(), rates_.Entries().size(), all));
  }

 private:
  ValueState<int64_t> spent_{this, "spent"};
  BroadcastState<std::string, int64_t> rates_{this, "rates"};
};

TEST_P(SimStreamsTest, EveryWorkerKnowsTheWholeBroadcastState) {
  ExpectTheResultOfOneSubtask(GetParam(), [](Job& job) {
    return DataStream<std::string>(
        Orders(job).KeyBy(&Order::user).Connect(Rates(job).Broadcast()).Process(ApplyRates()));
  });
}

// ---- restarts ----

// Counts its records, and fails at one in the first attempt.
class CountOrFail final : public MapFunction<int64_t, int64_t> {
 public:
  explicit CountOrFail(std::shared_ptr<bool> failed) : failed_(std::move(failed)) {}
  Status Open(RuntimeContext& context) override {
    records_ = &context.AddAccumulator<IntCounter>("records");
    least_ = &context.AddAccumulator<IntMinimum>("least");
    return OkStatus();
  }
  int64_t Map(const int64_t& value) override {
    records_->Add();
    least_->Add(value);
    if (value == kValues - 1 && !std::exchange(*failed_, true)) throw std::runtime_error("not at the first time");
    return value;
  }

 private:
  std::shared_ptr<bool> failed_;
  IntCounter* records_ = nullptr;
  IntMinimum* least_ = nullptr;
};

TEST(SimRestartTest, AccumulatorsBeginAnewWithEveryAttempt) {
  auto failed = std::make_shared<bool>(false);
  Config config = kSmallFrames;
  config["restart-strategy.type"] = "fixed-delay";
  config["restart-strategy.fixed-delay.attempts"] = "1";
  // Reports of the first attempt have been on their way when it fails.
  config["restart-strategy.fixed-delay.delay"] = "5 s";
  const proto::JobDetails details = RunAtFour(
      11,
      [&](Job& job) {
        job.Read(Generate<int64_t>(kValues, [](int64_t i) { return i; }))
            .Rebalance()
            .Map(CountOrFail(failed))
            .WriteTo(Blackhole());
      },
      config);
  EXPECT_TRUE(*failed);
  EXPECT_EQ(details.summary().restarts(), 1);
  std::map<std::string, std::string> texts;
  for (const proto::Accumulator& accumulator : details.accumulators())
    texts[accumulator.name()] = AccumulatorText(accumulator);
  EXPECT_THAT(texts, ElementsAre(testing::Pair("least", "0"), testing::Pair("records", std::to_string(kValues))));
}

}  // namespace
}  // namespace eagre
