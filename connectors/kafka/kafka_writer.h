// The half of a Kafka sink's writer that does not know the record type.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "connectors/kafka/kafka_properties.h"
#include "connectors/kafka/kafka_record.h"
#include "eagre/sink.h"

namespace eagre {

/// What a Kafka sink promises when processes and brokers die.
enum class DeliveryGuarantee {
  kNone,         ///< records in flight may be lost, or written twice
  kAtLeastOnce,  ///< a checkpoint waits until everything before it is acknowledged; a restart may write records twice
  kExactlyOnce,  ///< a checkpoint's records become visible, once, when it is complete; needs checkpoints
};

/// What becomes of output whose marker is gone, so that nobody can say whether it was written; see docs/connectors.md.
enum class LostMarker { kFail, kWriteAgain };

struct KafkaWriterOptions {
  KafkaProperties properties;
  DeliveryGuarantee guarantee = DeliveryGuarantee::kAtLeastOnce;
  std::string topic;  // of records that name none
  // Of exactly once.
  std::string transactional_id_prefix = "eagre";
  std::string marker_topic = "eagre-transaction-markers";
  LostMarker lost_marker = LostMarker::kFail;
  int64_t transaction_timeout_ms = 60'000;
  int64_t max_uncommitted_bytes = int64_t{1} << 30;
  int64_t start_timeout_ms = 60'000;
};

// One thread.
class KafkaWriter {
 public:
  virtual ~KafkaWriter() = default;
  virtual Status Open(SinkContext& context) = 0;
  // False: it cannot be taken now, and the writer is blocked().
  virtual StatusOr<bool> Write(const KafkaRecord& record) = 0;
  virtual bool blocked() const = 0;
  virtual Status Flush(bool before_commit, bool& done) = 0;
  virtual SinkTransactions* transactions() { return nullptr; }
  virtual Status Close(bool failed) = 0;
};

StatusOr<std::unique_ptr<KafkaWriter>> CreateKafkaWriter(KafkaWriterOptions options);

}  // namespace eagre
