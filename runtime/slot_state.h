// The state of something that keeps its items in a SlotPool: items that come, never change, and go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/slot_pool.h"
#include "state/change_epochs.h"
#include "state/checkpointed_state.h"

namespace eagre {

// The owner tells which slots it fills and frees. A base and the deltas after it have no item in common, so that the
// entries may be dealt out to several subtasks. Not thread-safe.
class SlotState : public CheckpointedState {
 public:
  bool incremental() const final { return true; }

  void Seal() final {
    sealed_walk_ = epochs_.Seal();
    sealed_position_ = 0;
    sealed_slots_ = slots_;
    sealed_.swap(dirty_);
    // What goes comes first: an item that came back is put behind it.
    sealed_out_.Append(erased_);
  }

  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) final {
    const size_t limit = out.bytes() + max_bytes;
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
  }

  bool EncodeBase(StateEntryWriter& out, size_t max_bytes) final {
    const size_t limit = out.bytes() + max_bytes;
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

 protected:
  // An entry that puts the item.
  virtual void EncodeItem(uint32_t slot, StateEntryWriter& out) = 0;
  // An entry that erases it; nothing where the removal follows from something else.
  virtual void EncodeErased(uint32_t slot, StateEntryWriter& out) = 0;

  // The item is in its slot.
  void OnAdded(uint32_t slot) {
    for (; slots_ <= slot; ++slots_) marks_.Cover(slots_);
    uint8_t& mark = marks_[slot];
    // A slot that was freed in this epoch is in the list already.
    if (epochs_.following() && !epochs_.IsCurrent(mark)) dirty_.push_back(slot);
    mark = epochs_.Current(kLive | kAfterBase);
  }
  // The item is still in its slot.
  void OnRemoved(uint32_t slot) {
    uint8_t& mark = marks_[slot];
    if (!epochs_.following()) {
      if ((mark & ChangeEpochs::kWritten) != 0) EncodeErased(slot, erased_);
      mark = 0;
      return;
    }
    EncodePending(slot, sealed_out_);
    if ((mark & ChangeEpochs::kWritten) != 0) EncodeErased(slot, erased_);
    mark &= ChangeEpochs::kEpochBits;
  }

 private:
  static constexpr uint8_t kLive = ChangeEpochs::kOwnersBit;
  // The item is in no delta before the base that is being taken, so it is in one after it.
  static constexpr uint8_t kAfterBase = 16;
  // A slice passes over no more than so many, even if none of them is to be encoded.
  static constexpr uint32_t kSlotsPerSlice = 16 * 1024;

  void EncodePending(uint32_t slot, StateEntryWriter& out) {
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
  StateEntryWriter erased_;
  std::vector<uint32_t> sealed_;
  size_t sealed_position_ = 0;  // of sealed_, or of all slots
  uint32_t sealed_slots_ = 0;
  bool sealed_walk_ = false;
  StateEntryWriter sealed_out_;
  uint32_t base_position_ = 0;  // of the slots in use when it began
  uint32_t base_slots_ = 0;
};

}  // namespace eagre
