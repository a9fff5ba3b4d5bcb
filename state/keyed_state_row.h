// What is the same in the rows of all keyed state, whatever the types of key and states.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace eagre {

// What the core must know of the key's type.
struct StateKeyOps {
  size_t size;
  size_t alignment;
  void (*destroy)(void* key);  // null: there is nothing to do
  // What the key owns outside the row, about. Null: nothing.
  size_t (*heap_bytes)(const void* key);
  void (*encode)(const void* key, ByteWriter& out);
};

struct RowHeader {
  // Of `listed`.
  static constexpr uint8_t kNotListed = 0, kListed = 1;
  static constexpr uint8_t kListedBeforeSeal = 2;  // a change must be marked all the same
  // Of `cached`: the row is from a checkpoint, and has not changed since.
  static constexpr uint8_t kRestored = 32;

  uint64_t hash = 0;            // of the key
  uint32_t heap_bytes = 0;      // as last measured; saturates
  uint8_t listed = kNotListed;  // in the list of rows changed by the batch at hand
  uint8_t changes = 0;          // batches that changed it since it was last measured
  uint8_t mark = 0;             // ChangeEpochs; kOwnersBit: the row was freed
  uint8_t cached = 0;           // what KeyedStateCore says it is, mostly of a row above a store

  bool restored() const { return (cached & kRestored) != 0; }
};

// Behind the key of a row above a store.
struct RowStoreTail {
  uint32_t store_epoch;  // in which the store has the row as changed; 0: none that matters
  uint32_t dirty_epoch;  // in which the row's memory was put in the list of what has changed last; outlives the row
};

// Over the memory of the rows that there are when it begins, in bounded steps. Rows that come later may be passed.
struct RowWalk {
  size_t position = 0;
  size_t end = 0;
  bool done() const { return position >= end; }
};

}  // namespace eagre
