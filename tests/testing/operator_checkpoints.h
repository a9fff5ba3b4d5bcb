// Takes checkpoints of an operator in a harness as the runtime does, and restores the states of other subtasks from
// them, also at another parallelism.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "eagre/testing/operator_harness.h"
#include "runtime/key_groups.h"
#include "tests/testing/state_chain.h"

namespace eagre {

// What one subtask had stored: its states by number.
struct SubtaskCheckpoint {
  std::vector<std::vector<std::string>> segments;
};

// The states of one operator and subtask. Create it after Open.
class OperatorCheckpoints {
 public:
  explicit OperatorCheckpoints(Operator& op) { op.CollectStates(states_); }

  // Before the first Seal. From what all subtasks had stored.
  Status Restore(const std::vector<SubtaskCheckpoint>& stored, int subtask, int parallelism, bool may_inherit) {
    const bool same = static_cast<int>(stored.size()) == parallelism;
    for (size_t i = 0; i < states_.size(); ++i) {
      CheckpointedState& state = *states_[i];
      const bool own_only = same && state.distribution() != StateDistribution::kUnion;
      const bool inherits = own_only && may_inherit && state.incremental();
      uint64_t number = 0;
      std::vector<std::string> inherited;
      for (size_t from = 0; from < stored.size(); ++from) {
        if (own_only && static_cast<int>(from) != subtask) continue;
        const std::vector<std::string>& segments = stored[from].segments[i];
        EAGRE_RETURN_IF_ERROR(StateChain::Apply(segments, state, [&](uint64_t hash) {
          if (same) return true;
          if (state.distribution() == StateDistribution::kSplit) {
            return number++ % static_cast<uint64_t>(parallelism) == static_cast<uint64_t>(subtask);
          }
          if (state.distribution() != StateDistribution::kKeyed) return true;
          return SubtaskOfKeyGroup(KeyGroupOf(hash, 128), parallelism, 128) == subtask;
        }));
        if (inherits) inherited = segments;
      }
      EAGRE_RETURN_IF_ERROR(state.FinishRestore(inherits));
      chains_.push_back(std::make_unique<StateChain>(state, std::move(inherited)));
    }
    return OkStatus();
  }
  void Begin() {
    for (CheckpointedState* state : states_) chains_.push_back(std::make_unique<StateChain>(*state));
  }

  void Seal(Random& random) {
    for (size_t i = 0; i < chains_.size(); ++i) {
      StateChain& chain = *chains_[i];
      if (states_[i]->incremental() && !chain.base_running() && !chain.base_ready() && random.Below(3) == 0) {
        chain.BeginBase();
      }
      chain.Seal();
    }
    encoding_ = 0;
  }
  // Encodes a little; true when all that was sealed is encoded.
  bool Encode(Random& random) {
    for (auto& chain : chains_) {
      if (chain->base_running()) chain->EncodeBase(1 + random.Below(3000));
    }
    if (encoding_ < chains_.size() && chains_[encoding_]->EncodeSealed(1 + random.Below(2000))) ++encoding_;
    return encoding_ == chains_.size();
  }
  SubtaskCheckpoint Stored() const {
    SubtaskCheckpoint stored;
    for (size_t i = 0; i < chains_.size(); ++i) {
      const std::vector<std::string>& segments = chains_[i]->segments();
      // A state that is encoded whole consists of its last segment.
      if (states_[i]->incremental() || segments.empty()) {
        stored.segments.push_back(segments);
      } else {
        stored.segments.push_back({segments.back()});
      }
    }
    return stored;
  }

 private:
  std::vector<CheckpointedState*> states_;
  std::vector<std::unique_ptr<StateChain>> chains_;
  size_t encoding_ = 0;
};

}  // namespace eagre
