// State of a keyed function: for each key a value, a list, a map, or what was reduced or aggregated.
//
//   class CountPerUser : public KeyedProcessFunction<std::string, Payment, int64_t> {
//     ValueState<int64_t> count_{this, "count"};
//     MapState<std::string, Decimal> spent_by_merchant_{this, "spent by merchant"};
//    ...
//     void ProcessElement(const Payment& payment, Context& context, Collector<int64_t>& out) override {
//       out.Collect(++count_.Mutable());
//
// Declare states as members of the function, each with a name of its own: the name is the state's address in
// checkpoints. In ProcessElement and OnTimer a handle shows the state of the current key; anywhere else using it fails
// the job. What it returns is valid until the call ends or the same state is changed. Types are those that EAGRE_RECORD
// allows as fields.
#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "record/record.h"
#include "record/stored_schema.h"
#include "record/type_info_of.h"
#include "state/keyed_state_table.h"
#include "state/state_declaration.h"

namespace eagre {

namespace internal {

// Heap bytes of `count` elements, from a few of them: walking over all at every change would make long lists quadratic.
inline constexpr size_t kSampledElements = 4;

// What a state with TTL stored behind its contents means nothing to one without.
inline bool SkipTimes(ByteReader& in, const StoredForm& stored, size_t count) {
  std::string_view times;
  return !stored.has_times || in.Raw(count * sizeof(int64_t), times);
}

template <typename T>
struct ValueSlot {
  using Slot = std::optional<T>;
  static bool Empty(const Slot& slot) { return !slot.has_value(); }
  static size_t HeapBytes(const Slot& slot) { return slot ? HeapBytesOf(*slot) : 0; }
  static void Encode(const Slot& slot, ByteWriter& out) { Codec<Slot>::Encode(slot, out); }
  static bool Decode(ByteReader& in, Slot& slot) { return Codec<Slot>::Decode(in, slot); }
  static bool DecodeStored(ByteReader& in, const StoredForm& stored, Slot& slot) {
    slot.reset();
    bool filled = false;
    if (!in.Fixed(filled)) return false;
    return !filled || (stored.type.Decode(in, slot.emplace()) && SkipTimes(in, stored, 1));
  }
};

template <typename T>
struct ListSlot {
  using Slot = std::vector<T>;
  static bool Empty(const Slot& slot) { return slot.empty(); }
  static size_t HeapBytes(const Slot& slot) {
    size_t bytes = slot.capacity() * sizeof(T);
    if constexpr (Codec<T>::kHasTail) {
      const size_t sampled = std::min(slot.size(), kSampledElements);
      size_t sample_bytes = 0;
      for (size_t i = 0; i < sampled; ++i) sample_bytes += HeapBytesOf(slot[slot.size() - 1 - i]);
      if (sampled > 0) bytes += sample_bytes * slot.size() / sampled;
    }
    return bytes;
  }
  static void Encode(const Slot& slot, ByteWriter& out) { Codec<Slot>::Encode(slot, out); }
  static bool Decode(ByteReader& in, Slot& slot) { return Codec<Slot>::Decode(in, slot); }
  static bool DecodeStored(ByteReader& in, const StoredForm& stored, Slot& slot) {
    return stored.type.Decode(in, slot) && SkipTimes(in, stored, slot.size());
  }
};

template <typename K, typename V, typename Map, typename ValueOf>
size_t HeapBytesOfEntries(const Map& map, ValueOf value_of) {
  constexpr size_t kNodeBytes = 32 + sizeof(typename Map::value_type);
  size_t bytes = map.size() * kNodeBytes;
  if constexpr (Codec<K>::kHasTail || Codec<V>::kHasTail) {
    size_t sampled = 0;
    size_t sample_bytes = 0;
    for (auto entry = map.begin(); entry != map.end() && sampled < kSampledElements; ++entry, ++sampled) {
      sample_bytes += HeapBytesOf(entry->first) + HeapBytesOf(value_of(entry->second));
    }
    if (sampled > 0) bytes += sample_bytes * map.size() / sampled;
  }
  return bytes;
}

// Values of the stored schema, or without one of the current; keys are of the same form in every version. value_of()
// gives the value in what the map maps to.
template <typename K, typename Map, typename ValueOf>
bool DecodeEntries(ByteReader& in, const StoredSchema* stored, Map& map, ValueOf value_of) {
  map.clear();
  uint32_t count = 0;
  if (!in.Fixed(count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    K key{};
    if (!Codec<K>::Decode(in, key)) return false;
    if (!map.empty() && RecordCompare(std::prev(map.end())->first, key) >= 0) return false;
    const auto entry = map.emplace_hint(map.end(), std::move(key), typename Map::mapped_type{});
    if (!DecodeAs(stored, in, value_of(entry->second))) return false;
  }
  return true;
}

template <typename K, typename V>
struct MapSlot {
  using Slot = std::map<K, V, RecordLess>;

  static bool Empty(const Slot& slot) { return slot.empty(); }
  static size_t HeapBytes(const Slot& slot) {
    return HeapBytesOfEntries<K, V>(slot, [](const V& value) -> const V& { return value; });
  }
  // A 32-bit count, then keys and values in the order of the keys.
  static void Encode(const Slot& slot, ByteWriter& out) {
    EAGRE_CHECK(slot.size() <= std::numeric_limits<uint32_t>::max());
    out.Fixed(static_cast<uint32_t>(slot.size()));
    for (const auto& [key, value] : slot) {
      Codec<K>::Encode(key, out);
      Codec<V>::Encode(value, out);
    }
  }
  static bool Decode(ByteReader& in, Slot& slot) {
    return DecodeEntries<K>(in, nullptr, slot, [](V& value) -> V& { return value; });
  }
  static bool DecodeStored(ByteReader& in, const StoredForm& stored, Slot& slot) {
    return DecodeEntries<K>(in, &stored.type.element(), slot, [](V& value) -> V& { return value; }) &&
           SkipTimes(in, stored, slot.size());
  }
};

template <typename Kind>
inline constexpr StateSlotOps kStateSlotOps{
    .size = sizeof(typename Kind::Slot),
    .alignment = alignof(typename Kind::Slot),
    .construct = [](void* slot) { new (slot) typename Kind::Slot(); },
    .destroy = [](void* slot) { std::destroy_at(static_cast<typename Kind::Slot*>(slot)); },
    .empty = [](const void* slot) { return Kind::Empty(*static_cast<const typename Kind::Slot*>(slot)); },
    .heap_bytes = [](const void* slot) { return Kind::HeapBytes(*static_cast<const typename Kind::Slot*>(slot)); },
    .encode = [](const void* slot,
                 ByteWriter& out) { Kind::Encode(*static_cast<const typename Kind::Slot*>(slot), out); },
    .decode = [](ByteReader& in, void* slot) { return Kind::Decode(in, *static_cast<typename Kind::Slot*>(slot)); },
    .decode_stored =
        [](ByteReader& in, const StoredForm& stored, void* slot) {
          return Kind::DecodeStored(in, stored, *static_cast<typename Kind::Slot*>(slot));
        },
};

}  // namespace internal

/// One value per key.
template <typename T>
class ValueState : public StateHandle {
 public:
  ValueState(StateOwner* owner, std::string name)
      : StateHandle(owner, std::move(name), StateKind::kValue, nullptr, &TypeInfoOf<T>(),
                    internal::kStateSlotOps<internal::ValueSlot<T>>) {}

  /// Null when the key has no value.
  const T* Get() const {
    const auto& value = *static_cast<const std::optional<T>*>(slot());
    return value ? &*value : nullptr;
  }
  /// The value to be changed in place; a default one is made when there is none.
  T& Mutable() {
    auto& value = *static_cast<std::optional<T>*>(mutable_slot());
    if (!value) value.emplace();
    return *value;
  }
  void Set(T value) { *static_cast<std::optional<T>*>(mutable_slot()) = std::move(value); }
  void Clear() { static_cast<std::optional<T>*>(mutable_slot())->reset(); }
};

/// A list per key, in the order of insertion.
template <typename T>
class ListState : public StateHandle {
 public:
  ListState(StateOwner* owner, std::string name)
      : StateHandle(owner, std::move(name), StateKind::kList, nullptr, &TypeInfoOf<T>(),
                    internal::kStateSlotOps<internal::ListSlot<T>>) {}

  const std::vector<T>& Get() const { return *static_cast<const std::vector<T>*>(slot()); }
  /// The list to be changed in place.
  std::vector<T>& Mutable() { return *static_cast<std::vector<T>*>(mutable_slot()); }
  void Add(T value) { Mutable().push_back(std::move(value)); }
  bool Empty() const { return Get().empty(); }
  void Clear() { Mutable() = {}; }
};

/// A map per key, iterated in the order of its keys.
template <typename K, typename V>
class MapState : public StateHandle {
 public:
  using Map = std::map<K, V, RecordLess>;

  MapState(StateOwner* owner, std::string name)
      : StateHandle(owner, std::move(name), StateKind::kMap, &TypeInfoOf<K>(), &TypeInfoOf<V>(),
                    internal::kStateSlotOps<internal::MapSlot<K, V>>) {}

  /// Null when there is no such entry.
  const V* Get(const K& key) const {
    const auto entry = Entries().find(key);
    return entry == Entries().end() ? nullptr : &entry->second;
  }
  bool Contains(const K& key) const { return Entries().contains(key); }
  /// All entries, for reading: `for (const auto& [key, value] : state.Entries())`.
  const Map& Entries() const { return *static_cast<const Map*>(slot()); }
  bool Empty() const { return Entries().empty(); }

  void Put(const K& key, V value) { MutableEntries().insert_or_assign(key, std::move(value)); }
  /// The entry's value to be changed in place; a default one is made when there is none.
  V& Mutable(const K& key) { return MutableEntries()[key]; }
  void Remove(const K& key) { MutableEntries().erase(key); }
  /// The whole map to be changed in place.
  Map& MutableEntries() { return *static_cast<Map*>(mutable_slot()); }
  void Clear() { MutableEntries().clear(); }
};

/// One value per key, into which others are reduced: `reduce` is void (T& into, const T& value).
template <typename T>
class ReducingState : public StateHandle {
 public:
  using Reduce = std::function<void(T& into, const T& value)>;

  ReducingState(StateOwner* owner, std::string name, Reduce reduce)
      : StateHandle(owner, std::move(name), StateKind::kReducing, nullptr, &TypeInfoOf<T>(),
                    internal::kStateSlotOps<internal::ValueSlot<T>>),
        reduce_(std::move(reduce)) {}

  /// Null when nothing was added to the key.
  const T* Get() const {
    const auto& value = *static_cast<const std::optional<T>*>(slot());
    return value ? &*value : nullptr;
  }
  void Add(const T& value) {
    auto& into = *static_cast<std::optional<T>*>(mutable_slot());
    if (into) {
      reduce_(*into, value);
    } else {
      into = value;
    }
  }
  void Clear() { static_cast<std::optional<T>*>(mutable_slot())->reset(); }

 private:
  Reduce reduce_;
};

/// An accumulator per key, of an AggregateFunction (include/eagre/functions.h).
template <typename F>
class AggregatingState : public StateHandle {
 public:
  using Accumulator = typename F::Accumulator;

  AggregatingState(StateOwner* owner, std::string name, F function = F())
      : StateHandle(owner, std::move(name), StateKind::kAggregating, nullptr, &TypeInfoOf<Accumulator>(),
                    internal::kStateSlotOps<internal::ValueSlot<Accumulator>>),
        function_(std::move(function)) {}

  /// The result for what was added to the key; none when that was nothing.
  std::optional<typename F::Output> Get() const {
    const auto& accumulator = *static_cast<const std::optional<Accumulator>*>(slot());
    if (!accumulator) return std::nullopt;
    return function_.F::GetResult(*accumulator);
  }
  template <typename In>
  void Add(const In& value) {
    auto& accumulator = *static_cast<std::optional<Accumulator>*>(mutable_slot());
    if (!accumulator) accumulator = function_.F::CreateAccumulator();
    function_.F::Add(*accumulator, value);
  }
  void Clear() { static_cast<std::optional<Accumulator>*>(mutable_slot())->reset(); }

 private:
  mutable F function_;  // its methods need not be const
};

}  // namespace eagre
