// What is seen of jobs that read Kafka: event time over partitions, metrics, and that no secret is.
#include <cmath>

#include "tests/cluster/tcp_probe.h"
#include "tests/kafka/kafka_cluster_test.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kFirstMs = 1'735'732'800'000;

class KafkaObservationTest : public KafkaClusterTest {
 protected:
  std::string SubmitEventTime(const Words& more, const std::string& parallelism) {
    Words arguments = {"--servers", Broker().bootstrap(), "--input", in_, "--output", out_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Submit("kafka_event_time", arguments, {"-p", parallelism});
  }

  // A metric of the Kafka reader's operator; of a partition of in_ unless that is negative. NaN: there is none.
  double ReaderMetric(const std::string& name, int partition = -1) {
    const std::string page = HttpGet(task_manager_metrics_port(0), "/metrics");
    std::string topic = in_;  // as a label
    std::replace(topic.begin(), topic.end(), '-', '_');
    const std::string start = "flink_taskmanager_job_task_operator_" + name + "{";
    for (size_t at = page.find(start); at != std::string::npos; at = page.find(start, at + 1)) {
      const std::string line = page.substr(at, page.find('\n', at) - at);
      if (at > 0 && page[at - 1] != '\n') continue;
      if (partition >= 0 && (line.find("topic=\"" + topic + "\"") == std::string::npos ||
                             line.find(fmt::format("partition=\"{}\"", partition)) == std::string::npos)) {
        continue;
      }
      return std::stod(line.substr(line.rfind(' ') + 1));
    }
    return std::nan("");
  }
  bool AwaitReaderMetric(const std::string& name, int partition, double value) {
    return AwaitTrue([&] { return ReaderMetric(name, partition) == value; });
  }
};

TEST_F(KafkaObservationTest, ReadersWithoutAPartitionHoldNobodyBack) {
  NewTopics(1);
  Produce(0, 3000);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 3));
  const std::string job_id = SubmitEventTime({}, "3");
  // Two of three seconds are over.
  EXPECT_TRUE(AwaitRecords(out_, 2 * kKeys)) << Job(job_id).DebugString();
}

TEST_F(KafkaObservationTest, PartitionsWithoutRecordsHoldNobodyBackWhenTheyAreIdle) {
  NewTopics(2);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const std::string job_id = SubmitEventTime({"--idle", "500"}, "1");
  // The other partition has no end of records, or it would be idle as well.
  int64_t produced = 0;
  EXPECT_TRUE(AwaitTrue([&] {
    Broker().ProduceNumbers(in_, 1, produced, produced + 1000, kKeys);
    produced += 1000;
    return Broker().Consume(out_).size() >= static_cast<size_t>(2 * kKeys);
  })) << Job(job_id).DebugString();
}

TEST_F(KafkaObservationTest, APartitionThatIsAheadPausesUntilTheOthersHaveCaughtUp) {
  NewTopics(2);
  out_ = Broker().NewTopic(1);
  constexpr int64_t kAheadMs = 3'600'000;
  // A pair of records: of the partition that is ahead, with an even id, and of the other.
  int64_t pairs = 0;
  const auto produce_pair = [&](int64_t ahead_ms) {
    const auto value = [](int64_t id) { return fmt::format(R"({{"id":{},"key":0}})", id); };
    Broker().Produce(in_, {{.value = value(2 * pairs), .timestamp_ms = kFirstMs + ahead_ms + pairs, .partition = 1}});
    Broker().Produce(in_, {{.value = value(2 * pairs + 1), .timestamp_ms = kFirstMs + pairs, .partition = 0}});
    ++pairs;
  };
  const auto has_come = [&](int64_t id) {
    for (const TestMessage& message : Broker().Consume(out_)) {
      if (message.value->find(fmt::format("\"id\":{},", id)) != std::string::npos) return true;
    }
    return false;
  };
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const std::string job_id = SubmitEventTime({"--copy", "--drift", "60000"}, "1");
  // When a record has come and one that was written before the record in front of it has not, then that one waits.
  int64_t waiting = -1;
  ASSERT_TRUE(AwaitTrue([&] {
    produce_pair(kAheadMs);
    if (!AwaitTrue([&] { return has_come(2 * pairs - 1); })) return false;
    if (pairs > 1 && !has_come(2 * pairs - 4)) waiting = 2 * pairs - 4;
    return waiting >= 0;
  })) << Job(job_id).DebugString();
  EXPECT_TRUE(AwaitTrue([&] { return ReaderMetric("KafkaSourceReader_topic_partition_records_lag", 1) >= 1; }));
  EXPECT_EQ(ReaderMetric("KafkaSourceReader_topic_partition_records_lag", 0), 0);
  EXPECT_GE(ReaderMetric("KafkaSourceReader_KafkaConsumer_records_lag_max"), 1);
  EXPECT_GE(ReaderMetric("pendingRecords"), 1);
  EXPECT_FALSE(has_come(waiting));

  Broker().Produce(in_, {{.value = R"({"id":-1,"key":0})", .timestamp_ms = kFirstMs + kAheadMs, .partition = 0}});
  EXPECT_TRUE(AwaitRecords(out_, static_cast<size_t>(2 * pairs + 1))) << Job(job_id).DebugString();
  EXPECT_TRUE(AwaitReaderMetric("KafkaSourceReader_topic_partition_records_lag", 1, 0));
}

TEST_F(KafkaObservationTest, MetricsHaveFlinksNames) {
  NewTopics(3);
  Produce(0, 300);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1, CheckpointOptions()));
  const std::string job_id = SubmitCount({}, {"-p", "1"});
  ASSERT_TRUE(AwaitRecords(out_, 300)) << Job(job_id).DebugString();
  for (int partition = 0; partition < 3; ++partition) {
    // Of the last record, and of the next one.
    EXPECT_TRUE(AwaitReaderMetric("KafkaSourceReader_topic_partition_currentOffset", partition, 99));
    EXPECT_TRUE(AwaitReaderMetric("KafkaSourceReader_topic_partition_committedOffset", partition, 100));
    EXPECT_TRUE(AwaitReaderMetric("KafkaSourceReader_topic_partition_records_lag", partition, 0));
  }
  EXPECT_GE(ReaderMetric("KafkaSourceReader_commitsSucceeded"), 1);
  EXPECT_EQ(ReaderMetric("KafkaSourceReader_commitsFailed"), 0);
  EXPECT_EQ(ReaderMetric("KafkaSourceReader_KafkaConsumer_records_lag_max"), 0);
  EXPECT_EQ(ReaderMetric("pendingRecords"), 0);
  EXPECT_GE(ReaderMetric("numTransactionsCommitted"), 1);
}

TEST_F(KafkaObservationTest, SecretsAreShownNowhere) {
  NewTopics(1);
  Produce(0, 100);
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1, CheckpointOptions()));
  const std::string job_id =
      Submit("kafka_count",
             {"--servers", Broker().secure_bootstrap(), "--input", in_, "--output", out_, "--certificate",
              Broker().certificate(), "--user", "alice", "--password-file", WriteFile("password", "alice-secret")},
             {"-p", "1", "-D", "env.log.level=DEBUG"});
  ASSERT_TRUE(AwaitRecords(out_, 100)) << Job(job_id).DebugString();
  const auto clean = Not(HasSubstr("alice-secret"));
  for (const Words& command : {Words{"info", job_id}, Words{"logs", job_id}, Words{"list"}}) {
    const Ended shown = RunOnCluster(command);
    EXPECT_EQ(shown.status, 0) << shown.err;
    EXPECT_THAT(shown.out + shown.err, clean) << command.front();
  }
  EXPECT_THAT(Job(job_id).DebugString(), clean);
  EXPECT_THAT(HttpGet(task_manager_metrics_port(0), "/metrics"), clean);
  EXPECT_THAT(HttpGet(job_manager_metrics_port(), "/metrics"), clean);
  EXPECT_THAT(job_manager().Output(), clean);
  EXPECT_THAT(task_manager(0).Output(), clean);
}

}  // namespace
}  // namespace eagre
