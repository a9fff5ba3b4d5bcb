// A record on its way to Kafka, as the sink's functions fill it in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "record/batch.h"

namespace eagre {

/// Used again for every record: strings keep their memory.
struct KafkaRecord {
  std::string topic;
  std::optional<int32_t> partition;  ///< none: by the key's hash, or any when there is no key
  bool has_key = false;
  std::string key;
  std::string value;
  bool tombstone = false;               ///< no value: deletes the key in a compacted topic
  int64_t timestamp_ms = kNoTimestamp;  ///< none: the time at which it is handed to the client
  std::vector<std::pair<std::string, std::string>> headers;

  void SetKey(std::string_view bytes) {
    key.assign(bytes);
    has_key = true;
  }
};

}  // namespace eagre
