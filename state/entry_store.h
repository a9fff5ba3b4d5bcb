// A place beyond memory for the entries of one keyed state, encoded as in checkpoints (state/state_entry.h).
//
// Everything goes by batch: keys are added to a read or a write, which is then done at once. With each entry the store
// keeps a number, which it does not look at: the epoch of its last change and more (state/spilled_state.h).
//
//   store.AddRead(hash) << key; ...; store.Read([](size_t i, const StoredEntry* entry) {...});
//   store.BeginPut(hash) << key; store.BeginValue(epoch) << value; store.EndPut(); ...; store.Commit(...);
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace eagre {

struct StoredEntry {
  uint64_t hash = 0;  // KeyHash of the record key
  uint32_t epoch = 0;
  std::string_view key;
  std::string_view value;
};

// Used by the slot's thread only. What is read is what was committed last.
class EntryStore {
 public:
  virtual ~EntryStore() = default;

  // Adds an entry's key, to be encoded by the caller, to the next Read.
  virtual ByteWriter& AddRead(uint64_t hash) = 0;
  // Calls found(i, entry) for the i-th key that was added, null when there is no such entry; a failure ends it. The
  // entry is valid during the call; its key is empty, since the caller knows it.
  using OnRead = absl::FunctionRef<Status(size_t index, const StoredEntry* entry)>;
  virtual Status Read(OnRead found) = 0;

  // The caller encodes the key, then the value.
  virtual ByteWriter& BeginPut(uint64_t hash) = 0;
  virtual ByteWriter& BeginValue(uint32_t epoch) = 0;
  virtual void EndPut() = 0;
  // After BeginPut, instead of a value: removes the entry.
  virtual void EndErase() = 0;
  // The key of the entry at hand.
  virtual std::string_view key_at_hand() const = 0;
  // Writes what was begun and ended since the last call, all or nothing. False: the store is behind with its work and
  // takes nothing now; it is to be offered again later. With `may_wait` it waits instead.
  virtual StatusOr<bool> Commit(bool may_wait) = 0;

  // Visits all entries whose keys begin with `prefix` in the order of the store, from behind `position` (empty: from
  // the first), until visit() is false or none is left: true in the latter case. Moves `position` to the last one
  // visited.
  using OnVisit = absl::FunctionRef<bool(const StoredEntry& entry)>;
  virtual StatusOr<bool> Scan(std::string_view prefix, std::string& position, OnVisit visit) = 0;
  // Visits the entries whose keys are `key` or behind it, in their order, until visit() is false. True: there are no
  // more. Of a store that is ordered by keys alone (StateBackend::OpenTimerStore).
  virtual StatusOr<bool> ScanFrom(std::string_view key, OnVisit visit) = 0;
  // All entries as they are now, whatever is committed later.
  class View {
   public:
    virtual ~View() = default;
    // Visits them in the order of the store, going on behind the last one visited, until visit() is false or none is
    // left: true in the latter case.
    virtual StatusOr<bool> Scan(OnVisit visit) = 0;
  };
  virtual std::unique_ptr<View> NewView() = 0;
  // Removes all entries whose keys begin with `prefix`. False, as of Commit: not all of them are gone.
  virtual StatusOr<bool> ErasePrefix(std::string_view prefix) = 0;

  // Of this store among those of its backend, the same in every attempt of a job.
  virtual uint32_t number() const { return 0; }
};

}  // namespace eagre
