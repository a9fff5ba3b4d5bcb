// Where records go, and where operators run: partitioning, chaining, slot sharing groups.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include <eagre/eagre.h>

#include "tests/testing/placed.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSubsetOf;

// 20000 records from `before` subtasks through the partitioning to `after` subtasks.
template <typename Repartition>
std::vector<Placed> Send(int before, int after, Repartition repartition) {
  LocalJob job;
  auto sent = job.Read(Generate<int64_t>(20'000, [](int64_t i) { return i; }))
                  .SetParallelism(before)
                  .Map(NoteSender())
                  .SetParallelism(before);
  auto received = repartition(sent).Map(NoteReceiver()).SetParallelism(after);
  StatusOr<std::vector<Placed>> records = received.ExecuteAndCollect();
  EXPECT_TRUE(records.ok()) << records.status();
  if (!records.ok()) return {};
  std::set<int64_t> values;
  for (const Placed& record : *records) values.insert(record.value);
  EXPECT_EQ(values.size(), 20'000u);
  EXPECT_EQ(records->size(), 20'000u);
  return *records;
}

std::map<int64_t, int> CountByReceiver(const std::vector<Placed>& records) {
  std::map<int64_t, int> counts;
  for (const Placed& record : records) ++counts[record.at];
  return counts;
}

std::set<std::pair<int64_t, int64_t>> Pairs(const std::vector<Placed>& records) {
  std::set<std::pair<int64_t, int64_t>> pairs;
  for (const Placed& record : records) pairs.emplace(record.from, record.at);
  return pairs;
}

TEST(PartitioningTest, ShuffleSpreadsRecordsAtRandom) {
  const auto counts = CountByReceiver(Send(2, 4, [](const auto& stream) { return stream.Shuffle(); }));
  ASSERT_EQ(counts.size(), 4u);
  for (const auto& [at, count] : counts) {
    EXPECT_GT(count, 4000);
    EXPECT_LT(count, 6000);
  }
}

TEST(PartitioningTest, GlobalSendsEverythingToTheFirstSubtask) {
  const auto counts = CountByReceiver(Send(3, 3, [](const auto& stream) { return stream.Global(); }));
  EXPECT_THAT(counts, ElementsAre(testing::Pair(0, 20'000)));
}

TEST(PartitioningTest, RescaleConnectsFewPairsOfSubtasks) {
  const auto rescale = [](const auto& stream) { return stream.Rescale(); };
  using P = std::pair<int64_t, int64_t>;
  // A sender that got nothing to read sends nothing.
  EXPECT_THAT(Pairs(Send(2, 4, rescale)), IsSubsetOf({P(0, 0), P(0, 1), P(1, 2), P(1, 3)}));
  EXPECT_THAT(Pairs(Send(4, 2, rescale)), IsSubsetOf({P(0, 0), P(1, 0), P(2, 1), P(3, 1)}));
  EXPECT_THAT(Pairs(Send(2, 3, rescale)), IsSubsetOf({P(0, 0), P(1, 1), P(1, 2)}));
  EXPECT_THAT(Pairs(Send(3, 2, rescale)), IsSubsetOf({P(0, 0), P(1, 0), P(2, 1)}));
}

TEST(PartitioningTest, APartitionerChoosesTheSubtaskByKey) {
  const auto records = Send(2, 3, [](const auto& stream) {
    return stream.PartitionCustom([](int64_t key, int partitions) { return static_cast<int>(key) % partitions; },
                                  [](const Placed& placed) { return placed.value / 10; });
  });
  for (const Placed& record : records) ASSERT_EQ(record.at, record.value / 10 % 3);
}

// What a job says of a partitioner between two operators that chooses so of two partitions.
std::string FailureOfChoosing(int (*choose)(int partitions)) {
  LocalJob job;
  auto stream = job.Read(Generate<int64_t>(10, [](int64_t i) { return i; }))
                    .Name("numbers")
                    .PartitionCustom([choose](int64_t, int partitions) { return choose(partitions); },
                                     [](int64_t n) { return n; })
                    .Map([](int64_t n) { return n; })
                    .Name("halves")
                    .SetParallelism(2);
  return std::string(StatusMessage(stream.ExecuteAndCollect().status()));
}

TEST(PartitioningTest, APartitionerOutOfRangeFailsTheJobWithWhatItChoseAndBetweenWhichOperators) {
  EXPECT_THAT(FailureOfChoosing([](int partitions) { return partitions; }),
              HasSubstr("the partitioner from 'numbers' to 'halves' chose partition 2; expected 0 to 1"));
  EXPECT_THAT(FailureOfChoosing([](int) { return -1; }), HasSubstr("chose partition -1; expected 0 to 1"));
}

// The vertices of a job, by their names, with their slots.
std::vector<std::string> Vertices(LocalJob& job) {
  const StatusOr<ChainedGraph> graph = BuildJobGraph(job.graph());
  EXPECT_TRUE(graph.ok()) << graph.status();
  std::vector<std::string> vertices;
  for (const proto::Vertex& vertex : graph->job_graph.vertices()) {
    vertices.push_back(fmt::format("{} @ {}", vertex.name(), vertex.slot_offset()));
  }
  return vertices;
}

DataStream<int64_t> Step(const DataStream<int64_t>& stream, const std::string& name) {
  return stream.Map([](int64_t n) { return n; }).Name(name);
}

TEST(ChainingTest, ChainsAreCutWhereTheJobSaysSo) {
  const auto vertices = [](auto&& change_b) {
    LocalJob job;
    auto a = Step(job.Read(FromValues<int64_t>({1}), "source"), "a");
    auto b = Step(a, "b");
    change_b(b);
    Step(b, "c").WriteTo(Blackhole()).Name("sink");
    return Vertices(job);
  };
  EXPECT_THAT(vertices([](auto&) {}), ElementsAre("source -> a -> b -> c -> sink @ 0"));
  EXPECT_THAT(vertices([](auto& b) { b.StartNewChain(); }), ElementsAre("source -> a @ 0", "b -> c -> sink @ 0"));
  EXPECT_THAT(vertices([](auto& b) { b.DisableChaining(); }), ElementsAre("source -> a @ 0", "b @ 0", "c -> sink @ 0"));
}

TEST(ChainingTest, ASinkMayRunInATaskOfItsOwn) {
  LocalJob job;
  Step(job.Read(FromValues<int64_t>({1}), "source"), "a").WriteTo(Blackhole()).Name("sink").DisableChaining();
  EXPECT_THAT(Vertices(job), ElementsAre("source -> a @ 0", "sink @ 0"));
}

TEST(SlotSharingTest, OperatorsOfAnotherGroupHaveSlotsOfTheirOwnAndPassTheGroupOn) {
  LocalJob job;
  job.SetParallelism(2);
  auto a = Step(job.Read(FromValues<int64_t>({1}), "source"), "a");
  auto b = Step(a, "b").SlotSharingGroup("heavy").SetParallelism(3);
  auto c = Step(b, "c").SetParallelism(3);
  c.WriteTo(Blackhole()).Name("sink").SlotSharingGroup("out");
  EXPECT_THAT(Vertices(job), ElementsAre("source -> a @ 0", "b -> c @ 2", "sink @ 5"));
  EXPECT_EQ(RequiredSlots(BuildJobGraph(job.graph())->job_graph), 7);
}

TEST(SlotSharingTest, AJobOfSeveralGroupsRuns) {
  LocalJob job;
  job.SetParallelism(2);
  auto numbers = job.Read(Generate<int64_t>(5000, [](int64_t i) { return i; }));
  auto sums = numbers.KeyBy([](int64_t n) { return n % 7; })
                  .Reduce([](int64_t a, int64_t b) { return a + b; })
                  .SlotSharingGroup("sums")
                  .SetParallelism(3);
  const StatusOr<std::vector<int64_t>> records = sums.ExecuteAndCollect();
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ(records->size(), 5000u);
}

}  // namespace
}  // namespace eagre
