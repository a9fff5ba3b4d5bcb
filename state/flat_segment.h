// One segment of a FlatTable: a block of slots and their tags.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "state/tag_group.h"

namespace eagre {

// The hash lacks the bits that make the tag; in their place is the mark, seven bits for the table's owner.
template <typename Payload>
struct FlatSlot {
  static constexpr int kMarkShift = tags::kTagShift;
  static constexpr uint64_t kMarkBits = uint64_t{0x7F} << kMarkShift;

  uint64_t marked_hash;
  alignas(Payload) unsigned char bytes[sizeof(Payload)];

  Payload* payload() { return std::launder(reinterpret_cast<Payload*>(bytes)); }
  static const FlatSlot& Of(const Payload& payload) {
    return *reinterpret_cast<const FlatSlot*>(reinterpret_cast<const unsigned char*>(&payload) -
                                              offsetof(FlatSlot, bytes));
  }
  // REQUIRES: the tags are equal.
  bool HasHash(uint64_t hash) const { return ((marked_hash ^ hash) & ~kMarkBits) == 0; }
  uint64_t hash(int8_t tag) const { return (marked_hash & ~kMarkBits) | static_cast<uint64_t>(tag) << kMarkShift; }
  uint8_t mark() const { return static_cast<uint8_t>((marked_hash & kMarkBits) >> kMarkShift); }
  void set_mark(uint8_t mark) { marked_hash = (marked_hash & ~kMarkBits) | static_cast<uint64_t>(mark) << kMarkShift; }
};

// A plain value that its table owns: what it points to is given back by Free.
template <typename Payload>
struct FlatSegment {
  using Slot = FlatSlot<Payload>;
  // One of the directory's 2^depth entries; those that share a segment are equal.
  struct Directed {
    int8_t* tags;  // one per slot, the first tags::kGroup repeated at the end
    Slot* slots;
    uint32_t mask;
    uint32_t segment;
  };

  int8_t* tags = tags::OfNothing();
  Slot* slots = nullptr;
  uint32_t mask = 0;  // slots - 1, the number of slots being a power of two
  uint32_t size = 0;
  uint32_t used = 0;   // slots that are taken or were
  uint32_t limit = 0;  // of used: full beyond
  uint32_t depth = 0;  // number of high hash bits that its entries share

  // One block: slots, then tags. All are empty.
  void Allocate(uint32_t slot_count) {
    const size_t bytes = slot_count * (sizeof(Slot) + 1) + tags::kGroup;
    auto* block = static_cast<unsigned char*>(::operator new(bytes, kAlignment));
    slots = reinterpret_cast<Slot*>(block);
    tags = reinterpret_cast<int8_t*>(block + slot_count * sizeof(Slot));
    std::memset(tags, tags::kEmpty, slot_count + tags::kGroup);
    mask = slot_count - 1;
    limit = slot_count / 8 * 7;
    size = 0;
    used = 0;
  }
  // REQUIRES: the entries were destroyed or moved away.
  void Free() const {
    if (slots != nullptr) ::operator delete(slots, kAlignment);
  }
  bool full() const { return used == limit; }
  uint32_t slot_count() const { return slots == nullptr ? 0 : mask + 1; }

  void DestroyEntries() {
    for (uint32_t i = 0; size > 0; ++i) {
      if (tags[i] < 0) continue;
      std::destroy_at(slots[i].payload());
      --size;
    }
  }
  // No entries, and no slots.
  void Clear() {
    DestroyEntries();
    Free();
    *this = FlatSegment{.depth = depth};
  }
  // REQUIRES: not full, and no entry like it is there.
  void MoveIn(Slot& from, int8_t tag) {
    const uint32_t i = tags::FirstFree(tags, mask, from.marked_hash);
    slots[i].marked_hash = from.marked_hash;
    std::construct_at(slots[i].payload(), std::move(*from.payload()));
    std::destroy_at(from.payload());
    tags::Set(tags, mask, i, tag);
    ++size;
    ++used;
  }

 private:
  static constexpr std::align_val_t kAlignment{std::max<size_t>(64, alignof(Slot))};
};

}  // namespace eagre
