// The timers that do not fit into memory, in an EntryStore: all that are due later than those in memory.
//
// No timer in it is before the horizon, and of those before the horizon memory has all. Behind it memory may have some
// too, which are newer than what the store says: timers that were added, which the store may have or not, and notes of
// timers that were deleted. So nothing is read when a timer is added or deleted. When time comes to the horizon, the
// next timers are taken out of the store.
//
// The key of an entry is what timers are ordered by (time and hash, big-endian) and the encoded key; its value is
// empty.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "runtime/slot_state.h"
#include "runtime/timer_queue.h"
#include "state/entry_store.h"

namespace eagre {

// Not thread-safe.
class TimerStore {
 public:
  explicit TimerStore(std::unique_ptr<EntryStore> store) : store_(std::move(store)) {}

  // kEnd: there is nothing in the store.
  const TimerPosition& horizon() const { return horizon_; }
  bool empty() const { return horizon_ == TimerQueue::kEnd; }
  // Timers, about.
  size_t size() const { return static_cast<size_t>(size_ < 0 ? 0 : size_); }

  // The caller encodes the key.
  ByteWriter& Begin(const TimerPosition& position);
  void EndTimer();
  void EndDeletion();
  // Writes what was begun and ended since the last call, none of it before `first`. As EntryStore::Commit.
  StatusOr<bool> Commit(const TimerPosition& first, bool may_wait);

  // Takes about `most` of the next timers out of the store, moves the horizon behind them, and calls taken(position,
  // encoded key) for each. False: the store takes no writes now, and nothing has happened.
  using OnTaken = absl::FunctionRef<Status(const TimerPosition& position, std::string_view key)>;
  StatusOr<bool> TakeNext(size_t most, OnTaken taken);

  // All timers that are in the store now, as entries of a checkpoint; null: there are none.
  std::unique_ptr<EntriesElsewhere> NewView();

 private:
  std::unique_ptr<EntryStore> store_;
  TimerPosition horizon_ = TimerQueue::kEnd;
  int64_t size_ = 0;
  int64_t size_change_ = 0;  // of what is not committed
  std::string taken_;        // keys in the store, one behind the other
  std::vector<size_t> taken_ends_;
};

}  // namespace eagre
