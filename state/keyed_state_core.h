// The rows of an operator's keyed state, blind to the types of key and states.
//
// A key has one row with all states that the operator declares, so that a record costs one lookup. A row does not move
// while it exists; it exists while any of its states holds something, and until the end of the batch that created it.
// Where most keys hold nothing a record makes no row: handles see one of empty states, until they change one.
//
// With a backend that has a store the rows in memory are a cache: rows that were not used lately are evicted between
// batches (a clock over their memory), those that were changed being written in batches, and rows that are missing are
// read by batch. A row whose key is in the store stays when its states are emptied, until that is written too.
//
// For checkpoints every row bears the epoch in which it was last changed. A row of the sealed epoch is encoded before
// it changes again; a row that goes leaves an erasing entry behind if a checkpoint may know it. An entry's key is the
// encoded record key; its value has, for each state that is not empty, the number of its declaration (a varint), the
// size of what follows (uint32) and the state in the record codec. The schema gives the numbers names.
//
// What a state with TTL holds expires by the operator's clock. Handles remove what they meet; the rest is removed by a
// sweep over memory and store (state/expiry_sweep.h), as if a function had: such a row counts as changed.
//
// Layout of a row: RowHeader, then the key, then the slots of the states in the order of their declaration.
#pragma once

#include <absl/functional/function_ref.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/chunk_memory.h"
#include "base/clock.h"
#include "base/status.h"
#include "state/change_epochs.h"
#include "state/checkpointed_state.h"
#include "state/expiry_sweep.h"
#include "state/flat_table.h"
#include "state/keyed_state_row.h"
#include "state/spilled_state.h"
#include "state/state_backend.h"
#include "state/state_declaration.h"
#include "state/state_schema.h"

namespace eagre {

// Not thread-safe.
class KeyedStateCore : public CheckpointedState, public EvictableState {
 public:
  // `name`: see CheckpointedState.
  KeyedStateCore(std::vector<StateDeclaration> declarations, const StateKeyOps& key_ops, const TypeInfo& key_type,
                 std::string name);
  ~KeyedStateCore() override;
  KeyedStateCore(const KeyedStateCore&) = delete;
  KeyedStateCore& operator=(const KeyedStateCore&) = delete;

  // Of the operator; outlives this. States with TTL need it, before anything else.
  void SetClock(const Clock& clock);
  int64_t NowMs() const { return clock_->NowMs(); }
  // Before anything else, where the state is to be in `backend`, which outlives it; else it is in memory without limit.
  Status Open(StateBackend& backend, const std::string& operator_name, int max_parallelism);

  const std::vector<StateDeclaration>& declarations() const { return declarations_; }
  std::vector<uint32_t> slot_offsets() const;  // from the start of a row, in the order of the declarations
  StateScope& scope() { return scope_; }       // handles bound to it see the row that is current

  // After a batch or a number of timers: removes the rows whose states are all empty and measures what was changed. No
  // row is current then, and those made resident are no longer. MakeRoom is to follow.
  void FinishBatch();
  // Evicts what the backend has no room for. RESOURCE_EXHAUSTED when it cannot.
  Status MakeRoom() { return backend_ == nullptr ? OkStatus() : backend_->MakeRoom(); }
  // No batch is to begin: there is no room and the store takes nothing now, or too much that was sealed had to be
  // encoded before it changed, and waits for the disk.
  bool blocked() const;
  // When the next step of the removal of what has expired is due, between two batches.
  int64_t next_sweep_ms() const { return sweep_.next_ms(); }
  // For how many records of a batch state is best made resident at once: so few that what was loaded into the cache is
  // still there when it is asked for, but all where each read of a store has its price.
  size_t records_at_once() const { return has_store() ? SIZE_MAX : kRecordsAtOnce; }
  // Called by handles before they change a slot; the row that is current afterwards is the one to change.
  void MarkChanged(char* row) {
    auto& header = *reinterpret_cast<RowHeader*>(row);
    if (header.listed != RowHeader::kListed) ListChanged(row);
  }
  // Whoever keeps the address of a row beyond a batch says so when it is used, so that it is not taken for idle.
  static void Touch(char* row) { reinterpret_cast<RowHeader*>(row)->cached |= kReferenced; }
  const std::string& name() const override { return name_; }
  StateDistribution distribution() const override { return StateDistribution::kKeyed; }
  // As in state/state_schema.h: the key, and a part for each state.
  std::string schema() const override { return schema_; }
  bool incremental() const override { return true; }
  void Seal() override;
  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) override;
  std::optional<StorePart> store_part() const override;
  void BeginWriteBack() override;
  bool WriteBack() override { return WriteBackSlice(); }
  Status error() const override { return spilled_ == nullptr ? OkStatus() : spilled_->error(); }
  bool waits() const override { return !write_back_walk_.done() && backend_->stalled(); }
  Status AdoptStore(const StorePart& part) override;
  void BeginBase() override;
  bool EncodeBase(StateEntryWriter& out, size_t max_bytes) override;
  Status BeginRestore(const std::string& stored_schema) override;
  Status FinishRestore(bool inherited) override;

  // In memory and in the store; after a restore into a store, about.
  size_t row_count() const {
    if (spilled_ == nullptr) return rows_.size();
    return static_cast<size_t>(std::max<int64_t>(stored_rows_ + unstored_rows_ - emptied_rows_, 0));
  }
  size_t memory_bytes() const;  // of rows with what they own, and the index; an estimate
  Status Evict(size_t bytes) override;
  // In a deterministic order; they must not change meanwhile.
  template <typename Visit>
  void ForEachRow(Visit&& visit) const {
    rows_.ForEach([&](char* row) { visit(*reinterpret_cast<const RowHeader*>(row), static_cast<const char*>(row)); });
  }

 protected:
  static uint64_t HashOf(const char* row) { return reinterpret_cast<const RowHeader*>(row)->hash; }
  const void* KeyAt(const char* row) const { return row + key_offset_; }
  void* KeyAt(char* row) const { return row + key_offset_; }
  // Starts loading the row into the cache; of a large one the first lines.
  void PrefetchWhole(const char* row) const {
    for (size_t offset = 0; offset < prefetched_bytes_; offset += kCacheLineBytes)
      __builtin_prefetch(row + offset, 1, 3);
  }
  // The same of what its states own, when the row has arrived.
  void PrefetchOwned(const char* row) const {
    for (const RowSlot& slot : prefetches_) slot.ops->prefetch(row + slot.offset);
  }
  // A row of empty states, listed as changed, whose key the caller must construct.
  char* NewRow(uint64_t hash);
  size_t IndexOf(const std::string& state) const;  // throws StateError when there is none of this name
  bool IsEmpty(const char* row, size_t index) const { return slots_[index].ops->empty(row + slots_[index].offset); }

  bool has_ttl() const { return !expiring_.empty(); }
  bool ExpireRow(char* row, int64_t now_ms);  // removes what has expired of it; whether there was something
  // A step of the sweep; FinishBatch and DropExpired are to follow. `row_of` gives the row of an entry's key, from
  // memory or by NewMissingRow, null when it is malformed.
  using RowOfEntry = absl::FunctionRef<char*(const StoredEntry& entry)>;
  Status Sweep(int64_t now_ms, RowOfEntry row_of);
  Status DropExpired();

  // Whether all rows that there are are in memory.
  bool all_in_memory() const { return spilled_ == nullptr || !spilled_->ever_written(); }
  // Makes the one row of empty states that handles see where a key has none: see MakeSelectedRow.
  void MakeAbsentRow();
  // A handle is about to change a state of the key that is current and has no row: makes one, which becomes current.
  virtual void MakeSelectedRow() = 0;

  bool has_store() const { return spilled_ != nullptr; }
  // With a store. A row of empty states, whose key the caller must construct; FetchMissing fills it.
  char* NewMissingRow(uint64_t hash);
  Status FetchMissing();  // those that the store does not have are new
  void FetchSelected();   // throws StateError when that fails
  // Calls visit(entry) for everything in the store and fetches what it finds missing. False from it: the entry is
  // malformed. Throws StateError.
  void ScanStore(absl::FunctionRef<bool(const StoredEntry&)> visit);
  bool has_missing() const { return !missing_.empty(); }
  // Applies an entry that needs not be decoded; false when it does.
  bool RestoresRaw() const { return spilled_ != nullptr && stored_parts_.empty(); }
  Status RestoreRaw(const StateEntry& entry) {
    stored_rows_ += entry.erased ? -1 : 1;
    return spilled_->Restore(entry);
  }
  // Applies the value of an entry, or its being erased, to the row of its key.
  Status RestoreRow(char* row, const StateEntry& entry);
  void OpenBatch() { batch_open_ = true; }

  FlatTable<char*> rows_;
  StateScope scope_;
  char* absent_row_ = nullptr;  // null: no key is without row

 private:
  struct RowSlot {
    const StateSlotOps* ops;
    uint32_t offset;
  };
  struct ExpiringSlot {
    uint32_t number;  // of the declaration
    uint32_t offset;
    int64_t ttl_ms;
    const StateSlotOps* ops;
  };
  static constexpr size_t kRecordsAtOnce = 256, kCacheLineBytes = 64;
  static constexpr size_t kMaxPrefetchedBytes = 5 * kCacheLineBytes;
  // Of RowHeader::cached, besides those that are told there.
  static constexpr uint8_t kReferenced = 1;  // since the clock passed last
  static constexpr uint8_t kUnwritten = 2;   // the store does not have what the row has
  static constexpr uint8_t kStored = 4;      // the store has the key
  static constexpr uint8_t kLive = 8;        // there is a row in this memory
  static constexpr uint8_t kEmptied = 16;    // all its states are empty
  static constexpr size_t kRowsPerCommit = 512, kRowsPassedPerSlice = 1024;
  static constexpr size_t kBytesPerSlice = 64 << 10;  // of rows that are written back
  // Calls visit(row) for one row after another until stop() holds or as many were passed as a slice may.
  template <typename Stop, typename Visit>
  void WalkRows(RowWalk& walk, Stop&& stop, Visit&& visit) const {
    const size_t end = std::min(walk.end, walk.position + kRowsPassedPerSlice);
    for (; walk.position < end && !stop(); ++walk.position) {
      char* row = RowAt(walk.position);
      if ((reinterpret_cast<const RowHeader*>(row)->cached & kLive) != 0) visit(row);
    }
  }
  Status FinishRestoredBatch();
  void ListChanged(char* row);
  void MarkInEpoch(char* row);
  void MarkFreed(char* row);
  void ListErased(const char* row);
  void EncodeRow(const char* row, StateEntryWriter& out) const;
  void EncodeStates(const char* row, ByteWriter& out) const;
  void SizeRows(size_t bytes);  // lays out the rows, which so far have `bytes`
  bool Empty(const char* row) const {
    return std::all_of(slots_.begin(), slots_.end(),
                       [row](const RowSlot& slot) { return slot.ops->empty(row + slot.offset); });
  }
  void ConstructStates(char* row) const {
    for (const RowSlot& slot : slots_) slot.ops->construct(row + slot.offset);
  }
  void DestroyStates(char* row) const {
    for (const RowSlot& slot : slots_) slot.ops->destroy(row + slot.offset);
  }
  void Measure(char* row);
  void Destroy(char* row);
  char* AllocateRow();
  void FreeRow(char* row);
  Status DecodeRow(std::string_view bytes, char* row);  // into a row of empty states
  StoredForm FormOf(const StateSchema::Part& stored) const;

  char* RowAt(size_t position) const {
    return chunks_of_rows_[position / chunk_rows_] + position % chunk_rows_ * row_bytes_;
  }
  size_t RowsAllocated() const { return chunks_of_rows_.size() * chunk_rows_ - (chunk_rows_ - chunk_used_); }

  // Of what has expired (keyed_state_expiry.cc).
  void SweepRow(char* row, int64_t now_ms);
  Status SweepStore(int64_t now_ms, RowOfEntry row_of);
  Status NoteTimes(const StoredEntry& entry, int64_t now_ms, bool& expired);

  // With a store (keyed_state_cache.cc).
  RowStoreTail& TailOf(char* row) const { return *reinterpret_cast<RowStoreTail*>(row + tail_offset_); }
  Status FillRow(char* row, const StoredEntry& entry);
  void SetStored(char* row, bool stored);
  void SetEmptied(char* row, bool emptied);
  void MarkCachedInEpoch(char* row);
  void AddWrite(char* row);
  StatusOr<bool> CommitWrites();
  void DropEvicted();
  bool WriteBackSlice();

  const std::vector<StateDeclaration> declarations_;
  const StateKeyOps key_ops_;
  const std::string name_;
  std::vector<RowSlot> slots_;  // of the declarations, in their order
  size_t key_offset_ = 0;
  size_t states_end_ = 0;
  size_t row_bytes_ = 0;
  size_t prefetched_bytes_ = 0;
  std::vector<RowSlot> prefetches_;     // those that have something to load
  std::vector<ExpiringSlot> expiring_;  // of states with TTL
  size_t row_alignment_ = alignof(RowHeader);
  std::string schema_;
  std::vector<StateSchema::Part> stored_parts_;  // of the part being restored; none when it has the current schema
  std::vector<int> stored_declarations_;         // by number: the declaration now, -1 for a state that was dropped
  std::vector<char*> changed_;

  ChangeEpochs epochs_;
  std::deque<char*> dirty_;        // changed in this epoch, freed ones among them
  StateEntryPieces erased_;        // rows that went in this epoch
  std::deque<char*> sealed_;       // changed in the sealed epoch, from which they go as they are encoded
  RowWalk sealed_walk_;            // over all, where nobody has followed which rows those are
  StateEntryPieces sealed_out_;    // of the sealed epoch, encoded already
  StateEntryPieces sealed_again_;  // the same where the store has an older form, which must come before it
  RowWalk base_walk_;

  size_t heap_bytes_ = 0;
  const Clock* clock_ = nullptr;
  ExpirySweep sweep_;
  StateBackend* backend_ = nullptr;
  std::unique_ptr<SpilledState> spilled_;  // null: there is no store
  size_t tail_offset_ = 0;
  bool batch_open_ = false;  // resident rows must stay
  std::vector<char*> missing_, writing_;
  std::vector<char*> evicted_;  // being written, or about to be, and not gone yet
  size_t clock_hand_ = 0;
  int64_t stored_rows_ = 0;    // keys in the store
  int64_t unstored_rows_ = 0;  // rows whose keys are not there
  int64_t emptied_rows_ = 0;   // rows that hold nothing but were not dropped yet
  StateEntryPieces sealed_erased_;
  RowWalk write_back_walk_;  // of a base, before the store is scanned
  StateBackend::Share share_;
  // Rows come from chunks, and those that were freed are used again, the last one first.
  std::unique_ptr<ChunkMemory> chunks_;
  std::vector<char*> chunks_of_rows_;
  char* chunk_ = nullptr;  // the last one
  size_t chunk_rows_ = 0;
  size_t chunk_used_ = 0;
  std::vector<char*> free_rows_;
};

}  // namespace eagre
