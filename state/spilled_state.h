// The part of a keyed state that lies in its EntryStore, as checkpoints see it.
//
// Every entry in the store bears the epoch in which it was last changed. What was changed, evicted and not changed
// again is in no table when the state is sealed; a list of its keys leads to it, and when that list would grow too
// long, a scan of the whole store does. An entry of the sealed epoch that comes back into the table is encoded there
// before it changes, so what the store says of that epoch is right whenever it is read. With its epoch an entry bears
// whether it was restored from a checkpoint and has not changed since, as against one that comes back from the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "state/entry_store.h"
#include "state/state_entry.h"

namespace eagre {

// Not thread-safe.
class SpilledState {
 public:
  explicit SpilledState(std::unique_ptr<EntryStore> store) : store_(std::move(store)) {}

  EntryStore& store() { return *store_; }
  // Whether anything was ever put.
  bool ever_written() const { return ever_written_; }
  // The first failure of the store in a checkpoint, which cannot report it; the owner passes it on.
  const Status& error() const { return error_; }
  // Remembers it; false.
  bool Fail(Status status);

  // What the store keeps with an entry: the epoch, and whether it was restored and has not changed since.
  uint32_t Mark(bool current, bool restored) const {
    return (current ? epoch_ : unchanged_epoch_) | (restored ? kRestoredBit : 0);
  }
  static uint32_t EpochOf(const StoredEntry& entry) { return entry.epoch & ~kRestoredBit; }
  bool IsRestored(const StoredEntry& entry) const {
    return (entry.epoch & kRestoredBit) != 0 || (adopted_ && EpochOf(entry) < unchanged_epoch_);
  }

  // Of what changes now; counts from 1.
  uint32_t epoch() const { return epoch_; }
  // 0 when all of it was encoded.
  uint32_t sealed_epoch() const { return sealed_epoch_; }
  // What is in the store stands in checkpoints already.
  void Follow() {
    following_ = true;
    ++epoch_;
  }
  // Before Restore and Follow: the store has entries of an earlier attempt, changed up to the epoch `epoch` of that.
  void Adopt(uint32_t epoch) {
    adopted_ = ever_written_ = true;
    unchanged_epoch_ = epoch_ = epoch + 1;
  }

  // After BeginPut and the key: the entry is of the current epoch, and was not listed in it.
  void ListKeyAtHand(uint64_t hash);
  StatusOr<bool> Commit(bool may_wait) {
    ever_written_ = true;
    return store_->Commit(may_wait);
  }
  // Puts or erases an entry of a checkpoint. May wait.
  Status Restore(const StateEntry& entry);
  Status FinishRestore() { return CommitRestored(); }

  void Seal();
  // As CheckpointedState's, of what was evicted. An entry may come that the table has in a newer form, so what the
  // table has comes behind.
  bool EncodeSealed(StateEntryWriter& out, size_t limit);
  void BeginBase() { base_position_.clear(); }
  bool EncodeBase(StateEntryWriter& out, size_t limit);

 private:
  static constexpr uint32_t kRestoredBit = uint32_t{1} << 31;
  static constexpr size_t kMostListedBytes = 32 << 20;
  static constexpr size_t kPieceBytes = 64 << 10;
  static constexpr size_t kKeysPerRead = 128;
  static constexpr size_t kBytesPerRead = 128 << 10;  // about
  static constexpr size_t kEntriesPerSlice = 512;     // that a slice passes over
  static constexpr size_t kRestoredPerCommit = 1024;

  bool EncodeListed(StateEntryWriter& out, size_t limit, size_t& passed);
  bool EncodeScanned(StateEntryWriter& out, size_t limit);
  Status CommitRestored();

  std::unique_ptr<EntryStore> store_;
  bool ever_written_ = false;
  Status error_;
  uint32_t epoch_ = 1;
  uint32_t unchanged_epoch_ = 0;  // borne by what has not changed since the newest seal; never sealed
  bool adopted_ = false;          // what bears an epoch before that one is of an earlier attempt
  uint32_t sealed_epoch_ = 0;
  bool following_ = false;  // else everything belongs to the first epoch, and is found by a scan
  bool list_full_ = false;  // so that a scan takes its place
  // Pieces of keys, for each its hash (8), its size (4), its bytes.
  std::deque<std::string> listed_;
  size_t listed_bytes_ = 0;
  bool scan_sealed_ = false;
  std::deque<std::string> sealed_;
  size_t sealed_at_ = 0;      // in the first piece
  size_t keys_per_read_ = 1;  // few where values are large
  std::string scan_position_;
  std::string base_position_;
  size_t restored_ = 0;  // since the last commit
};

}  // namespace eagre
