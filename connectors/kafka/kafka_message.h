// A message as it came from Kafka, for code that turns messages into records.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "record/batch.h"

namespace eagre {

/// Views into the client's buffers: valid during the call that got the message, to be copied by whoever keeps them.
class KafkaMessage {
 public:
  struct Header {
    std::string_view name;
    std::optional<std::string_view> value;
  };

  std::string_view topic;
  int32_t partition = 0;
  int64_t offset = 0;
  /// Milliseconds since 1970, of the producer or the broker as the topic says; kNoTimestamp when there is none.
  int64_t timestamp_ms = kNoTimestamp;
  std::optional<std::string_view> key;
  /// None: a tombstone, which deletes the key in a compacted topic.
  std::optional<std::string_view> value;

  /// The last header of that name; none when there is none, or it has no value.
  std::optional<std::string_view> FindHeader(const char* name) const;
  std::vector<Header> headers() const;

  // ---- for the connector ----
  void* native = nullptr;
};

/// Turns messages into records, for one reader. One thread.
template <typename T>
class KafkaDeserializer {
 public:
  virtual ~KafkaDeserializer() = default;
  /// Fills `record`, which may hold values of an earlier use. A failure makes the message a malformed one.
  virtual Status Deserialize(const KafkaMessage& message, T& record) = 0;
};

}  // namespace eagre
