// The order of timers in memory, blind to the types of their keys.
//
// Timers are ordered by time, and those of one time by the hash of their key: an order that follows from the timers
// alone, so that it is the same with every backend, after a restore and after rescaling. They wait in buckets of about
// a second, or less where many are due together, which are sorted when they are due: adding one costs an append and an
// entry in a hash table, not a heap, and no step takes longer the more timers there are.
#pragma once

#include <absl/functional/function_ref.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "record/batch.h"
#include "runtime/slot_pool.h"
#include "state/flat_table.h"

namespace eagre {

// Of a timer in the order; two keys of one hash may share it.
struct TimerPosition {
  int64_t timestamp = 0;
  uint64_t hash = 0;  // of the key
  friend auto operator<=>(const TimerPosition&, const TimerPosition&) = default;
};

// An item is a timer, or the note that one was deleted which may lie elsewhere (runtime/timer_store.h). A key is known
// by its hash and a predicate on slots. Not thread-safe.
class TimerQueue {
 public:
  // True when the item in the slot has the key at hand.
  using SlotMatches = absl::FunctionRef<bool(uint32_t slot)>;
  static constexpr uint32_t kNoSlot = UINT32_MAX;
  static constexpr TimerPosition kEnd{std::numeric_limits<int64_t>::max(), std::numeric_limits<uint64_t>::max()};

  enum class Kind : uint8_t { kDropped, kTimer, kDeletion };
  struct Item {
    int64_t timestamp = 0;
    uint64_t hash = 0;
    Kind kind = Kind::kDropped;
  };

  // The slot of the item, which is a new timer when there was none.
  uint32_t FindOrAdd(int64_t timestamp, uint64_t hash, SlotMatches matches, bool& added);
  // The slot of the timer, no longer found, to be given back by Discard; kNoSlot when there is none.
  uint32_t Delete(int64_t timestamp, uint64_t hash, SlotMatches matches);
  // Lets the slot go, now or when its time comes.
  void Discard(uint32_t slot);
  // The slot of the next item that is due at `limit` and lies before `end` (kEnd: wherever it lies), taken out of the
  // queue; kNoSlot when there is none. The caller gives it back by Free when it has taken the key.
  uint32_t PopDue(int64_t limit, const TimerPosition& end = kEnd);
  void Free(uint32_t slot) { items_.Free(slot); }
  void SetKind(uint32_t slot, Kind kind);

  // Takes about `most` of the last items out of the order, though they are still found, and adds their slots: to be
  // followed by PutBack or Remove. None of the others is behind the position that is returned, the first one's.
  TimerPosition TakeLast(size_t most, std::vector<uint32_t>& slots);
  void PutBack(uint32_t slot) { AddToOrder(EntryOf(slot)); }
  void Remove(uint32_t slot);

  const Item& item(uint32_t slot) const { return items_[slot]; }
  // Of one that is found. Where there are no deletions it does not touch the item.
  bool IsDeletion(uint32_t slot) const { return deletions_ != 0 && items_[slot].kind == Kind::kDeletion; }
  TimerPosition position(uint32_t slot) const { return {items_[slot].timestamp, items_[slot].hash}; }
  // Not later than the time of the next timer; kMaxWatermark when there is none.
  int64_t NextTimestamp() const;
  // Timers.
  size_t size() const { return index_.size() - deletions_; }
  // Items.
  size_t item_count() const { return index_.size(); }
  size_t memory_bytes() const { return index_.memory_bytes() + items_.memory_bytes() + entries_ * sizeof(Entry); }
  // What an item takes, about, without the memory that only waits to be used again.
  static constexpr size_t kItemBytes = 112;

  // Every item, in a deterministic order. The queue must not change meanwhile.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    index_.ForEach([&](const Indexed& item) { visit(item.slot); });
  }

 private:
  static constexpr int kBucketBits = 10;
  static constexpr size_t kBucketMs = size_t{1} << kBucketBits;
  static constexpr size_t kMinDroppedToCompact = 64;
  static constexpr size_t kMostPerBucket = 16 * 1024;

  // What identifies an item, but for the key itself.
  struct Indexed {
    int64_t timestamp;
    uint64_t hash;
    uint32_t slot;
  };
  struct Entry {
    int64_t timestamp;
    uint64_t hash;
    uint32_t slot;
    TimerPosition position() const { return {timestamp, hash}; }
    friend bool operator<(const Entry& a, const Entry& b) {
      return a.timestamp != b.timestamp ? a.timestamp < b.timestamp
             : a.hash != b.hash         ? a.hash < b.hash
                                        : a.slot < b.slot;
    }
  };
  struct Bucket {
    std::vector<Entry> entries;  // in any order
    int64_t earliest = kMaxWatermark;
    size_t dropped = 0;  // entries whose item was discarded
  };
  // By the position from which on it holds all, up to the next one or the end of its second.
  using Buckets = std::map<TimerPosition, Bucket>;

  static uint64_t IndexHash(int64_t timestamp, uint64_t hash) {
    return MixInt64(hash ^ (static_cast<uint64_t>(timestamp) * 0x9E3779B97F4A7C15ULL));
  }
  static int64_t SecondOf(int64_t timestamp) { return timestamp >> kBucketBits; }
  static int64_t StartOf(int64_t second) { return second * static_cast<int64_t>(kBucketMs); }
  Entry EntryOf(uint32_t slot) const { return {items_[slot].timestamp, items_[slot].hash, slot}; }

  void AddToOrder(const Entry& entry);
  void EraseFromIndex(uint32_t slot);
  Buckets::iterator BucketOf(const TimerPosition& position);  // end(): none holds it
  // Drops the entries of discarded items.
  void Compact(Bucket& bucket);
  // Moves the upper half to a bucket of its own; false when it cannot be divided.
  bool Split(Buckets::iterator bucket);
  // Opens the first bucket, which holds the next items.
  void OpenFirstBucket();
  void Sort(std::vector<Entry>& entries, int64_t start);
  void DropDiscardedAtHead();
  bool head_empty() const { return head_position_ == head_.size() && inserted_.empty(); }

  SlotPool<Item> items_;
  FlatTable<Indexed> index_;  // by key and time
  size_t deletions_ = 0;
  Buckets buckets_;
  // The opened bucket, sorted, and what was added before its end since it was opened.
  std::vector<Entry> head_;
  size_t head_position_ = 0;
  TimerPosition head_end_{kNoTimestamp, 0};  // what is before it is not in buckets_
  std::set<Entry> inserted_;
  size_t entries_ = 0;
  std::vector<Entry> sort_scratch_;
  std::vector<uint32_t> sort_counts_;
};

}  // namespace eagre
