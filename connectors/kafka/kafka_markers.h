// The markers of transactions: a record per transactional id in a compacted topic, whose value is the last checkpoint
// whose output the id has committed. A marker is part of the transaction that it speaks of, so it is there exactly when
// the output is. The first one, of checkpoint 0, is written when an id is made, before its first transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "connectors/kafka/kafka_client.h"
#include "connectors/kafka/kafka_producer.h"

namespace eagre {

inline constexpr int32_t kMarkerPartition = 0;

// All of these wait for brokers, and end early when `stopping` says so. Any thread.
class KafkaMarkers {
 public:
  struct Options {
    KafkaProperties properties;
    std::string topic;
    std::string purpose;
    int64_t start_timeout_ms = 60'000;
    // An open transaction of another writer may hide markers behind it for so long.
    int64_t transaction_timeout_ms = 60'000;
    const Clock* clock = nullptr;
    std::function<bool()> stopping;
  };
  explicit KafkaMarkers(Options options) : options_(std::move(options)) {}

  // Makes the topic if it is not there, and gives the id its first marker.
  Status Register(const std::string& transactional_id);
  // The last committed checkpoint of each id that has a marker. What was committed before the call is seen.
  StatusOr<std::map<std::string, int64_t>> Read(const std::set<std::string>& transactional_ids) const;

  // For the transaction of a checkpoint; views of the arguments, which outlive it.
  static KafkaRecordView Record(const std::string& topic, const std::string& transactional_id,
                                const std::string& checkpoint);

 private:
  Status MakeTopic(KafkaClient& client) const;
  Status CreateTopic(KafkaClient& client) const;
  struct Bounds {
    int64_t begin = 0;
    int64_t end = 0;
  };
  // Of everything in the topic, committed or not.
  StatusOr<Bounds> ReadBounds(int64_t deadline_ms) const;
  std::string Reading() const;  // for messages

  const Options options_;
};

}  // namespace eagre
