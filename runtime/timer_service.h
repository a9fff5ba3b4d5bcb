// Timers per key in event time and processing time.
//
// A timer is a key and a time; registering it again changes nothing, and it fires once. Timers fire in the order of
// their times, equal times in the order of their registration. They wait in buckets of about a second, which are sorted
// when they are due: adding one costs an append and an entry in a hash table, not a heap.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "record/batch.h"
#include "record/schema.h"
#include "runtime/slot_pool.h"
#include "runtime/slot_state.h"
#include "state/flat_table.h"
#include "state/keyed_state_table.h"

namespace eagre {

// The part that is blind to the key's type: a key is known by its hash and a predicate on slots. Not thread-safe.
class TimerQueue {
 public:
  // True when the timer in the slot has the key at hand.
  using SlotMatches = absl::FunctionRef<bool(uint32_t slot)>;
  static constexpr uint32_t kNoSlot = UINT32_MAX;

  struct Timer {
    int64_t timestamp = 0;
    uint64_t hash = 0;  // of the key
    bool live = false;
  };

  // The slot of the new timer; kNoSlot when it is registered already.
  uint32_t Register(int64_t timestamp, uint64_t hash, SlotMatches matches);
  // The slot of the timer that was deleted, to be given back by Discard; kNoSlot when there was none.
  uint32_t Delete(int64_t timestamp, uint64_t hash, SlotMatches matches);
  // Lets the slot go, now or when its time comes.
  void Discard(uint32_t slot);
  // The slot of the next timer that is due at `limit`, taken out of the queue; kNoSlot when none is. The caller gives
  // it back by Free when it has taken the key.
  uint32_t PopDue(int64_t limit);
  void Free(uint32_t slot) { timers_.Free(slot); }

  const Timer& timer(uint32_t slot) const { return timers_[slot]; }
  // Not later than the time of the next timer; kMaxWatermark when there is none.
  int64_t NextTimestamp() const;
  size_t size() const { return index_.size(); }
  size_t memory_bytes() const { return index_.memory_bytes() + timers_.memory_bytes() + entries_ * sizeof(Entry); }

  // Every live timer, in a deterministic order. The queue must not change meanwhile.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    index_.ForEach([&](const Indexed& timer) { visit(timer.slot); });
  }

 private:
  static constexpr int kBucketBits = 10;
  static constexpr size_t kBucketMs = size_t{1} << kBucketBits;
  static constexpr size_t kMinDeadToCompact = 64;

  // What identifies a live timer, but for the key itself.
  struct Indexed {
    int64_t timestamp;
    uint64_t hash;
    uint32_t slot;
  };
  struct Entry {
    int64_t timestamp;
    uint64_t sequence;
    uint32_t slot;
    friend bool operator<(const Entry& a, const Entry& b) {
      return a.timestamp != b.timestamp ? a.timestamp < b.timestamp : a.sequence < b.sequence;
    }
  };
  struct Bucket {
    std::vector<Entry> entries;  // in the order of registration
    int64_t earliest = kMaxWatermark;
    size_t dead = 0;  // entries whose timer was deleted
  };

  static uint64_t IndexHash(int64_t timestamp, uint64_t hash) {
    return MixInt64(hash ^ (static_cast<uint64_t>(timestamp) * 0x9E3779B97F4A7C15ULL));
  }
  static int64_t BucketOf(int64_t timestamp) { return timestamp >> kBucketBits; }
  // Drops the entries of deleted timers.
  void Compact(Bucket& bucket);
  // Opens the first bucket, which holds the next timers.
  void OpenFirstBucket();
  void DropDeadAtHead();

  SlotPool<Timer> timers_;
  FlatTable<Indexed> index_;  // live timers by key and time
  std::map<int64_t, Bucket> buckets_;
  // The opened bucket, sorted, and what was registered for times before its end since it was opened.
  std::vector<Entry> head_;
  size_t head_position_ = 0;
  int64_t head_end_ = kNoTimestamp;  // times before it are not in buckets_
  std::set<Entry> inserted_;
  uint64_t next_sequence_ = 0;
  size_t entries_ = 0;
  std::vector<Entry> sort_scratch_;
  std::vector<uint32_t> sort_counts_;
};

// Timers of keys of type K in one time domain. In checkpoints an entry's key is the time (int64) and the encoded key;
// its value is empty.
template <typename K>
class KeyedTimerQueue final : public SlotState {
 public:
  // `name` is the state's.
  explicit KeyedTimerQueue(std::string name) : name_(std::move(name)) {}

  // `hash` is the key's KeyHash.
  void Register(int64_t timestamp, uint64_t hash, const K& key) {
    const uint32_t slot = queue_.Register(timestamp, hash, [&](uint32_t other) { return IsKey(other, key); });
    if (slot == TimerQueue::kNoSlot) return;
    keys_.Cover(slot);
    keys_[slot] = key;
    OnAdded(slot);
  }
  void Delete(int64_t timestamp, uint64_t hash, const K& key) {
    const uint32_t slot = queue_.Delete(timestamp, hash, [&](uint32_t other) { return IsKey(other, key); });
    if (slot == TimerQueue::kNoSlot) return;
    OnRemoved(slot);
    queue_.Discard(slot);
  }

  // Fires the timers that are due at `limit` one after another by fire(timestamp, hash, key), which may register and
  // delete timers, until stop() holds before one; true when none is left.
  template <typename Stop, typename Fire>
  bool FireDue(int64_t limit, Stop&& stop, Fire&& fire) {
    while (queue_.NextTimestamp() <= limit && queue_.size() > 0) {
      if (stop()) return false;
      const uint32_t slot = queue_.PopDue(limit);
      if (slot == TimerQueue::kNoSlot) break;
      const TimerQueue::Timer timer = queue_.timer(slot);
      OnRemoved(slot);
      std::swap(firing_key_, keys_[slot]);
      queue_.Free(slot);
      fire(timer.timestamp, timer.hash, firing_key_);
    }
    return true;
  }

  const TimerQueue& queue() const { return queue_; }
  // The queue and the keys, without what the keys own.
  size_t memory_bytes() const { return queue_.memory_bytes() + keys_.memory_bytes(); }
  const K& key(uint32_t slot) const { return keys_[slot]; }

  const std::string& name() const override { return name_; }
  StateDistribution distribution() const override { return StateDistribution::kKeyed; }
  std::string schema() const override { return "timers\nkey: " + SchemaOf<K>().text(); }
  Status Restore(const StateEntry& entry) override {
    ByteReader in(entry.key);
    int64_t timestamp = 0;
    if (!in.Fixed(timestamp) || !Codec<K>::Decode(in, firing_key_) || !in.empty()) {
      return DataLoss("an entry of timers is malformed");
    }
    if (entry.erased) {
      Delete(timestamp, entry.hash, firing_key_);
    } else {
      Register(timestamp, entry.hash, firing_key_);
    }
    return OkStatus();
  }

 private:
  void EncodeItem(uint32_t slot, StateEntryWriter& out) override {
    EncodeKey(slot, out);
    out.BeginValue();
    out.End();
  }
  void EncodeErased(uint32_t slot, StateEntryWriter& out) override {
    EncodeKey(slot, out);
    out.EndErased();
  }
  void EncodeKey(uint32_t slot, StateEntryWriter& out) const {
    const TimerQueue::Timer& timer = queue_.timer(slot);
    ByteWriter& key = out.BeginKey(timer.hash);
    key.Fixed(timer.timestamp);
    Codec<K>::Encode(keys_[slot], key);
  }

  // Whether the key in the slot, whose hash is that of `key`, is `key`.
  bool IsKey(uint32_t slot, const K& key) const {
    if constexpr (kHashIdentifiesKey<K>) return true;
    return KeyEquals(keys_[slot], key);
  }

  const std::string name_;
  TimerQueue queue_;
  SlotPool<K> keys_;  // by the queue's slots
  K firing_key_{};
};

// Both time domains of one keyed operator.
template <typename K>
class TimerService {
 public:
  KeyedTimerQueue<K>& event_time() { return event_time_; }
  KeyedTimerQueue<K>& processing_time() { return processing_time_; }
  const KeyedTimerQueue<K>& processing_time() const { return processing_time_; }
  size_t size() const { return event_time_.queue().size() + processing_time_.queue().size(); }
  size_t memory_bytes() const { return event_time_.memory_bytes() + processing_time_.memory_bytes(); }
  void CollectStates(std::vector<CheckpointedState*>& states) {
    states.push_back(&event_time_);
    states.push_back(&processing_time_);
  }

 private:
  KeyedTimerQueue<K> event_time_{"event-time timers"};
  KeyedTimerQueue<K> processing_time_{"processing-time timers"};
};

}  // namespace eagre
