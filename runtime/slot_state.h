// The state of something that keeps its items in a SlotPool: items that come, seldom change, and go.
//
// Some may lie elsewhere, in a store (runtime/timer_store.h). Then what is said of a key in a slot counts, whatever the
// store says; what was said before is in the deltas in the order in which it left the slots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/slot_pool.h"
#include "state/change_epochs.h"
#include "state/checkpointed_state.h"

namespace eagre {

// Entries that are not in memory, as they were when this was made.
class EntriesElsewhere {
 public:
  virtual ~EntriesElsewhere() = default;
  // Appends entries until `out` has about `limit` bytes, as much work was done as a slice may take, or all are given;
  // true in the last case.
  virtual StatusOr<bool> Encode(StateEntryWriter& out, size_t limit) = 0;
};

// The owner tells which slots it fills and frees. Without a store, a base and the deltas after it have no item in
// common, so that the entries may be dealt out to several subtasks. Not thread-safe.
class SlotState : public CheckpointedState {
 public:
  bool incremental() const final { return true; }

  void Seal() final {
    sealed_walk_ = epochs_.Seal();
    sealed_elsewhere_ = sealed_walk_ ? ViewElsewhere() : SealPutAway();
    sealed_position_ = 0;
    sealed_slots_ = slots_;
    sealed_.swap(dirty_);
    // What has gone comes first: an item that came back is put behind it.
    sealed_out_.Append(gone_);
  }

  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) final {
    const size_t limit = out.bytes() + max_bytes;
    if (!EncodeElsewhere(sealed_elsewhere_, out, limit)) return false;
    out.Append(sealed_out_);
    const size_t count = sealed_walk_ ? sealed_slots_ : sealed_.size();
    const size_t end = sealed_position_ + kSlotsPerSlice;
    for (; sealed_position_ < count; ++sealed_position_) {
      if (out.bytes() >= limit || sealed_position_ == end) return false;
      EncodePending(sealed_walk_ ? static_cast<uint32_t>(sealed_position_) : sealed_[sealed_position_], out);
    }
    sealed_.clear();
    epochs_.EndSealed();
    return true;
  }

  void BeginBase() final {
    for (; base_position_ < base_slots_; ++base_position_) PassInBase(base_position_);
    base_position_ = 0;
    base_slots_ = slots_;
    base_elsewhere_ = ViewElsewhere();
    base_out_.Take();
  }

  bool EncodeBase(StateEntryWriter& out, size_t max_bytes) final {
    const size_t limit = out.bytes() + max_bytes;
    if (!EncodeElsewhere(base_elsewhere_, out, limit)) return false;
    out.Append(base_out_);
    const uint32_t end = base_position_ + kSlotsPerSlice;
    for (; base_position_ < base_slots_; ++base_position_) {
      if (out.bytes() >= limit || base_position_ == end) return false;
      if (PassInBase(base_position_)) EncodeItem(base_position_, out);
    }
    return true;
  }

  Status FinishRestore(bool inherited) override {
    if (!inherited) return OkStatus();
    for (uint32_t slot = 0; slot < slots_; ++slot) {
      marks_[slot] = (marks_[slot] & kLive) == 0 ? 0 : kLive | ChangeEpochs::kWritten;
    }
    epochs_.Follow();
    return OkStatus();
  }

  Status error() const final { return elsewhere_status_; }

 protected:
  // What is not in a slot now; null: nothing.
  virtual std::unique_ptr<EntriesElsewhere> ViewElsewhere() { return nullptr; }
  // What the owner has put away of gone() since the last call; null: nothing.
  virtual std::unique_ptr<EntriesElsewhere> SealPutAway() { return nullptr; }
  // What the next delta begins with: what has gone in this epoch.
  StateEntryWriter& gone() { return gone_; }

  // An entry that puts the item, or whatever the item stands for.
  virtual void EncodeItem(uint32_t slot, StateEntryWriter& out) = 0;
  // An entry that erases it; nothing where the removal follows from something else.
  virtual void EncodeErased(uint32_t slot, StateEntryWriter& out) = 0;

  // The item is in its slot.
  void OnAdded(uint32_t slot) {
    if (slot >= slots_) [[unlikely]]
      Cover(slot);
    uint8_t& mark = marks_[slot];
    // A slot that was freed in this epoch is in the list already.
    if (epochs_.following() && !epochs_.IsCurrent(mark)) ListDirty(slot);
    mark = epochs_.Current(kLive | kAfterBase);
  }
  // The item is still in its slot.
  void OnRemoved(uint32_t slot) {
    uint8_t& mark = marks_[slot];
    if (epochs_.IsPending(mark)) EncodePending(slot, sealed_out_);
    if ((mark & ChangeEpochs::kWritten) != 0) EncodeErased(slot, gone_);
    mark = epochs_.following() ? mark & ChangeEpochs::kEpochBits : 0;
  }

  // Only where items may lie elsewhere. The item in the slot stands for something else from now on, but not yet.
  void OnChanging(uint32_t slot) {
    uint8_t& mark = marks_[slot];
    if (epochs_.following()) {
      EncodePending(slot, sealed_out_);
      if (!epochs_.IsCurrent(mark)) ListDirty(slot);
    }
    mark = epochs_.Current((mark & ChangeEpochs::kWritten) | kLive | kAfterBase);
  }
  // The item was elsewhere, and is in its slot now, the same.
  void OnMovedIn(uint32_t slot) {
    if (!epochs_.following()) return OnAdded(slot);
    if (slot >= slots_) Cover(slot);
    marks_[slot] = kLive | ChangeEpochs::kWritten;
  }
  // The same item is in a slot and elsewhere, where checkpoints have seen it.
  void OnFoundElsewhere(uint32_t slot) {
    if (epochs_.following()) marks_[slot] |= ChangeEpochs::kWritten;
  }
  // The item is elsewhere, the same, and still in its slot.
  void OnMovedOut(uint32_t slot) {
    uint8_t& mark = marks_[slot];
    EncodePending(slot, sealed_out_);
    if (epochs_.following() && epochs_.IsCurrent(mark)) EncodeItem(slot, gone_);
    if (slot >= base_position_ && slot < base_slots_ && PassInBase(slot)) EncodeItem(slot, base_out_);
    mark = epochs_.following() ? mark & ChangeEpochs::kEpochBits : 0;
  }
  // The first failure to read them, which the owner passes on: nothing is encoded any more.
  const Status& elsewhere_status() const { return elsewhere_status_; }
  // What waits to be encoded.
  size_t waiting_bytes() const { return gone_.bytes() + sealed_out_.bytes() + base_out_.bytes(); }

 private:
  static constexpr uint8_t kLive = ChangeEpochs::kOwnersBit;
  // The item is in no delta before the base that is being taken, so it is in one after it.
  static constexpr uint8_t kAfterBase = 16;
  // A slice passes over no more than so many, even if none of them is to be encoded.
  static constexpr uint32_t kSlotsPerSlice = 16 * 1024;

  [[gnu::noinline]] void ListDirty(uint32_t slot) { dirty_.push_back(slot); }
  [[gnu::noinline]] void Cover(uint32_t slot) {
    marks_.Cover(slot);
    slots_ = slot + 1;
  }
  bool EncodeElsewhere(std::unique_ptr<EntriesElsewhere>& elsewhere, StateEntryWriter& out, size_t limit) {
    if (elsewhere == nullptr) return true;
    if (!elsewhere_status_.ok()) return false;
    const StatusOr<bool> done = elsewhere->Encode(out, limit);
    if (!done.ok()) elsewhere_status_ = done.status();
    if (!done.ok() || !*done) return false;
    elsewhere = nullptr;
    return out.bytes() < limit;
  }
  [[gnu::noinline]] void EncodePending(uint32_t slot, StateEntryWriter& out) {
    uint8_t& mark = marks_[slot];
    if (!epochs_.IsPending(mark)) return;
    if ((mark & kLive) == 0) {
      mark = 0;
      return;
    }
    EncodeItem(slot, out);
    mark = ChangeEpochs::Encoded(mark);
    const bool base_comes = slot >= base_position_ && slot < base_slots_;
    if (!base_comes) mark &= static_cast<uint8_t>(~kAfterBase);
  }
  // True when the item belongs to the base.
  bool PassInBase(uint32_t slot) {
    uint8_t& mark = marks_[slot];
    if ((mark & kLive) == 0) return false;
    if ((mark & kAfterBase) == 0) return true;
    // The next base has it, once it is in a delta.
    if ((mark & ChangeEpochs::kEpochBits) == 0) mark &= static_cast<uint8_t>(~kAfterBase);
    return false;
  }

  SlotPool<uint8_t> marks_;
  uint32_t slots_ = 0;  // that were ever filled
  ChangeEpochs epochs_;
  std::vector<uint32_t> dirty_;  // filled in this epoch, freed again or not
  StateEntryWriter gone_;        // of this epoch: what was erased, and what has moved
  std::vector<uint32_t> sealed_;
  size_t sealed_position_ = 0;  // of sealed_, or of all slots
  uint32_t sealed_slots_ = 0;
  bool sealed_walk_ = false;
  std::unique_ptr<EntriesElsewhere> sealed_elsewhere_;  // null: all of it is encoded
  StateEntryWriter sealed_out_;
  uint32_t base_position_ = 0;  // of the slots in use when it began
  uint32_t base_slots_ = 0;
  std::unique_ptr<EntriesElsewhere> base_elsewhere_;
  Status elsewhere_status_;
  StateEntryWriter base_out_;  // what has moved meanwhile
};

}  // namespace eagre
