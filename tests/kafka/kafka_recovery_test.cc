// Kafka to Kafka, exactly once, whatever is killed and when. The verifier is a consumer of its own that reads only what
// is committed.
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "base/random.h"
#include "tests/cluster/cluster_fixture.h"
#include "tests/kafka/kafka_broker.h"

namespace eagre {
namespace {

constexpr int kKeys = 10;

class KafkaRecoveryTest : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    std::filesystem::create_directory(Path("faults"));
    setenv("EAGRE_FAULT_POINTS", Path("faults").c_str(), 1);
    Broker();
  }
  void TearDown() override {
    ClusterTest::TearDown();
    unsetenv("EAGRE_FAULT_POINTS");
  }

  Words CheckpointOptions(const std::string& interval = "100ms") {
    return {"execution.checkpointing.interval=" + interval,
            "execution.checkpointing.dir=" + Path("checkpoints"),
            "restart-strategy.type=fixed-delay",
            "restart-strategy.fixed-delay.attempts=1000",
            "restart-strategy.fixed-delay.delay=1ms",
            "execution.checkpointing.tolerable-failed-checkpoints=100"};
  }

  // Has the next worker that passes the point die there.
  void Arm(const std::string& point) { std::ofstream(Path("faults/" + point)); }
  bool Armed(const std::string& point) { return std::filesystem::exists(Path("faults/" + point)); }

  void NewTopics(int partitions = 3) {
    in_ = Broker().NewTopic(partitions);
    out_ = Broker().NewTopic(2);
    partitions_ = partitions;
  }
  void Produce(int64_t from, int64_t to) { Broker().ProduceNumbers(in_, partitions_, from, to, kKeys); }

  std::string SubmitCount(const Words& more = {}, const Words& options = {"-p", "2"}) {
    Words arguments = {"--servers", Broker().bootstrap(), "--input", in_, "--output", out_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Submit("kafka_count", arguments, options);
  }

  // The counts of every key in `topic`, sorted.
  std::map<int64_t, std::vector<int64_t>> Counts(const std::string& topic) {
    std::map<int64_t, std::vector<int64_t>> counts;
    for (const TestMessage& message : Broker().Consume(topic)) {
      long long key = 0, count = 0, id = 0;
      EXPECT_EQ(std::sscanf(message.value->c_str(), R"({"key":%lld,"count":%lld,"id":%lld})", &key, &count, &id), 3);
      counts[key].push_back(count);
    }
    for (auto& [key, numbers] : counts) std::sort(numbers.begin(), numbers.end());
    return counts;
  }

  struct Verdict {
    size_t lost = 0;
    size_t duplicated = 0;
  };
  // Holds the topic against the counts of the records from..to of the input, each of which is to be there once.
  Verdict Verify(const std::string& topic, int64_t from, int64_t to) {
    const auto counts = Counts(topic);
    Verdict verdict;
    for (int64_t key = 0; key < kKeys; ++key) {
      const auto found = counts.find(key);
      const std::vector<int64_t> numbers = found == counts.end() ? std::vector<int64_t>() : found->second;
      for (int64_t n = from / kKeys + 1; n <= to / kKeys; ++n) {
        const auto [begin, end] = std::equal_range(numbers.begin(), numbers.end(), n);
        if (begin == end) ++verdict.lost;
        if (begin != end) verdict.duplicated += static_cast<size_t>(end - begin) - 1;
      }
      if (numbers.empty()) continue;
      EXPECT_GT(numbers.front(), from / kKeys) << "key " << key;
      EXPECT_LE(numbers.back(), to / kKeys) << "key " << key;
    }
    return verdict;
  }
  void ExpectExactlyOnce(const std::string& topic, int64_t from, int64_t to) {
    // A commit is decided a moment before all partitions know of it.
    EXPECT_TRUE(AwaitTrue([&] { return !Broker().HasOpenTransaction(topic); })) << "of topic " << topic;
    const Verdict verdict = Verify(topic, from, to);
    EXPECT_EQ(verdict.lost, 0u) << "of topic " << topic;
    EXPECT_EQ(verdict.duplicated, 0u) << "of topic " << topic;
  }

  bool AwaitRecords(const std::string& topic, size_t records) {
    return AwaitTrue([&] { return Broker().Consume(topic).size() >= records; }, std::chrono::seconds(60));
  }

  std::string in_, out_;
  int partitions_ = 0;
};

TEST_F(KafkaRecoveryTest, ABoundedJobIsVisibleAsAWholeWhenItIsFinished) {
  NewTopics();
  Produce(0, 3000);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2, CheckpointOptions()));
  const std::string job_id = SubmitCount({"--bounded"});
  ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
  ExpectExactlyOnce(out_, 0, 3000);
}

TEST_F(KafkaRecoveryTest, AWorkerMayDieAtAnyPointOfACommit) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1, CheckpointOptions()));
  // The last one dies in the attempt after the first.
  const std::vector<Words> cases = {{"kafka-sink-checkpoint-complete"},
                                    {"kafka-sink-sending"},
                                    {"kafka-sink-sent"},
                                    {"kafka-sink-committed"},
                                    {"kafka-sink-sent", "kafka-sink-initialised"}};
  for (const Words& points : cases) {
    SCOPED_TRACE(points.back());
    NewTopics();
    Produce(0, 2000);
    for (const std::string& point : points) Arm(point);
    const std::string job_id = SubmitCount({"--bounded"});
    ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
    for (const std::string& point : points) EXPECT_FALSE(Armed(point)) << point << " was not passed";
    EXPECT_GE(Job(job_id).summary().restarts(), static_cast<int>(points.size()));
    ExpectExactlyOnce(out_, 0, 2000);
  }
}

constexpr int kFewestKills = 5;

// Kills whatever there is, at instants of a seed's choosing and in the middle of commits, while numbered records flow.
//   EAGRE_CHAOS_SECONDS (15), EAGRE_CHAOS_SEED (1)
TEST_F(KafkaRecoveryTest, ChaosLosesNothingAndDoublesNothing) {
  const char* const seconds = getenv("EAGRE_CHAOS_SECONDS");
  const char* const seed = getenv("EAGRE_CHAOS_SEED");
  SeededRandom random(seed == nullptr ? 1 : std::stoull(seed));
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(seconds == nullptr ? 15 : std::stoi(seconds));
  NewTopics();
  Words properties = CheckpointOptions();
  properties.push_back("high-availability.storageDir=" + Path("store"));
  ASSERT_NO_FATAL_FAILURE(StartCluster(3, 1, properties));
  const std::string job_id = SubmitCount({}, {"-p", "2"});
  size_t newest_task_manager = 2;
  const Words points = {"kafka-sink-checkpoint-complete", "kafka-sink-sending", "kafka-sink-sent",
                        "kafka-sink-committed", "kafka-sink-initialised"};
  int64_t produced = 0;
  std::map<std::string, int> kills;
  const auto all = [&] {
    int sum = 0;
    for (const auto& [victim, times] : kills) sum += times;
    return sum;
  };
  // A broker's return can take most of a short run.
  while (std::chrono::steady_clock::now() < end || all() < kFewestKills) {
    const int64_t more = 30 * kKeys;
    Produce(produced, produced + more);
    produced += more;
    switch (random.Below(12)) {
      case 0:
        Broker().Kill();
        Broker().Start();
        ++kills["broker"];
        break;
      case 1:
        job_manager().Signal(SIGKILL);
        job_manager().AwaitExit();
        properties.push_back("jobmanager.rpc.port=" + std::to_string(rpc_port()));
        ASSERT_NO_FATAL_FAILURE(StartJobManager(properties));
        ++kills["JobManager"];
        break;
      case 2:
        task_manager(newest_task_manager).Signal(SIGKILL);
        task_manager(newest_task_manager).AwaitExit();
        newest_task_manager = StartTaskManager(properties);
        ++kills["TaskManager"];
        break;
      case 3:
      case 4:
      case 5:
      case 6:
        if (const std::string& point = points[random.Below(points.size())]; !Armed(point)) {
          Arm(point);
          ++kills["worker, in a commit"];
        }
        break;
      default:
        for (size_t i = 0; i <= newest_task_manager; ++i) {
          const std::vector<pid_t> workers = Workers(i);
          if (workers.empty() || random.Below(2) == 0) continue;
          kill(workers.front(), SIGKILL);
          ++kills["worker"];
        }
    }
    // The job comes back in between, or kills would only meet a job that is starting.
    ASSERT_TRUE(AwaitRecords(out_, static_cast<size_t>(produced - random.Below(2) * more)))
        << produced << " records, " << Job(job_id).DebugString();
  }
  for (const std::string& point : points) {
    if (std::filesystem::remove(Path("faults/" + point))) --kills["worker, in a commit"];
  }
  ASSERT_TRUE(AwaitRecords(out_, static_cast<size_t>(produced))) << Job(job_id).DebugString();
  const Verdict verdict = Verify(out_, 0, produced);
  for (const auto& [victim, times] : kills) std::printf("%s: %d\n", victim.c_str(), times);
  std::printf("%lld records\n%d kills, %zu lost, %zu duplicated\n", static_cast<long long>(produced), all(),
              verdict.lost, verdict.duplicated);
  EXPECT_EQ(verdict.lost, 0u);
  EXPECT_EQ(verdict.duplicated, 0u);
  EXPECT_FALSE(Broker().HasOpenTransaction(out_));
  // Offsets are committed back, for whoever watches.
  EXPECT_TRUE(AwaitTrue([&] { return Broker().CommittedOffset("count-" + out_, in_, 0) == produced / 3; }));
}

TEST_F(KafkaRecoveryTest, AnotherParallelismGoesOnAfterAStop) {
  NewTopics();
  Produce(0, 1000);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 4, CheckpointOptions()));
  const std::string first = SubmitCount({}, {"-p", "2"});
  ASSERT_TRUE(AwaitRecords(out_, 500));
  const Ended stopped = RunOnCluster({"stop", "-p", Path("savepoints"), first});
  ASSERT_EQ(stopped.status, 0) << stopped.err;
  // The stop has committed what it had.
  const size_t visible = Broker().Consume(out_).size();
  const std::string path = stopped.out.substr(stopped.out.find("Path: ") + 6);
  const std::string savepoint = path.substr(0, path.find('\n'));
  Produce(1000, 2000);
  const std::string second = SubmitCount({}, {"-p", "4", "-s", savepoint});
  ASSERT_TRUE(AwaitRecords(out_, 2000)) << Job(second).DebugString();
  EXPECT_GE(visible, 500u);
  ExpectExactlyOnce(out_, 0, 2000);
}

TEST_F(KafkaRecoveryTest, AJobThatDiedInItsCommitGoesOnAtAnotherParallelism) {
  NewTopics();
  Produce(0, 1000);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 4, CheckpointOptions()));
  // No restart: what is left is a checkpoint whose output was sent and not committed.
  Arm("kafka-sink-sent");
  const std::string first =
      SubmitCount({}, {"-p", "3", "-D", "restart-strategy.type=none", "-D", "execution.checkpointing.interval=300ms"});
  ASSERT_TRUE(AwaitState(first, "FAILED")) << Job(first).DebugString();
  std::string newest;
  for (const std::string& file : FilesBelow(Path("checkpoints") + "/" + first)) {
    if (file.ends_with("/_metadata")) newest = std::max(newest, file.substr(0, file.rfind('/')));
  }
  ASSERT_NE(newest, "");
  // The second attempt dies as well, before it has taken a checkpoint.
  Arm("kafka-sink-initialised");
  const std::string second = SubmitCount({}, {"-p", "1", "-s", newest});
  ASSERT_TRUE(AwaitRecords(out_, 1000)) << Job(second).DebugString();
  EXPECT_FALSE(Armed("kafka-sink-initialised"));
  ExpectExactlyOnce(out_, 0, 1000);
}

TEST_F(KafkaRecoveryTest, AnOlderSavepointIsALineOfItsOwn) {
  NewTopics();
  const std::string before = out_;
  Produce(0, 1000);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2, CheckpointOptions()));
  const std::string first = SubmitCount();
  ASSERT_TRUE(AwaitRecords(before, 1000));
  const Ended saved = RunOnCluster({"savepoint", first, Path("savepoints")});
  ASSERT_EQ(saved.status, 0) << saved.err;
  const std::string path = saved.out.substr(saved.out.find("Path: ") + 6);
  const std::string savepoint = path.substr(0, path.find('\n'));
  // The job goes on far beyond it, with checkpoints of higher numbers.
  Produce(1000, 2000);
  ASSERT_TRUE(AwaitRecords(before, 2000));
  ASSERT_EQ(RunOnCluster({"cancel", first}).status, 0);
  ASSERT_TRUE(AwaitState(first, "CANCELED"));
  // Twice from the same savepoint: what they write is what came after it, each once, with a death in between.
  for (int i = 0; i < 2; ++i) {
    out_ = Broker().NewTopic(2);
    Arm("kafka-sink-sent");
    const std::string again = SubmitCount({}, {"-p", "2", "-s", savepoint});
    ASSERT_TRUE(AwaitRecords(out_, 1000)) << Job(again).DebugString();
    ExpectExactlyOnce(out_, 1000, 2000);
    ASSERT_EQ(RunOnCluster({"cancel", again}).status, 0);
    ASSERT_TRUE(AwaitState(again, "CANCELED"));
  }
  ExpectExactlyOnce(before, 0, 2000);
}

TEST_F(KafkaRecoveryTest, AJobThatIsAwayForLongerThanItsTransactionsLosesNothing) {
  NewTopics();
  Produce(0, 1000);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2, CheckpointOptions()));
  Arm("kafka-sink-sent");
  const std::string job_id = SubmitCount({"--bounded", "--transaction-timeout", "1500"});
  ASSERT_TRUE(AwaitTrue([&] { return !Armed("kafka-sink-sent"); }));
  task_manager(0).Signal(SIGKILL);
  EXPECT_TRUE(Broker().HasOpenTransaction(out_));
  // The broker gives the transaction up, so that nobody who reads is held up for ever.
  ASSERT_TRUE(AwaitTrue([&] { return !Broker().HasOpenTransaction(out_); }));
  StartTaskManager({"taskmanager.numberOfTaskSlots=2"});
  ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
  ExpectExactlyOnce(out_, 0, 1000);
}

TEST_F(KafkaRecoveryTest, PartitionsThatAppearWhileTheJobRunsAreReadFromTheirBeginning) {
  NewTopics(1);
  Produce(0, 100);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2, CheckpointOptions()));
  const std::string job_id = SubmitCount({"--discover", "100"});
  ASSERT_TRUE(AwaitRecords(out_, 100)) << Job(job_id).DebugString();
  Broker().AddPartitions(in_, 3);
  partitions_ = 3;
  Produce(100, 200);
  ASSERT_TRUE(AwaitRecords(out_, 200)) << Job(job_id).DebugString();
  ExpectExactlyOnce(out_, 0, 200);
}

}  // namespace
}  // namespace eagre
