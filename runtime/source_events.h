// What a source's readers and its coordinator say to each other, as operator events.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "record/batch.h"
#include "runtime/split_source.h"

namespace eagre {

// One message; which fields count depends on the kind.
struct SourceEvent {
  enum class Kind : uint8_t {
    // Reader to coordinator.
    kReaderRegistered = 1,  // splits: those it has from a checkpoint
    kSplitRequest = 2,
    kSplitFinished = 3,    // split_id
    kWatermarkReport = 4,  // watermark_ms: the slowest of the reader's splits; kNoTimestamp: it holds nobody back
    // Coordinator to reader.
    kAssignSplits = 16,  // splits
    kNoMoreSplits = 17,
    kAllowedWatermark = 18,  // watermark_ms: splits beyond it pause
  };
  Kind kind = Kind::kReaderRegistered;
  std::string split_id;
  std::vector<SourceSplit> splits;
  int64_t watermark_ms = kNoTimestamp;

  bool operator==(const SourceEvent&) const = default;
};

std::string EncodeSourceEvent(const SourceEvent& event);
// DATA_LOSS when the bytes are not such a message.
StatusOr<SourceEvent> DecodeSourceEvent(std::string_view bytes);

}  // namespace eagre
