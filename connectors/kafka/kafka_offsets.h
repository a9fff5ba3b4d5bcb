// Where in its partitions a Kafka source starts, and where it stops.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "record/timestamp.h"

namespace eagre {

/// A choice of one offset per partition, made when the job starts (and, for partitions that appear later, then).
class KafkaOffsets {
 public:
  enum class Kind : uint8_t { kEarliest, kLatest, kCommitted, kTimestamp, kExplicit };
  using Explicit = std::map<std::pair<std::string, int32_t>, int64_t>;

  static KafkaOffsets Earliest() { return KafkaOffsets(Kind::kEarliest); }
  /// The end of the partition at that moment.
  static KafkaOffsets Latest() { return KafkaOffsets(Kind::kLatest); }
  /// What the consumer group has committed; where it has nothing, the beginning or the end.
  static KafkaOffsets Committed(Kind fallback = Kind::kEarliest) {
    KafkaOffsets offsets(Kind::kCommitted);
    offsets.fallback_ = fallback;
    return offsets;
  }
  /// The first message that is as late or later, by Kafka's timestamps; the end where there is none.
  static KafkaOffsets FromTimestamp(Timestamp time) {
    KafkaOffsets offsets(Kind::kTimestamp);
    offsets.timestamp_ms_ = time.ms();
    return offsets;
  }
  /// By topic and partition; other partitions start at the beginning or the end, and have no stopping offset.
  static KafkaOffsets At(Explicit offsets, Kind fallback = Kind::kEarliest) {
    KafkaOffsets at(Kind::kExplicit);
    at.explicit_ = std::move(offsets);
    at.fallback_ = fallback;
    return at;
  }

  Kind kind() const { return kind_; }
  Kind fallback() const { return fallback_; }
  int64_t timestamp_ms() const { return timestamp_ms_; }
  const Explicit& explicit_offsets() const { return explicit_; }

 private:
  explicit KafkaOffsets(Kind kind) : kind_(kind) {}

  Kind kind_;
  Kind fallback_ = Kind::kEarliest;
  int64_t timestamp_ms_ = 0;
  Explicit explicit_;
};

}  // namespace eagre
