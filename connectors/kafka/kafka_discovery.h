// Asks brokers which partitions there are and which offsets a KafkaOffsets means there, on a thread of its own.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_enumerator.h"

namespace eagre {

class KafkaDiscovery {
 public:
  using Then = std::function<void(StatusOr<std::vector<KafkaSplit>>)>;

  // `options` outlives the discovery.
  explicit KafkaDiscovery(const KafkaSourceOptions& options) : options_(options), executor_("kafka-discovery") {}
  ~KafkaDiscovery() { stopping_ = true; }

  // Finds the partitions that are not `known`, and calls `then` on the thread of the discovery. `first`: brokers that
  // do not answer are asked again for a while, and topics that do not exist are an error; later ones simply have
  // nothing new to say.
  void Find(std::set<std::string, std::less<>> known, bool first, Then then);

 private:
  using Partitions = std::vector<KafkaTopicPartition>;

  StatusOr<std::vector<KafkaSplit>> FindNow(const std::set<std::string, std::less<>>& known, bool first);
  // Calls again while brokers do not answer.
  Status Persistently(bool first, const std::function<Status()>& call);
  StatusOr<Partitions> ListPartitions(bool first);
  StatusOr<std::vector<int64_t>> Resolve(const KafkaOffsets& offsets, const Partitions& partitions);
  StatusOr<std::vector<int64_t>> ResolveStops(const KafkaOffsets& offsets, const Partitions& partitions);
  StatusOr<std::vector<int64_t>> ResolveCommitted(KafkaOffsets::Kind fallback, const Partitions& partitions);
  // Timestamps in Kafka's sense, of which -1 is the end and -2 the beginning.
  StatusOr<std::vector<int64_t>> OffsetsFor(int64_t timestamp_ms, const Partitions& partitions);

  const KafkaSourceOptions& options_;
  std::unique_ptr<KafkaClient> client_;
  std::atomic<bool> stopping_{false};
  ThreadExecutor executor_;  // last: its thread uses what is above
};

}  // namespace eagre
