// Keyed state whose content expires when it has not been used for some time (eagre/state_ttl.h):
//
//   class Devices : public KeyedProcessFunction<std::string, Login, std::string> {
//     TtlMapState<std::string, int64_t> logins_{this, "logins", StateTtl(30 * 24h)};
//
// A value expires as a whole, a list by element, a map by entry, as in Flink. They are declared and used as the states
// without TTL (eagre/keyed_state.h), but reading changes them: what a call finds expired it removes. What nobody reads
// is removed in the background, soon after it has expired; a key of which everything has expired takes no memory. What
// is restored from a checkpoint has aged meanwhile. A state may be given TTL, another one, or none any more, and still
// be restored: what was stored without counts as used at that moment.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eagre/keyed_state.h"
#include "eagre/state_ttl.h"
#include "eagre/ttl_handle.h"
#include "eagre/ttl_slots.h"

namespace eagre {
/// One value per key, with TTL.
template <typename T>
class TtlValueState : public internal::TtlSingle<T> {
 public:
  TtlValueState(StateOwner* owner, std::string name, const StateTtl& ttl)
      : internal::TtlSingle<T>(owner, std::move(name), StateKind::kValue, ttl) {}

  /// Null when the key has no value. What has expired is valid until the next call.
  const T* Get() { return this->Read(); }
  /// The value to be changed in place; a default one is made when there is none.
  T& Mutable() {
    std::optional<T>& value = this->Write();
    if (!value) value.emplace();
    return *value;
  }
  void Set(T value) { this->Write() = std::move(value); }
  void Clear() { this->Reset(); }
};

/// One value per key, into which others are reduced, with TTL: `reduce` is void (T& into, const T& value).
template <typename T>
class TtlReducingState : public internal::TtlSingle<T> {
 public:
  using Reduce = std::function<void(T& into, const T& value)>;

  TtlReducingState(StateOwner* owner, std::string name, Reduce reduce, const StateTtl& ttl)
      : internal::TtlSingle<T>(owner, std::move(name), StateKind::kReducing, ttl), reduce_(std::move(reduce)) {}

  /// Null when nothing was added to the key. What has expired is valid until the next call.
  const T* Get() { return this->Read(); }
  void Add(const T& value) {
    std::optional<T>& into = this->Write();
    if (into) {
      reduce_(*into, value);
    } else {
      into = value;
    }
  }
  void Clear() { this->Reset(); }

 private:
  Reduce reduce_;
};

/// An accumulator per key, of an AggregateFunction (include/eagre/functions.h), with TTL.
template <typename F>
class TtlAggregatingState : public internal::TtlSingle<typename F::Accumulator> {
 public:
  using Accumulator = typename F::Accumulator;

  TtlAggregatingState(StateOwner* owner, std::string name, const StateTtl& ttl, F function = F())
      : internal::TtlSingle<Accumulator>(owner, std::move(name), StateKind::kAggregating, ttl),
        function_(std::move(function)) {}

  /// The result for what was added to the key; none when that was nothing.
  std::optional<typename F::Output> Get() {
    const Accumulator* accumulator = this->Read();
    if (accumulator == nullptr) return std::nullopt;
    return function_.F::GetResult(*accumulator);
  }
  template <typename In>
  void Add(const In& value) {
    std::optional<Accumulator>& accumulator = this->Write();
    if (!accumulator) accumulator = function_.F::CreateAccumulator();
    function_.F::Add(*accumulator, value);
  }
  void Clear() { this->Reset(); }

 private:
  F function_;
};

/// A list per key, in the order of insertion; each element expires by itself.
template <typename T>
class TtlListState : public internal::TtlHandle<internal::TimedListSlot<T>> {
  using Base = internal::TtlHandle<internal::TimedListSlot<T>>;

 public:
  TtlListState(StateOwner* owner, std::string name, const StateTtl& ttl)
      : Base(owner, std::move(name), StateKind::kList, nullptr, &TypeInfoOf<T>(), ttl) {}

  const std::vector<T>& Get() {
    const internal::TimedList<T>& held = this->held();
    if (held.values.empty()) return held.values;
    const int64_t now_ms = this->now_ms();
    const bool has_expired = held.oldest_ms <= this->LimitMs(now_ms);
    const std::vector<T>& read = has_expired && this->returns_expired() ? (expired_ = held.values) : held.values;
    if (has_expired) this->changed().Expire(this->LimitMs(now_ms));
    if (!held.values.empty() && this->Renews(held.oldest_ms, now_ms)) this->changed().Renew(now_ms);
    return read;
  }
  /// Whether Get would be empty; it is no reading.
  bool Empty() const {
    const internal::TimedList<T>& held = this->held();
    if (held.values.empty() || this->returns_expired()) return held.values.empty();
    const int64_t limit_ms = this->LimitMs(this->now_ms());
    return std::all_of(held.times_ms.begin(), held.times_ms.end(),
                       [=](int64_t time_ms) { return time_ms <= limit_ms; });
  }
  void Add(T value) { this->changed().Add(std::move(value), this->now_ms()); }
  /// Puts other elements in the place of all, every one of them written now.
  void Update(std::vector<T> values) { this->changed().Assign(std::move(values), this->now_ms()); }
  void Clear() { this->changed() = {}; }

 private:
  std::vector<T> expired_;  // returned last, and what was returned with them
};

/// The entries of a TtlMapState, for reading: `for (const auto& [key, value] : state.Entries())`.
template <typename K, typename V>
class TtlMapEntries {
  using Entries = typename internal::TimedMap<K, V>::Entries;

 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::pair<const K&, const V&>;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = value_type;

    explicit Iterator(typename Entries::const_iterator at) : at_(at) {}
    value_type operator*() const { return {at_->first, at_->second.value}; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) { return Iterator(at_++); }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    typename Entries::const_iterator at_;
  };

  explicit TtlMapEntries(const Entries& entries) : entries_(&entries) {}
  /// In the order of the keys.
  Iterator begin() const { return Iterator(entries_->begin()); }
  Iterator end() const { return Iterator(entries_->end()); }
  size_t size() const { return entries_->size(); }
  bool empty() const { return entries_->empty(); }

 private:
  const Entries* entries_;
};

/// A map per key, iterated in the order of its keys; each entry expires by itself.
template <typename K, typename V>
class TtlMapState : public internal::TtlHandle<internal::TimedMapSlot<K, V>> {
  using Base = internal::TtlHandle<internal::TimedMapSlot<K, V>>;
  using TimedMap = internal::TimedMap<K, V>;

 public:
  TtlMapState(StateOwner* owner, std::string name, const StateTtl& ttl)
      : Base(owner, std::move(name), StateKind::kMap, &TypeInfoOf<K>(), &TypeInfoOf<V>(), ttl) {}

  /// Null when there is no such entry. What has expired is valid until the next call.
  const V* Get(const K& key) {
    const TimedMap& held = this->held();
    const auto entry = held.entries.find(key);
    if (entry == held.entries.end()) return nullptr;
    const int64_t now_ms = this->now_ms();
    if (entry->second.time_ms <= this->LimitMs(now_ms)) return TakeExpired(key);
    if (this->Renews(entry->second.time_ms, now_ms)) this->changed().Use(key, now_ms).time_ms = now_ms;
    return &entry->second.value;
  }
  /// As Get, it is reading the entry.
  bool Contains(const K& key) { return Get(key) != nullptr; }
  /// All entries; valid until the next call.
  TtlMapEntries<K, V> Entries() {
    const TimedMap& held = this->held();
    if (held.entries.empty()) return TtlMapEntries<K, V>(held.entries);
    const int64_t now_ms = this->now_ms();
    const int64_t limit_ms = this->LimitMs(now_ms);
    const bool has_expired = held.OldestMs(limit_ms) <= limit_ms;
    const auto& read = has_expired && this->returns_expired() ? (expired_entries_ = held.entries) : held.entries;
    if (has_expired) this->changed().Expire(limit_ms);
    if (!held.entries.empty() && this->Renews(held.bound_ms, now_ms)) this->changed().Renew(now_ms);
    return TtlMapEntries<K, V>(read);
  }
  /// Whether Entries would be empty; it is no reading.
  bool Empty() const {
    const TimedMap& held = this->held();
    if (held.entries.empty() || this->returns_expired()) return held.entries.empty();
    const int64_t limit_ms = this->LimitMs(this->now_ms());
    return std::all_of(held.entries.begin(), held.entries.end(),
                       [=](const auto& entry) { return entry.second.time_ms <= limit_ms; });
  }

  void Put(const K& key, V value) {
    TimedMap& held = this->changed();
    const int64_t now_ms = this->now_ms();
    held.Use(key, now_ms) = {std::move(value), now_ms};
  }
  /// The entry's value to be changed in place; a default one is made when there is none.
  V& Mutable(const K& key) {
    TimedMap& held = this->changed();
    const int64_t now_ms = this->now_ms();
    internal::TimedEntry<V>& entry = held.Use(key, now_ms);
    if (entry.time_ms <= this->LimitMs(now_ms) && !this->returns_expired()) entry.value = V{};
    entry.time_ms = now_ms;
    return entry.value;
  }
  void Remove(const K& key) { this->changed().entries.erase(key); }
  void Clear() { this->changed() = {}; }

 private:
  const V* TakeExpired(const K& key) {
    auto& entries = this->changed().entries;
    const auto entry = entries.find(key);
    if (this->returns_expired()) expired_ = std::move(entry->second.value);
    entries.erase(entry);
    return this->returns_expired() ? &*expired_ : nullptr;
  }

  std::optional<V> expired_;  // returned last
  typename TimedMap::Entries expired_entries_;
};

}  // namespace eagre
