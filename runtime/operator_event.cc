#include "runtime/operator_event.h"

#include <limits>

#include "base/bytes.h"

namespace eagre {

std::string EncodeOperatorEvent(const OperatorEvent& event) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.Fixed(static_cast<uint8_t>(event.kind));
  writer.Varint(static_cast<uint64_t>(event.vertex));
  writer.Varint(static_cast<uint64_t>(event.node));
  writer.Varint(static_cast<uint64_t>(event.subtask));
  writer.Raw(event.payload);
  return bytes;
}

std::optional<OperatorEvent> DecodeOperatorEvent(std::string_view bytes) {
  ByteReader reader(bytes);
  uint8_t kind = 0;
  uint32_t vertex = 0, node = 0, subtask = 0;
  if (!reader.Fixed(kind) || kind > static_cast<uint8_t>(OperatorEvent::Kind::kBarrier)) return std::nullopt;
  if (!reader.Varint(vertex) || !reader.Varint(node) || !reader.Varint(subtask)) return std::nullopt;
  constexpr auto kMost = static_cast<uint32_t>(std::numeric_limits<int>::max());
  if (vertex > kMost || node > kMost || subtask > kMost) return std::nullopt;
  return OperatorEvent{.kind = static_cast<OperatorEvent::Kind>(kind),
                       .vertex = static_cast<int>(vertex),
                       .node = static_cast<int>(node),
                       .subtask = static_cast<int>(subtask),
                       .payload = std::string(reader.rest())};
}

}  // namespace eagre
