// The half of a Kafka source's reader that does not know the record type: partitions, batches of messages, positions,
// offsets committed back, metrics, and what becomes of malformed messages.
//
// Each partition has a queue of librdkafka's of its own. A partition that is paused, or whose reader is back-pressured,
// is simply not read: its queue fills up to its bound, and librdkafka fetches no more of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/file/file_read.h"
#include "connectors/kafka/kafka_enumerator.h"
#include "connectors/kafka/message_parser.h"
#include "runtime/split_source.h"

namespace eagre {

/// What a source does when the offset that it should read on from is not there any more (the topic's retention has
/// deleted it), or not yet.
enum class OffsetReset {
  kFail,      ///< the job fails, naming partition and offset
  kEarliest,  ///< goes on at the oldest message there is
  kLatest,    ///< goes on at the end
};

struct KafkaReadOptions {
  KafkaProperties properties;
  Malformed malformed = Malformed::kFail;
  std::string dead_letter_topic;  // malformed messages go there, instead
  OffsetReset offset_reset = OffsetReset::kFail;
  bool commit_offsets = true;  // at checkpoints; needs a group.id
  std::string what;            // "topic 'payments'", for the log
};

// One thread.
class KafkaRead {
 public:
  KafkaRead(KafkaReadOptions options, std::unique_ptr<MessageParser> parser);
  ~KafkaRead();

  // ---- as in SplitReader ----
  Status Start(SourceReaderContext& context);
  Status AddSplits(std::vector<SourceSplit> splits);
  Status NoMoreSplits();
  void PauseSplits(const std::vector<std::string>& split_ids);
  void ResumeSplits(const std::vector<std::string>& split_ids);
  std::vector<SourceSplit> Snapshot() const;
  Status OnBarrier(int64_t checkpoint_id, bool& done);
  Status OnCheckpointComplete(int64_t checkpoint_id);
  int64_t NextReadMs() const;

  // Makes sure that there are messages at hand, all of one partition; kMore when there are, or when the partition is
  // at its end (then Next is false at once).
  StatusOr<ReadResult> Begin();
  std::string_view split_id() const;
  // Parses the next message into `record`; false when none is left of those at hand. A message that is no record is
  // left in `malformed` when the policy wants it in a side output, and passed over otherwise, unless it fails the job.
  StatusOr<bool> Next(void* record, int64_t& timestamp_ms, const KafkaMessage*& message,
                      std::optional<MalformedLine>& malformed);
  // After Next was false: the partition was read to its stopping offset, and is given up.
  bool FinishIfAtEnd();
  // Of the message that Next took last: "offset 12".
  std::string RecordPosition() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace eagre
