// What states with TTL (eagre/ttl_state.h) hold in the row of a key: what the same state without TTL does, and the time
// at which each part of it was last used.
//
// Their encoding is that of the state without TTL with the times behind it, 8 bytes each, in the order of the parts:
// so either is read as the other, and times are found without decoding the rest.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "eagre/keyed_state.h"

namespace eagre {
namespace internal {

// The time of what is not there.
inline constexpr int64_t kNoTimeMs = std::numeric_limits<int64_t>::max();

template <typename T>
struct TimedValue {
  std::optional<T> value;
  int64_t time_ms = 0;

  int64_t OldestMs(int64_t) const { return value ? time_ms : kNoTimeMs; }
  void Expire(int64_t limit_ms) {
    if (time_ms <= limit_ms) value.reset();
  }
};

template <typename T>
struct TimedList {
  std::vector<T> values;
  std::vector<int64_t> times_ms;  // of the values, one each
  int64_t oldest_ms = kNoTimeMs;

  int64_t OldestMs(int64_t) const { return oldest_ms; }
  void Add(T value, int64_t now_ms) {
    values.push_back(std::move(value));
    times_ms.push_back(now_ms);
    oldest_ms = std::min(oldest_ms, now_ms);
  }
  void Assign(std::vector<T> assigned, int64_t now_ms) {
    values = std::move(assigned);
    Renew(now_ms);
  }
  void Renew(int64_t now_ms) {
    times_ms.assign(values.size(), now_ms);
    oldest_ms = values.empty() ? kNoTimeMs : now_ms;
  }
  void Expire(int64_t limit_ms) {
    size_t kept = 0;
    oldest_ms = kNoTimeMs;
    for (size_t i = 0; i < values.size(); ++i) {
      if (times_ms[i] <= limit_ms) continue;
      oldest_ms = std::min(oldest_ms, times_ms[i]);
      if (kept != i) values[kept] = std::move(values[i]);
      times_ms[kept++] = times_ms[i];
    }
    values.resize(kept);
    times_ms.resize(kept);
    if (kept == 0) *this = {};
  }
};

template <typename V>
struct TimedEntry {
  V value{};
  int64_t time_ms = 0;
};

template <typename K, typename V>
struct TimedMap {
  using Entries = std::map<K, TimedEntry<V>, RecordLess>;
  Entries entries;
  mutable int64_t bound_ms = kNoTimeMs;  // no entry is older; not exact once an old one was written anew or removed

  int64_t OldestMs(int64_t limit_ms) const {
    if (bound_ms > limit_ms) return bound_ms;
    bound_ms = kNoTimeMs;
    for (const auto& [key, entry] : entries) bound_ms = std::min(bound_ms, entry.time_ms);
    return bound_ms;
  }
  // The entry's value, to be changed at `now_ms`.
  TimedEntry<V>& Use(const K& key, int64_t now_ms) {
    bound_ms = std::min(bound_ms, now_ms);
    return entries[key];
  }
  void Renew(int64_t now_ms) {
    for (auto& [key, entry] : entries) entry.time_ms = now_ms;
    bound_ms = entries.empty() ? kNoTimeMs : now_ms;
  }
  void Expire(int64_t limit_ms) {
    std::erase_if(entries, [limit_ms](const auto& entry) { return entry.second.time_ms <= limit_ms; });
    OldestMs(kNoTimeMs);
  }
};

// With a schema that an older version stored, or as now.
template <typename Kind>
bool DecodeTimed(ByteReader& in, const StoredForm* stored, typename Kind::Slot& slot) {
  if (!Kind::DecodeContents(in, stored == nullptr ? nullptr : &stored->type, slot)) return false;
  if (stored == nullptr || stored->has_times) return Kind::DecodeTimes(in, slot);
  Kind::SetTimes(slot, stored->now_ms);
  return true;
}

template <typename T>
struct TimedValueSlot {
  using Slot = TimedValue<T>;
  static bool Empty(const Slot& slot) { return !slot.value; }
  static size_t HeapBytes(const Slot& slot) { return ValueSlot<T>::HeapBytes(slot.value); }
  static void Encode(const Slot& slot, ByteWriter& out) {
    ValueSlot<T>::Encode(slot.value, out);
    if (slot.value) out.Fixed(slot.time_ms);
  }
  static bool DecodeContents(ByteReader& in, const StoredSchema* stored, Slot& slot) {
    if (stored == nullptr) return ValueSlot<T>::Decode(in, slot.value);
    return ValueSlot<T>::DecodeStored(in, {.type = *stored}, slot.value);
  }
  static bool DecodeTimes(ByteReader& in, Slot& slot) { return !slot.value || in.Fixed(slot.time_ms); }
  static void SetTimes(Slot& slot, int64_t now_ms) { slot.time_ms = now_ms; }
};

template <typename T>
struct TimedListSlot {
  using Slot = TimedList<T>;
  static bool Empty(const Slot& slot) { return slot.values.empty(); }
  static size_t HeapBytes(const Slot& slot) {
    return ListSlot<T>::HeapBytes(slot.values) + slot.times_ms.capacity() * sizeof(int64_t);
  }
  static void Encode(const Slot& slot, ByteWriter& out) {
    ListSlot<T>::Encode(slot.values, out);
    for (const int64_t time_ms : slot.times_ms) out.Fixed(time_ms);
  }
  static bool DecodeContents(ByteReader& in, const StoredSchema* stored, Slot& slot) {
    slot = {};
    const bool decoded = stored == nullptr ? ListSlot<T>::Decode(in, slot.values)
                                           : ListSlot<T>::DecodeStored(in, {.type = *stored}, slot.values);
    if (!decoded) slot = {};  // each value has a time
    return decoded;
  }
  static bool DecodeTimes(ByteReader& in, Slot& slot) {
    SetTimes(slot, 0);
    for (int64_t& time_ms : slot.times_ms) {
      if (!in.Fixed(time_ms)) return false;
    }
    for (const int64_t time_ms : slot.times_ms) slot.oldest_ms = std::min(slot.oldest_ms, time_ms);
    return true;
  }
  static void SetTimes(Slot& slot, int64_t now_ms) { slot.Renew(now_ms); }
};

template <typename K, typename V>
struct TimedMapSlot {
  using Slot = TimedMap<K, V>;

  static bool Empty(const Slot& slot) { return slot.entries.empty(); }
  static size_t HeapBytes(const Slot& slot) {
    return HeapBytesOfEntries<K, V>(slot.entries, [](const TimedEntry<V>& entry) -> const V& { return entry.value; });
  }
  static void Encode(const Slot& slot, ByteWriter& out) {
    EAGRE_CHECK(slot.entries.size() <= std::numeric_limits<uint32_t>::max());
    out.Fixed(static_cast<uint32_t>(slot.entries.size()));
    for (const auto& [key, entry] : slot.entries) {
      Codec<K>::Encode(key, out);
      Codec<V>::Encode(entry.value, out);
    }
    for (const auto& [key, entry] : slot.entries) out.Fixed(entry.time_ms);
  }
  static bool DecodeContents(ByteReader& in, const StoredSchema* stored, Slot& slot) {
    slot.bound_ms = kNoTimeMs;
    return DecodeEntries<K>(in, stored == nullptr ? nullptr : &stored->element(), slot.entries,
                            [](TimedEntry<V>& entry) -> V& { return entry.value; });
  }
  static bool DecodeTimes(ByteReader& in, Slot& slot) {
    for (auto& [key, entry] : slot.entries) {
      if (!in.Fixed(entry.time_ms)) return false;
    }
    slot.OldestMs(slot.bound_ms);
    return true;
  }
  static void SetTimes(Slot& slot, int64_t now_ms) { slot.Renew(now_ms); }
};

template <typename Kind>
struct TimedKind : Kind {
  using Slot = typename Kind::Slot;
  static bool Decode(ByteReader& in, Slot& slot) { return DecodeTimed<Kind>(in, nullptr, slot); }
  static bool DecodeStored(ByteReader& in, const StoredForm& stored, Slot& slot) {
    return DecodeTimed<Kind>(in, &stored, slot);
  }
};

template <typename Kind>
constexpr StateSlotOps TimedSlotOps() {
  StateSlotOps ops = kStateSlotOps<TimedKind<Kind>>;
  ops.oldest_ms = [](const void* slot, int64_t limit_ms) {
    return static_cast<const typename Kind::Slot*>(slot)->OldestMs(limit_ms);
  };
  ops.expire = [](void* slot, int64_t limit_ms) { static_cast<typename Kind::Slot*>(slot)->Expire(limit_ms); };
  return ops;
}
template <typename Kind>
inline constexpr StateSlotOps kTimedSlotOps = TimedSlotOps<Kind>();

}  // namespace internal
}  // namespace eagre
