#include "runtime/source_events.h"

#include "base/bytes.h"

namespace eagre {
namespace {

using SourceEventKind = SourceEvent::Kind;

bool DecodeSplits(ByteReader& in, std::vector<SourceSplit>& splits) {
  uint32_t count = 0;
  if (!in.Varint(count)) return false;
  // A split takes two bytes at least, so a count beyond that is a lie that must not size a vector.
  if (count > in.remaining() / 2) return false;
  splits.resize(count);
  for (SourceSplit& split : splits) {
    if (!in.String(split.id) || !in.String(split.state)) return false;
  }
  return true;
}

bool DecodeSourceEventFields(ByteReader& in, SourceEvent& event) {
  switch (event.kind) {
    case SourceEventKind::kSplitRequest:
    case SourceEventKind::kNoMoreSplits: return true;
    case SourceEventKind::kSplitFinished: return in.String(event.split_id);
    case SourceEventKind::kWatermarkReport:
    case SourceEventKind::kAllowedWatermark: return in.Fixed(event.watermark_ms);
    case SourceEventKind::kReaderRegistered:
    case SourceEventKind::kAssignSplits: return DecodeSplits(in, event.splits);
  }
  return false;
}

}  // namespace

std::string EncodeSourceEvent(const SourceEvent& event) {
  std::string bytes;
  ByteWriter out(bytes);
  out.Fixed(event.kind);
  switch (event.kind) {
    case SourceEventKind::kSplitRequest:
    case SourceEventKind::kNoMoreSplits: break;
    case SourceEventKind::kSplitFinished: out.String(event.split_id); break;
    case SourceEventKind::kWatermarkReport:
    case SourceEventKind::kAllowedWatermark: out.Fixed(event.watermark_ms); break;
    case SourceEventKind::kReaderRegistered:
    case SourceEventKind::kAssignSplits:
      out.Varint(event.splits.size());
      for (const SourceSplit& split : event.splits) {
        out.String(split.id);
        out.String(split.state);
      }
      break;
  }
  return bytes;
}

StatusOr<SourceEvent> DecodeSourceEvent(std::string_view bytes) {
  ByteReader in(bytes);
  SourceEvent event;
  if (!in.Fixed(event.kind) || !DecodeSourceEventFields(in, event) || !in.empty()) {
    return DataLoss("a message of {} bytes between a source's reader and its coordinator is malformed", bytes.size());
  }
  return event;
}

}  // namespace eagre
