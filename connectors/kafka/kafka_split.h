// A split of a Kafka source: a partition, the offset to read on from, and where to stop.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "base/status.h"
#include "runtime/split_source.h"

namespace eagre {

struct KafkaSplit {
  static constexpr int64_t kNoStop = std::numeric_limits<int64_t>::max();

  std::string topic;
  int32_t partition = 0;
  int64_t next_offset = 0;
  int64_t stop_offset = kNoStop;  // exclusive

  // "payments-3", as Kafka's tools write it.
  std::string Id() const;
  SourceSplit Encode() const;
  static StatusOr<KafkaSplit> Decode(const SourceSplit& split);
};

}  // namespace eagre
