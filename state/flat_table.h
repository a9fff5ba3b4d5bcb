// An open-addressing hash table over hashes that are carried with the records, which grows in bounded steps.
//
// The table is split into segments of at most a few thousand slots by the high bits of the hash (extendible hashing): a
// full segment is split alone, so no insertion ever moves more than one segment's entries, however large the table is.
// Inside a segment a byte per slot holds seven bits of the hash, and sixteen of them are compared at once (as in
// Abseil's Swiss tables), so that a look-up hardly ever touches a wrong entry or mispredicts a branch. The low bits of
// the hash decide the key group and are left alone. The order of iteration follows from hashes and history alone.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "state/flat_segment.h"
#include "state/tag_group.h"

namespace eagre {

// Who looks up passes the hash and a predicate that compares the key, which the payload holds. Payloads move when the
// table changes. Not thread-safe.
template <typename Payload>
class FlatTable {
 public:
  FlatTable() { Reset(); }
  ~FlatTable() { Clear(); }
  FlatTable(const FlatTable&) = delete;
  FlatTable& operator=(const FlatTable&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t slot_count() const { return slot_count_; }
  // What the table itself has allocated, about, without what the payloads own.
  size_t memory_bytes() const {
    return slot_count_ * (sizeof(Slot) + 1) + directory_.size() * sizeof(Directed) + segments_.size() * sizeof(Segment);
  }

  // Starts loading the places of `hash` into the cache.
  void Prefetch(uint64_t hash) const {
    const Directed& at = directory_[DirectoryIndex(hash)];
    const uint32_t home = tags::HomeOf(hash, at.mask);
    __builtin_prefetch(at.tags + home, 0, 3);
    __builtin_prefetch(at.slots + home, 1, 3);
  }

  // The payload of this hash for which `equals` holds, until the table changes; null when there is none.
  template <typename Equals>
  Payload* Find(uint64_t hash, Equals&& equals) const {
    const Directed& at = directory_[DirectoryIndex(hash)];
    const uint32_t slot = Locate(at, hash, equals);
    return slot == kNotFound ? nullptr : at.slots[slot].payload();
  }

  // As Find; when there is none, `construct` is called with the place where it must construct a Payload.
  template <typename Equals, typename Construct>
  Payload& FindOrInsert(uint64_t hash, Equals&& equals, Construct&& construct) {
    const Directed& at = directory_[DirectoryIndex(hash)];
    const uint32_t found = Locate(at, hash, equals);
    if (found != kNotFound) [[likely]]
      return *at.slots[found].payload();
    return Insert(hash, std::forward<Construct>(construct));
  }

  // As FindOrInsert, of a payload that is known to be missing.
  template <typename Construct>
  Payload& Insert(uint64_t hash, Construct&& construct) {
    size_t index = DirectoryIndex(hash);
    for (; segments_[directory_[index].segment].full(); index = DirectoryIndex(hash)) Grow(hash);
    const Directed& at = directory_[index];
    Segment& segment = segments_[at.segment];
    const uint32_t i = tags::FirstFree(at.tags, at.mask, hash);
    construct(static_cast<void*>(at.slots[i].bytes));
    at.slots[i].marked_hash = hash & ~Slot::kMarkBits;
    segment.used += at.tags[i] == tags::kEmpty ? 1 : 0;
    tags::Set(at.tags, at.mask, i, tags::Of(hash));
    ++segment.size;
    ++size_;
    return *at.slots[i].payload();
  }

  // False when there is none.
  template <typename Equals>
  bool Erase(uint64_t hash, Equals&& equals) {
    const Directed& at = directory_[DirectoryIndex(hash)];
    const uint32_t slot = Locate(at, hash, equals);
    if (slot == kNotFound) return false;
    std::destroy_at(at.slots[slot].payload());
    Segment& segment = segments_[at.segment];
    if (tags::WasNeverInFullGroup(at.tags, at.mask, slot)) {
      tags::Set(at.tags, at.mask, slot, tags::kEmpty);
      --segment.used;
    } else {
      tags::Set(at.tags, at.mask, slot, tags::kDeleted);
    }
    --segment.size;
    --size_;
    return true;
  }

  // Calls visit(payload) for every entry. The table must not change meanwhile.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    uint64_t position = 0;
    while (VisitSegment(position, [&](uint64_t, Payload& payload) { visit(payload); })) {
    }
  }

  // Seven bits that the owner may keep with every entry; zero for a new one. They cost no memory.
  static uint8_t MarkOf(const Payload& payload) { return Slot::Of(payload).mark(); }
  static void SetMark(Payload& payload, uint8_t mark) { const_cast<Slot&>(Slot::Of(payload)).set_mark(mark); }

  // Walks over the table in bounded steps while it changes: calls visit(hash, payload) for every entry of one segment
  // and moves `position`, zero at first, behind it; false when it was the last. Who is there from the first call to the
  // last is visited, nobody twice unless the table was cleared.
  template <typename Visit>
  bool VisitSegment(uint64_t& position, Visit&& visit) const {
    const size_t index = DirectoryIndex(position);
    const Directed& at = directory_[index];
    for (uint32_t i = 0; i <= at.mask; ++i) {
      if (at.tags[i] >= 0) visit(at.slots[i].hash(at.tags[i]), *at.slots[i].payload());
    }
    const size_t next = NextSegment(FirstOfRun(position, segments_[at.segment].depth));
    if (next == directory_.size()) return false;
    position = static_cast<uint64_t>(next) << (64 - depth_);
    return true;
  }

  // Removes the entries of the segment at `position`, as of VisitSegment, and gives its memory back.
  void ClearSegment(uint64_t position) {
    const uint32_t index = directory_[DirectoryIndex(position)].segment;
    size_ -= segments_[index].size;
    slot_count_ -= segments_[index].slot_count();
    segments_[index].Clear();
    Direct(FirstOfRun(position, segments_[index].depth), index);
  }

  // A position of Drain.
  struct Cursor {
    size_t directory = 0;
    uint32_t slot = 0;
  };

  // Calls visit(hash, payload) for one entry after another from `cursor` on and removes it, until stop() holds; true
  // when all are gone, the memory being kept. Until then nothing else is allowed but VisitSegment.
  template <typename Stop, typename Visit>
  bool Drain(Cursor& cursor, Stop&& stop, Visit&& visit) {
    for (; cursor.directory < directory_.size(); cursor.directory = NextSegment(cursor.directory), cursor.slot = 0) {
      const Directed& at = directory_[cursor.directory];
      Segment& segment = segments_[at.segment];
      for (; segment.size > 0; ++cursor.slot) {
        if (at.tags[cursor.slot] < 0) continue;
        if (stop()) return false;
        Payload* payload = at.slots[cursor.slot].payload();
        visit(at.slots[cursor.slot].hash(at.tags[cursor.slot]), *payload);
        std::destroy_at(payload);
        at.tags[cursor.slot] = tags::kEmpty;
        --segment.size;
        --size_;
      }
      if (segment.used > 0) std::memset(at.tags, tags::kEmpty, at.mask + 1 + tags::kGroup);
      segment.used = 0;
    }
    return true;
  }

  void Clear() {
    for (Segment& segment : segments_) segment.Clear();
    Reset();
  }

 private:
  using Slot = FlatSlot<Payload>;
  using Segment = FlatSegment<Payload>;
  using Directed = typename Segment::Directed;
  static constexpr uint32_t kNotFound = UINT32_MAX;
  static constexpr uint32_t kMinSlots = tags::kGroup;
  // A segment is split beyond this; large payloads have smaller segments, since they are moved in one step.
  static constexpr uint32_t kMaxSlots =
      static_cast<uint32_t>(std::clamp<size_t>(std::bit_floor(256 * 1024 / sizeof(Slot)), 64, 4096));
  static constexpr uint32_t kMaxDepth = 32;

  size_t DirectoryIndex(uint64_t hash) const { return (hash >> 1) >> directory_shift_; }
  size_t NextSegment(size_t index) const {
    return index + (size_t{1} << (depth_ - segments_[directory_[index].segment].depth));
  }

  template <typename Equals>
  static uint32_t Locate(const Directed& at, uint64_t hash, Equals&& equals) {
    const int8_t tag = tags::Of(hash);
    for (uint32_t home = tags::HomeOf(hash, at.mask);; home = (home + tags::kGroup) & at.mask) {
      const __m128i group = tags::Load(at.tags + home);
      for (uint32_t matches = tags::Matches(group, tag); matches != 0; matches &= matches - 1) {
        const uint32_t i = (home + static_cast<uint32_t>(std::countr_zero(matches))) & at.mask;
        Slot& slot = at.slots[i];
        if (slot.HasHash(hash) && equals(std::as_const(*slot.payload()))) [[likely]]
          return i;
      }
      if (tags::Matches(group, tags::kEmpty) != 0) [[likely]]
        return kNotFound;
    }
  }

  // A table without entries has one segment with a group of tags that are empty and no slots; it counts as full.
  void Reset() {
    segments_.assign(1, Segment{});
    directory_.assign(1, Directed{tags::OfNothing(), nullptr, 0, 0});
    depth_ = 0;
    directory_shift_ = 63;
    size_ = 0;
    slot_count_ = 0;
  }

  void Grow(uint64_t hash) {
    const uint32_t index = directory_[DirectoryIndex(hash)].segment;
    const Segment& segment = segments_[index];
    const uint32_t slots = segment.mask + 1;
    if (segment.slots == nullptr) {
      Resize(index, kMinSlots, hash);
    } else if (segment.size < segment.limit / 4 * 3) {
      Resize(index, slots, hash);  // it is full of what was deleted
    } else if (slots < kMaxSlots || !Split(index, hash)) {
      Resize(index, slots * 2, hash);
    }
  }

  void Resize(uint32_t index, uint32_t slots, uint64_t hash) {
    const Segment old = segments_[index];
    Segment& segment = segments_[index];
    segment.Allocate(slots);
    slot_count_ += slots - old.slot_count();
    for (uint32_t i = 0; old.slots != nullptr && i <= old.mask; ++i) {
      if (old.tags[i] >= 0) segment.MoveIn(old.slots[i], old.tags[i]);
    }
    old.Free();
    Direct(FirstOfRun(hash, segment.depth), index);
  }

  // The first of the directory entries that share the segment of `hash`.
  size_t FirstOfRun(uint64_t hash, uint32_t segment_depth) const {
    return DirectoryIndex(hash) & ~((size_t{1} << (depth_ - segment_depth)) - 1);
  }

  // Points the run of directory entries that starts at `first` to the segment.
  void Direct(size_t first, uint32_t index) {
    const Segment& segment = segments_[index];
    const size_t count = size_t{1} << (depth_ - segment.depth);
    std::fill_n(directory_.begin() + static_cast<std::ptrdiff_t>(first), count,
                Directed{segment.tags, segment.slots, segment.mask, index});
  }

  // False when the entries share so many high bits that a split would only blow up the directory.
  bool Split(uint32_t index, uint64_t hash) {
    if (segments_[index].depth == depth_ && !Deepen()) return false;
    const Segment old = segments_[index];
    const auto sibling = static_cast<uint32_t>(segments_.size());
    segments_.emplace_back();
    const uint32_t depth = old.depth + 1;
    for (const uint32_t half : {index, sibling}) {
      segments_[half].Allocate(old.mask + 1);
      segments_[half].depth = depth;
    }
    for (uint32_t i = 0; i <= old.mask; ++i) {
      if (old.tags[i] < 0) continue;
      segments_[(old.slots[i].marked_hash >> (64 - depth)) & 1 ? sibling : index].MoveIn(old.slots[i], old.tags[i]);
    }
    old.Free();
    slot_count_ += old.slot_count();
    const size_t first = FirstOfRun(hash, old.depth);
    Direct(first, index);
    Direct(first + (size_t{1} << (depth_ - depth)), sibling);
    return true;
  }

  bool Deepen() {
    if (depth_ >= kMaxDepth || directory_.size() > 64 * segments_.size()) return false;
    std::vector<Directed> doubled;
    doubled.reserve(directory_.size() * 2);
    for (const Directed& at : directory_) doubled.insert(doubled.end(), 2, at);
    directory_ = std::move(doubled);
    ++depth_;
    --directory_shift_;
    return true;
  }

  std::vector<Directed> directory_;
  std::vector<Segment> segments_;
  uint32_t depth_ = 0;
  uint32_t directory_shift_ = 63;  // the one bit more that a shift by 64 would need is taken off before
  size_t size_ = 0;
  size_t slot_count_ = 0;
};

}  // namespace eagre
