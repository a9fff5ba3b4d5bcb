// What the tests of jobs from Kafka to Kafka on a cluster share: topics of numbered records, a job that counts them,
// and a verifier that is a consumer of its own and reads only what is committed.
#pragma once

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/cluster/cluster_fixture.h"
#include "tests/kafka/kafka_broker.h"

namespace eagre {

inline constexpr int64_t kKeys = 10;

class KafkaClusterTest : public ClusterTest {
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

  // The job kafka_count from in_ to out_.
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

  // The path that a savepoint's command has printed.
  static std::string SavepointIn(const Ended& ended) {
    const std::string path = ended.out.substr(ended.out.find("Path: ") + 6);
    return path.substr(0, path.find('\n'));
  }
  // Of a job that has ended.
  std::string NewestCheckpoint(const std::string& job_id) {
    std::string newest;
    for (const std::string& file : FilesBelow(Path("checkpoints") + "/" + job_id)) {
      if (file.ends_with("/_metadata")) newest = std::max(newest, file.substr(0, file.rfind('/')));
    }
    return newest;
  }

  bool AwaitRecords(const std::string& topic, size_t records) {
    return AwaitTrue([&] { return Broker().Consume(topic).size() >= records; }, std::chrono::seconds(60));
  }

  std::string in_, out_;
  int partitions_ = 0;
};

}  // namespace eagre
