// State that belongs to a subtask of an operator rather than to a key, in memory: lists and broadcast maps.
//
// A checkpoint has all of it. Neither the barrier nor a change while it is being stored takes time that grows with it:
// a list only grows at its end, or is replaced, and of a map the entries that change meanwhile are kept as they were.
// What it takes counts in the memory of the slot, with either backend.
#pragma once

#include <cstddef>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "record/record.h"
#include "record/schema.h"
#include "record/stored_schema.h"
#include "state/checkpointed_state.h"
#include "state/state_backend.h"
#include "state/state_schema.h"

namespace eagre {

// The half that needs no types: names, the schema under which entries were stored, and what they take. Not thread-safe.
class OperatorStateCore : public CheckpointedState {
 public:
  // `kind` is "list", "union list" or "broadcast"; with the name it addresses the state.
  OperatorStateCore(std::string_view kind, std::string name, StateDistribution distribution, std::string schema);
  OperatorStateCore& operator=(const OperatorStateCore&) = delete;

  // Before a restore: what it holds counts in `backend`, which outlives it.
  void Open(StateBackend& backend, const std::string& operator_name);

  const std::string& name() const override { return address_; }
  const std::string& kind() const { return kind_; }
  const std::string& own_name() const { return name_; }
  StateDistribution distribution() const override { return distribution_; }
  std::string schema() const override { return schema_; }
  bool incremental() const override { return false; }
  Status BeginRestore(const std::string& stored_schema) override;
  Status FinishRestore(bool inherited) override;

  // Whether the checkpoint that the job goes on from knew this state.
  bool restored() const { return restored_; }
  // Of the contents and of what is still to be stored of older ones, about.
  size_t memory_bytes() const { return bytes_; }

 protected:
  static constexpr size_t kStepsPerSlice = 1024;

  // The copy counts nowhere; what it holds is charged by whoever derives.
  OperatorStateCore(const OperatorStateCore& other);

  // Of the part being restored: null when it has the current schema.
  const StoredSchema* Stored(std::string_view label) const;
  Status Malformed() const;

  void Charge(size_t bytes) { SetBytes(bytes_ + bytes); }
  void Discharge(size_t bytes) { SetBytes(bytes_ - bytes); }
  // While it is restored: RESOURCE_EXHAUSTED when the slot has no room for what it holds.
  Status CheckRoomRestoring() const;
  // The same where a function of the user changes the state: throws StateError, through it.
  void RequireRoom() const;

 private:
  void SetBytes(size_t bytes) {
    bytes_ = bytes;
    share_.Set(bytes);
  }

  std::string kind_;
  std::string name_;
  std::string address_;
  StateDistribution distribution_;
  std::string schema_;
  std::optional<StateSchema> stored_;
  bool restored_ = false;
  size_t bytes_ = 0;
  StateBackend* backend_ = nullptr;
  StateBackend::Share share_;
};

// A list. Its elements are the entries of a checkpoint, under empty keys.
template <typename T>
class OperatorListCore final : public OperatorStateCore {
 public:
  using List = std::deque<T>;

  // kSplit or kUnion.
  OperatorListCore(std::string name, StateDistribution distribution)
      : OperatorStateCore(distribution == StateDistribution::kUnion ? "union list" : "list", std::move(name),
                          distribution, "element: " + SchemaOf<T>().text()),
        values_(std::make_shared<List>()) {}
  // What is being stored is not copied.
  OperatorListCore(const OperatorListCore& other)
      : OperatorStateCore(other), values_(std::make_shared<List>(*other.values_)), value_bytes_(other.value_bytes_) {
    Charge(value_bytes_);
  }

  const List& values() const { return *values_; }
  void Add(T value) {
    Append(std::move(value));
    RequireRoom();
  }
  void Update(std::vector<T> values) {
    Clear();
    for (T& value : values) Append(std::move(value));
    RequireRoom();
  }
  void Clear() {
    if (values_ == sealed_) {
      values_ = std::make_shared<List>();
      sealed_bytes_ = value_bytes_;
    } else {
      values_->clear();
      Discharge(value_bytes_);
    }
    value_bytes_ = 0;
  }

  void Seal() override {
    sealed_ = values_;
    sealed_size_ = values_->size();
    encoded_ = 0;
  }
  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) override {
    const size_t limit = out.bytes() + max_bytes;
    for (; encoded_ < sealed_size_; ++encoded_) {
      if (out.bytes() >= limit) return false;
      out.BeginKey(0);
      Codec<T>::Encode((*sealed_)[encoded_], out.BeginValue());
      out.End();
    }
    // Once it has been replaced nobody else needs it, and it goes away in slices as well.
    for (size_t steps = 0; sealed_ != values_ && !sealed_->empty(); sealed_->pop_back()) {
      if (++steps > kStepsPerSlice) return false;
    }
    sealed_ = nullptr;
    Discharge(std::exchange(sealed_bytes_, 0));
    return true;
  }
  Status Restore(const StateEntry& entry) override {
    ByteReader in(entry.value);
    T value{};
    if (entry.erased || !DecodeAs(Stored("element"), in, value) || !in.empty()) return Malformed();
    Append(std::move(value));
    return CheckRoomRestoring();
  }

 private:
  void Append(T&& value) {
    const size_t bytes = sizeof(T) + HeapBytesOf(value);
    values_->push_back(std::move(value));
    value_bytes_ += bytes;
    Charge(bytes);
  }

  std::shared_ptr<List> values_;
  size_t value_bytes_ = 0;
  // Being stored: the first of what may still be the values. Elements behind them are of no concern.
  std::shared_ptr<List> sealed_;
  size_t sealed_size_ = 0;
  size_t encoded_ = 0;
  size_t sealed_bytes_ = 0;  // once it has been replaced
};

// A map that is the same in every subtask. Its entries are those of a checkpoint.
template <typename K, typename V>
class BroadcastCore final : public OperatorStateCore {
 public:
  using Map = std::map<K, V, RecordLess>;

  explicit BroadcastCore(std::string name)
      : OperatorStateCore("broadcast", std::move(name), StateDistribution::kBroadcast,
                          "key: " + SchemaOf<K>().text() + "\nelement: " + SchemaOf<V>().text()) {}
  // What is being stored is not copied.
  BroadcastCore(const BroadcastCore& other) : OperatorStateCore(other), entries_(other.entries_) {
    for (const Entry& entry : entries_) Charge(BytesOf(entry));
  }

  const Map& entries() const { return entries_; }
  void Put(const K& key, V value) {
    Change(key).second = std::move(value);
    Settle();
    RequireRoom();
  }
  // To be changed in place, until the next call of any kind.
  V& Mutable(const K& key) {
    Settle();
    RequireRoom();
    return Change(key).second;
  }
  void Remove(const K& key) {
    Settle();
    const auto entry = entries_.find(key);
    if (entry != entries_.end()) Erase(entry);
  }
  void Clear() {
    Settle();
    for (auto entry = entries_.begin(); entry != entries_.end();) entry = Erase(entry);
  }

  void Seal() override {
    Settle();
    sealed_ = true;
  }
  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) override {
    const size_t limit = out.bytes() + max_bytes;
    Settle();
    auto now = encoded_ ? entries_.upper_bound(*encoded_) : entries_.begin();
    for (size_t steps = 0; now != entries_.end() || !before_.empty(); ++steps) {
      if (out.bytes() >= limit || steps == kStepsPerSlice) return false;
      const auto before = before_.begin();
      const bool changed =
          before != before_.end() && (now == entries_.end() || !RecordLess()(now->first, before->first));
      const K& key = changed ? before->first : now->first;
      if (const V* value = !changed ? &now->second : before->second ? &*before->second : nullptr) {
        Codec<K>::Encode(key, out.BeginKey(0));
        Codec<V>::Encode(*value, out.BeginValue());
        out.End();
      }
      encoded_ = key;
      if (!changed || (now != entries_.end() && !RecordLess()(before->first, now->first))) ++now;
      if (changed) before_.erase(before);
    }
    sealed_ = false;
    encoded_.reset();
    Discharge(std::exchange(before_bytes_, 0));
    return true;
  }
  Status Restore(const StateEntry& entry) override {
    ByteReader key_bytes(entry.key);
    ByteReader value_bytes(entry.value);
    K key{};
    if (entry.erased || !Codec<K>::Decode(key_bytes, key) || !key_bytes.empty()) return Malformed();
    if (!DecodeAs(Stored("element"), value_bytes, Change(key).second) || !value_bytes.empty()) return Malformed();
    Settle();
    return CheckRoomRestoring();
  }

 private:
  using Entry = typename Map::value_type;
  static constexpr size_t kNodeBytes = 32;

  static size_t BytesOf(const Entry& entry) {
    return kNodeBytes + sizeof(Entry) + HeapBytesOf(entry.first) + HeapBytesOf(entry.second);
  }

  // The entry, which is made when there is none. Its value may be changed until the next Settle.
  Entry& Change(const K& key) {
    Settle();
    const auto entry = entries_.lower_bound(key);
    const bool found = entry != entries_.end() && !RecordLess()(key, entry->first);
    if (MustKeep(key)) Keep(key, found ? std::optional<V>(entry->second) : std::nullopt);
    changing_ = found ? &*entry : &*entries_.emplace_hint(entry, key, V{});
    if (found) Discharge(BytesOf(*changing_));
    return *changing_;
  }
  void Settle() {
    if (changing_ != nullptr) Charge(BytesOf(*std::exchange(changing_, nullptr)));
  }
  typename Map::iterator Erase(typename Map::iterator entry) {
    Discharge(BytesOf(*entry));
    if (MustKeep(entry->first)) Keep(entry->first, std::move(entry->second));
    return entries_.erase(entry);
  }

  // Whether the key's entry is still to be stored as it is now.
  bool MustKeep(const K& key) const {
    return sealed_ && (!encoded_ || RecordLess()(*encoded_, key)) && !before_.contains(key);
  }
  void Keep(const K& key, std::optional<V> value) {
    const size_t bytes = kNodeBytes + sizeof(Entry) + HeapBytesOf(key) + (value ? HeapBytesOf(*value) : 0);
    before_.emplace(key, std::move(value));
    before_bytes_ += bytes;
    Charge(bytes);
  }

  Map entries_;
  Entry* changing_ = nullptr;  // what it takes is not counted at the moment
  // While a checkpoint stores it: the last key that is through, and the entries behind it that have changed, as they
  // were at the barrier (none: there was no such entry).
  bool sealed_ = false;
  std::optional<K> encoded_;
  std::map<K, std::optional<V>, RecordLess> before_;
  size_t before_bytes_ = 0;
};

}  // namespace eagre
