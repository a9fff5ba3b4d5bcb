// Kafka to Kafka, exactly once, whatever is killed at which point of a commit; and whatever it goes on from.
#include <signal.h>

#include <chrono>

#include "tests/kafka/kafka_cluster_test.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using KafkaRecoveryTest = KafkaClusterTest;

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
  const std::string savepoint = SavepointIn(stopped);
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
  const std::string newest = NewestCheckpoint(first);
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
  const std::string savepoint = SavepointIn(saved);
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

TEST_F(KafkaRecoveryTest, OutputWhoseMarkerIsLostFailsTheJobUnlessItMayBeWrittenAgain) {
  NewTopics();
  Produce(0, 1000);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2, CheckpointOptions()));
  Arm("kafka-sink-sent");
  const std::string died = SubmitCount({"--bounded"}, {"-p", "2", "-D", "restart-strategy.type=none"});
  ASSERT_TRUE(AwaitState(died, "FAILED")) << Job(died).DebugString();
  const std::string checkpoint = NewestCheckpoint(died);
  ASSERT_NE(checkpoint, "");
  Broker().DeleteTopic("eagre-transaction-markers");

  const std::string refused =
      SubmitCount({"--bounded"}, {"-p", "2", "-s", checkpoint, "-D", "restart-strategy.type=none"});
  ASSERT_TRUE(AwaitState(refused, "FAILED")) << Job(refused).DebugString();
  EXPECT_THAT(Job(refused).DebugString(), AllOf(HasSubstr("eagre-transaction-markers"), HasSubstr("OnLostMarker")));

  const std::string again = SubmitCount({"--bounded", "--lost-marker-again"}, {"-p", "2", "-s", checkpoint});
  ASSERT_TRUE(AwaitState(again, "FINISHED")) << Job(again).DebugString();
  EXPECT_EQ(Verify(out_, 0, 1000).lost, 0u);
  EXPECT_FALSE(Broker().HasOpenTransaction(out_));
}

TEST_F(KafkaRecoveryTest, AtLeastOnceLosesNothingWhoeverDies) {
  NewTopics();
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2, CheckpointOptions()));
  const std::string job_id = SubmitCount({"--guarantee", "at-least-once"});
  int64_t produced = 0;
  for (int i = 0; i < 3; ++i) {
    Produce(produced, produced + 1000);
    produced += 1000;
    ASSERT_TRUE(AwaitTrue([&] { return !Workers(0).empty(); }));
    ASSERT_EQ(kill(Workers(0).front(), SIGKILL), 0);
    // Doubles may be among them.
    ASSERT_TRUE(AwaitRecords(out_, static_cast<size_t>(produced))) << Job(job_id).DebugString();
  }
  EXPECT_TRUE(AwaitTrue([&] { return Verify(out_, 0, produced).lost == 0; }));
}

TEST_F(KafkaRecoveryTest, APoisonRecordIsNamedByPartitionAndOffsetAndAllOthersAreCountedOnce) {
  NewTopics();
  const std::string aside = Broker().NewTopic(1);
  Produce(0, 1000);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2, CheckpointOptions()));
  // Of the 1000 records in three partitions, the one with id 700 is at offset 233 of partition 1.
  const std::string job_id = SubmitCount({"--bounded", "--poison", "700", "--aside", aside});
  ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
  EXPECT_THAT(Job(job_id).DebugString(), HasSubstr("the record at offset 233 of " + in_ + "-1"));
  const std::vector<TestMessage> poison = Broker().Consume(aside);
  ASSERT_EQ(poison.size(), 1u);
  EXPECT_THAT(*poison[0].value, AllOf(HasSubstr(in_ + "-1"), HasSubstr("offset 233"), HasSubstr("700")));
  auto counts = Counts(out_);
  for (int64_t key = 0; key < kKeys; ++key) {
    const size_t expected = key == 0 ? 99 : 100;
    ASSERT_EQ(counts[key].size(), expected) << "of key " << key;
    for (size_t i = 0; i < expected; ++i) EXPECT_EQ(counts[key][i], static_cast<int64_t>(i) + 1) << "of key " << key;
  }
}

TEST_F(KafkaRecoveryTest, TopicsThatAppearAndFitThePatternAreReadFromTheirBeginning) {
  const std::string prefix = KafkaBroker::NewName("appearing");
  out_ = Broker().NewTopic(1);
  Broker().CreateTopic(prefix + "-a", 1);
  Broker().ProduceNumbers(prefix + "-a", 1, 0, 100, kKeys);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1, CheckpointOptions()));
  in_ = prefix + "-.";
  const std::string job_id = SubmitCount({"--pattern", "--discover", "100"}, {"-p", "1"});
  ASSERT_TRUE(AwaitRecords(out_, 100)) << Job(job_id).DebugString();
  Broker().CreateTopic(prefix + "-b", 1);
  Broker().ProduceNumbers(prefix + "-b", 1, 100, 200, kKeys);
  ASSERT_TRUE(AwaitRecords(out_, 200)) << Job(job_id).DebugString();
  ExpectExactlyOnce(out_, 0, 200);
}

}  // namespace
}  // namespace eagre
