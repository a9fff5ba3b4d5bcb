// What an operator of a harness had stored at a checkpoint, and how another one, perhaps at another parallelism, takes
// it back: what the runtime does with files, in memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "runtime/key_groups.h"
#include "runtime/operator.h"
#include "state/checkpointed_state.h"

namespace eagre {

/// The states of one subtask. A value.
struct HarnessSnapshot {
  struct State {
    std::string name;
    std::string schema;
    std::vector<std::string> segments;
  };
  std::vector<State> states;
};

// The states of one operator, from Open on. One thread.
class HarnessStates {
 public:
  explicit HarnessStates(Operator& op) {
    op.CollectStates(states_);
    for (const CheckpointedState* state : states_) snapshot_.states.push_back({state->name(), state->schema(), {}});
  }

  // From what all subtasks had stored, before the first record.
  Status Restore(const std::vector<HarnessSnapshot>& stored, int subtask, int parallelism, int max_parallelism) {
    const bool same_division = static_cast<int>(stored.size()) == parallelism;
    for (CheckpointedState* state : states_) {
      const StateDistribution distribution = state->distribution();
      int64_t number = 0;
      const auto is_mine = [&](const StateEntry& entry) {
        if (distribution == StateDistribution::kKeyed) {
          return SubtaskOfKeyGroup(KeyGroupOf(entry.hash, max_parallelism), parallelism, max_parallelism) == subtask;
        }
        return distribution != StateDistribution::kSplit || same_division || number++ % parallelism == subtask;
      };
      for (size_t from = 0; from < stored.size(); ++from) {
        const bool own_only = distribution == StateDistribution::kBroadcast ||
                              (distribution == StateDistribution::kSplit && same_division);
        const size_t own = same_division ? static_cast<size_t>(subtask) : 0;
        if (own_only && from != own) continue;
        EAGRE_RETURN_IF_ERROR(RestorePart(stored[from], *state, is_mine));
      }
      EAGRE_RETURN_IF_ERROR(state->FinishRestore(/*inherited=*/false));
    }
    return OkStatus();
  }

  // After the operator's OnBarrier.
  const HarnessSnapshot& Take() {
    constexpr size_t kSliceBytes = 64 * 1024;
    for (size_t i = 0; i < states_.size(); ++i) {
      StateEntryWriter out;
      states_[i]->Seal();
      while (!states_[i]->EncodeSealed(out, kSliceBytes)) {
      }
      if (!states_[i]->incremental()) snapshot_.states[i].segments.clear();
      snapshot_.states[i].segments.push_back(out.Take());
    }
    return snapshot_;
  }

 private:
  template <typename IsMine>
  static Status RestorePart(const HarnessSnapshot& stored, CheckpointedState& state, IsMine&& is_mine) {
    for (const HarnessSnapshot::State& part : stored.states) {
      if (part.name != state.name()) continue;
      EAGRE_RETURN_IF_ERROR(state.BeginRestore(part.schema));
      for (const std::string& segment : part.segments) {
        StateEntryReader reader(segment);
        StateEntry entry;
        while (true) {
          EAGRE_ASSIGN_OR_RETURN(const bool found, reader.Next(entry));
          if (!found) break;
          if (is_mine(entry)) EAGRE_RETURN_IF_ERROR(state.Restore(entry));
        }
      }
    }
    return OkStatus();
  }

  std::vector<CheckpointedState*> states_;
  HarnessSnapshot snapshot_;
};

}  // namespace eagre
