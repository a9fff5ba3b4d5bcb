// Plays the runtime's part for one CheckpointedState: seals it, has what was sealed encoded in slices while the test
// goes on, takes bases, and restores another state from the chain that results.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "state/checkpointed_state.h"

namespace eagre {

class StateChain {
 public:
  explicit StateChain(CheckpointedState& state, std::vector<std::string> inherited = {})
      : state_(state), segments_(std::move(inherited)) {}

  bool sealed() const { return sealed_; }
  bool base_running() const { return base_running_; }
  bool base_ready() const { return base_ready_; }
  const std::vector<std::string>& segments() const { return segments_; }
  size_t last_delta_bytes() const { return delta_.size(); }

  void Seal() {
    state_.Seal();
    sealed_ = true;
    // A base is ahead of barriers that came before its end.
    base_ready_at_seal_ = base_ready_;
    delta_.clear();
  }
  // Encodes a slice; true when all that was sealed is in the chain.
  bool EncodeSealed(size_t max_bytes = 1 << 20) {
    StateEntryWriter out;
    const bool done = state_.EncodeSealed(out, max_bytes);
    delta_ += out.Take();
    if (!done) return false;
    segments_.push_back(delta_);
    if (base_running_ || base_ready_) since_base_.push_back(delta_);
    if (base_ready_at_seal_) {
      base_ready_ = base_ready_at_seal_ = false;
      segments_ = {base_};
      segments_.insert(segments_.end(), since_base_.begin(), since_base_.end());
    }
    sealed_ = false;
    return true;
  }
  void SealAll() {
    Seal();
    while (!EncodeSealed()) {
    }
  }
  // Between two seals, as the runtime does.
  void BeginBase() {
    state_.BeginBase();
    base_running_ = true;
    base_.clear();
    since_base_.clear();
  }
  // Encodes a slice; when the base is whole, the chain begins with it from the next Seal on.
  void EncodeBase(size_t max_bytes = 1 << 20) {
    StateEntryWriter out;
    const bool done = state_.EncodeBase(out, max_bytes);
    base_ += out.Take();
    if (!done) return;
    base_running_ = false;
    base_ready_ = true;
  }

  // What happens between two changes of the state, at random: what has changed is sealed (then `on_seal` is called), a
  // base begins, both go on by slices. True when all that was sealed is in the chain.
  template <typename OnSeal>
  bool AdvanceAtRandom(Random& random, uint64_t largest_slice, OnSeal on_seal) {
    if (!sealed()) {
      if (!base_running() && !base_ready() && random.Below(3) == 0) BeginBase();
      Seal();
      on_seal();
    }
    for (uint64_t i = random.Below(20); i > 0 && base_running(); --i) EncodeBase(1 + random.Below(5000));
    bool whole = false;
    for (uint64_t i = random.Below(20); i > 0 && !whole; --i) whole = EncodeSealed(1 + random.Below(largest_slice));
    return whole;
  }

  // Keyed entries for which `is_mine` does not hold go to another subtask.
  static Status Apply(const std::vector<std::string>& segments, CheckpointedState& state,
                      const std::function<bool(uint64_t hash)>& is_mine = nullptr) {
    for (const std::string& segment : segments) {
      StateEntryReader reader(segment);
      StateEntry entry;
      for (;;) {
        EAGRE_ASSIGN_OR_RETURN(const bool more, reader.Next(entry));
        if (!more) break;
        if (is_mine == nullptr || is_mine(entry.hash)) EAGRE_RETURN_IF_ERROR(state.Restore(entry));
      }
    }
    return OkStatus();
  }

 private:
  CheckpointedState& state_;
  std::vector<std::string> segments_;
  std::string delta_;
  bool sealed_ = false;
  bool base_running_ = false;
  bool base_ready_ = false;
  bool base_ready_at_seal_ = false;
  std::string base_;
  std::vector<std::string> since_base_;
};

}  // namespace eagre
