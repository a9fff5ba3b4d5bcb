// Which entries of a state have changed since which barrier: a mark of a few bits per entry, kept wherever the state
// keeps the entry.
//
// An epoch is the time between two seals. At most two are of interest: the current one, and the sealed one until all of
// it is encoded, so that two numbers taken in turn suffice. Before the first seal nobody follows what changes: all
// entries of a new state belong to its first epoch, and the state is walked to find them.
#pragma once

#include <cstdint>
#include <utility>

#include "base/check.h"

namespace eagre {

class ChangeEpochs {
 public:
  // What of a mark is the epoch, zero for an entry that has not changed since it was encoded; the bit of one that a
  // checkpoint may hold, so that its removal must be told; and one bit for the owner.
  static constexpr uint8_t kEpochBits = 3;
  static constexpr uint8_t kWritten = 4;
  static constexpr uint8_t kOwnersBit = 8;

  // Whether the entry is known to have changed in this epoch: nothing needs to be done when it changes again.
  bool IsCurrent(uint8_t mark) const { return (mark & kEpochBits) == current_; }
  // Whether the entry belongs to the sealed epoch and was not encoded yet.
  bool IsPending(uint8_t mark) const { return (mark & kEpochBits) == sealed_; }
  uint8_t Current(uint8_t mark) const { return static_cast<uint8_t>((mark & ~kEpochBits) | current_); }
  static uint8_t Encoded(uint8_t mark) { return static_cast<uint8_t>((mark & ~kEpochBits) | kWritten); }
  static uint8_t Unchanged(uint8_t mark) { return static_cast<uint8_t>(mark & ~kEpochBits); }

  // Whether the state must keep a list of what changes.
  bool following() const { return following_; }
  bool sealed() const { return sealed_ != kNone; }

  // True when the sealed epoch is the first one, for which there is no list.
  bool Seal() {
    EAGRE_CHECK_MSG(!sealed(), "a state was sealed again before it was encoded");
    sealed_ = current_;
    current_ ^= kEpochBits;
    return !std::exchange(following_, true);
  }
  void EndSealed() { sealed_ = kNone; }
  // From here on, what changes is followed: all that is there now is in checkpoints already.
  void Follow() { following_ = true; }

 private:
  static constexpr uint8_t kNone = 0xFF;
  uint8_t current_ = 1;
  uint8_t sealed_ = kNone;
  bool following_ = false;
};

}  // namespace eagre
