// Finds the partitions of a Kafka source, decides where each starts and stops, and gives it to a reader.
//
// A partition stays with its reader; which one follows from the names of topic and partition, so that a job that is
// started again gives the same partition to the same reader. Whatever waits for brokers does so on a thread of the
// enumerator's own (KafkaDiscovery), so that checkpoints never wait for Kafka.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/kafka/kafka_offsets.h"
#include "connectors/kafka/kafka_properties.h"
#include "connectors/kafka/kafka_split.h"
#include "runtime/split_source.h"

namespace eagre {

struct KafkaSourceOptions {
  KafkaProperties properties;
  std::vector<std::string> topics;
  std::string topic_pattern;  // ECMAScript, of the whole name; instead of topics
  KafkaOffsets start = KafkaOffsets::Earliest();
  std::optional<KafkaOffsets> stop;
  int64_t discovery_interval_ms = 0;  // 0: the partitions that are there at the start are all
  // How long brokers may be silent when the job starts before it fails.
  int64_t start_timeout_ms = 60'000;

  // INVALID_ARGUMENT where something contradicts something.
  Status Validate() const;
  // "topics 'a', 'b'" or "topics like 'a.*'", for messages.
  std::string What() const;
};

class KafkaDiscovery;

class KafkaEnumerator final : public SplitEnumerator {
 public:
  explicit KafkaEnumerator(KafkaSourceOptions options);
  ~KafkaEnumerator() override;

  Status Restore(std::string_view snapshot) override;
  Status Start(Context& context) override;
  Status OnReaderRegistered(int subtask, const std::vector<SourceSplit>& held) override;
  Status OnSplitRequest(int) override { return OkStatus(); }
  Status AddSplitsBack(int subtask, std::vector<SourceSplit> splits) override;
  std::string Snapshot() const override;

  // Which reader of `parallelism` reads the partition.
  static int ReaderOf(const KafkaSplit& split, int parallelism);

 private:
  void Discover();
  Status OnDiscovered(StatusOr<std::vector<KafkaSplit>> found);
  void Assign();
  bool bounded() const { return options_.stop.has_value(); }

  const KafkaSourceOptions options_;
  Context* context_ = nullptr;
  std::set<std::string, std::less<>> known_;  // all partitions ever found
  std::vector<KafkaSplit> unassigned_;
  bool discovered_ = false;  // at least once, by this or an earlier attempt
  std::vector<bool> registered_;
  std::vector<bool> assigned_;  // readers that were given something, or nothing
  std::vector<bool> told_the_end_;
  std::unique_ptr<KafkaDiscovery> discovery_;  // last: its thread uses what is above
};

}  // namespace eagre
