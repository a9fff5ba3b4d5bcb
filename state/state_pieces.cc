#include "state/state_pieces.h"

#include <cstring>

#include "base/hash.h"

namespace eagre {
namespace {

StatePiece& PieceAt(void* slot) {
  return *static_cast<StatePiece*>(slot);
}
const StatePiece& PieceAt(const void* slot) {
  return *static_cast<const StatePiece*>(slot);
}

constexpr StateSlotOps kPieceOps{
    .size = sizeof(StatePiece),
    .alignment = alignof(StatePiece),
    .construct = [](void* slot) { new (slot) StatePiece(); },
    .destroy = [](void* slot) { StatePieces::Resize(PieceAt(slot), 0); },
    .empty = [](const void* slot) { return PieceAt(slot).bytes == nullptr; },
    .heap_bytes = [](const void* slot) { return size_t{PieceAt(slot).size}; },
    .encode = [](const void* slot,
                 ByteWriter& out) { out.Raw(std::string_view(PieceAt(slot).bytes, PieceAt(slot).size)); },
    .decode =
        [](ByteReader& in, void* slot) {
          std::string_view bytes;
          if (!in.Raw(in.remaining(), bytes)) return false;
          StatePieces::Resize(PieceAt(slot), static_cast<uint32_t>(bytes.size()));
          if (!bytes.empty()) std::memcpy(PieceAt(slot).bytes, bytes.data(), bytes.size());
          return true;
        },
};

}  // namespace

void StatePieces::Resize(StatePiece& piece, uint32_t size) {
  if (piece.noted != nullptr) *piece.noted = nullptr;
  delete[] piece.bytes;
  piece = {.bytes = size == 0 ? nullptr : new char[size](), .size = size};
}

StateDeclaration StatePieces::Declaration(std::string name, const TypeInfo& content) {
  return {.name = std::move(name), .kind = StateKind::kValue, .value_type = &content, .ops = &kPieceOps};
}

uint64_t StatePieces::HashOf(uint64_t key_hash, uint32_t number, uint64_t max_parallelism) {
  const uint64_t mixed = MixInt64(key_hash ^ MixInt64(uint64_t{number} + 1));
  const uint64_t first_of_group = mixed - mixed % max_parallelism + key_hash % max_parallelism;
  // The last round of groups is not a whole one.
  return first_of_group < mixed - mixed % max_parallelism ? first_of_group - max_parallelism : first_of_group;
}

}  // namespace eagre
