// What the next checkpoint is to be told of timers that are in memory no more, in an EntryStore: entries of a
// checkpoint in the order in which they came, a piece to a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "runtime/slot_state.h"
#include "state/entry_store.h"
#include "state/state_entry.h"

namespace eagre {

// Not thread-safe.
class TimerLog {
 public:
  explicit TimerLog(std::unique_ptr<EntryStore> store) : store_(std::move(store)) {}

  // Moves what `entries` has into a row. False: the store takes nothing now, and nothing has happened.
  StatusOr<bool> Add(StateEntryWriter& entries);

  // The rows added since the last call, which are erased when they are encoded; null: there are none. Not before all
  // rows of the last call are encoded.
  std::unique_ptr<EntriesElsewhere> Seal();

 private:
  class Rows;
  ByteWriter& BeginRow(uint64_t row);
  StatusOr<bool> Encode(StateEntryWriter& out, size_t limit);
  Status Erase();

  std::unique_ptr<EntryStore> store_;
  uint64_t next_row_ = 0;
  uint64_t encoded_ = 0;  // the first row that is not encoded
  uint64_t sealed_ = 0;   // the first that is not sealed
  uint64_t erased_ = 0;   // the first that may be there
};

}  // namespace eagre
