// The tags of a hash table's slots: a byte per slot, compared sixteen at a time (as in Abseil's Swiss tables).
//
// An array of 2^n tags is followed by a copy of its first sixteen, so that a group may start at every slot. A search
// goes from the home of a hash group by group until one has an empty slot.
#pragma once

#include <emmintrin.h>

#include <bit>
#include <cstdint>

namespace eagre::tags {

// A tag is seven bits of the hash, or one of these, which are negative.
inline constexpr int8_t kEmpty = -128;
inline constexpr int8_t kDeleted = -2;  // was taken; searches go on behind it
inline constexpr uint32_t kGroup = 16;

inline constexpr int kTagShift = 17;
// The low bits of the hash are left to the key group, the high ones to the table's directory.
inline int8_t Of(uint64_t hash) {
  return static_cast<int8_t>((hash >> kTagShift) & 0x7F);
}
inline uint32_t HomeOf(uint64_t hash, uint32_t mask) {
  return static_cast<uint32_t>(hash >> 24) & mask;
}

// The tags of a table that has no slots: one that is empty, and its group. Not to be written.
inline int8_t* OfNothing() {
  static constexpr int8_t kTags[1 + kGroup] = {kEmpty, kEmpty, kEmpty, kEmpty, kEmpty, kEmpty, kEmpty, kEmpty, kEmpty,
                                               kEmpty, kEmpty, kEmpty, kEmpty, kEmpty, kEmpty, kEmpty, kEmpty};
  return const_cast<int8_t*>(kTags);
}

inline __m128i Load(const int8_t* group) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(group));
}
// Bit i is set when tag i of the group is `tag`.
inline uint32_t Matches(__m128i group, int8_t tag) {
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(group, _mm_set1_epi8(tag))));
}

inline void Set(int8_t* tags, uint32_t mask, uint32_t slot, int8_t tag) {
  tags[slot] = tag;
  if (slot < kGroup) tags[mask + 1 + slot] = tag;
}

// The first slot from the home of `hash` on that is not taken. REQUIRES: there is one.
inline uint32_t FirstFree(const int8_t* tags, uint32_t mask, uint64_t hash) {
  for (uint32_t home = HomeOf(hash, mask);; home = (home + kGroup) & mask) {
    const auto free = static_cast<uint32_t>(_mm_movemask_epi8(Load(tags + home)));
    if (free != 0) return (home + static_cast<uint32_t>(std::countr_zero(free))) & mask;
  }
}

// True when no search can have passed over the slot for want of an empty one: it may then become empty again.
inline bool WasNeverInFullGroup(const int8_t* tags, uint32_t mask, uint32_t slot) {
  const uint32_t after = Matches(Load(tags + slot), kEmpty);
  const uint32_t before = Matches(Load(tags + ((slot - kGroup) & mask)), kEmpty);
  return after != 0 && before != 0 &&
         std::countr_zero(after) + std::countl_zero(static_cast<uint16_t>(before)) < static_cast<int>(kGroup);
}

}  // namespace eagre::tags
