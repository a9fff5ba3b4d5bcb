// What one subtask of a Kafka sink wrote between two barriers: encoded records that wait for their transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "connectors/kafka/kafka_record.h"

namespace eagre {

// Immutable once it is sealed, and so shared by the slot, its checkpoint and the thread that commits.
struct SealedEpoch {
  std::string transactional_id;  // of the writer that wrote it
  int64_t checkpoint_id = 0;
  std::vector<std::shared_ptr<const std::string>> chunks;  // whole records each
  size_t bytes = 0;
};
using SealedEpochs = std::vector<std::shared_ptr<const SealedEpoch>>;  // the oldest first

// Encoded size aside, what a record costs is that of a copy.
void AppendKafkaRecord(const KafkaRecord& record, std::string& chunk);

struct KafkaRecordView;
// Calls `send` with each record of the chunk, views of whose bytes lie in it. DATA_LOSS when it is malformed.
Status ForEachRecord(std::string_view chunk, const std::function<Status(const KafkaRecordView& record)>& send);

}  // namespace eagre
