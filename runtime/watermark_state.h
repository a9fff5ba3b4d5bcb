// The watermark that an operator had reached at a checkpoint: what was late stays late, and what an operator had
// emitted by then is known although its entries were never erased.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "record/batch.h"
#include "runtime/key_groups.h"
#include "runtime/operator.h"
#include "state/checkpointed_state.h"

namespace eagre {

// Every subtask stores its own, and all are given to every subtask: a barrier that overtakes finds them at different
// times. List it before the states that ask for it, which are then restored after it. Not thread-safe.
class WatermarkState {
 public:
  WatermarkState() = default;
  WatermarkState(const WatermarkState&) = delete;
  WatermarkState& operator=(const WatermarkState&) = delete;

  // `watermark` outlives the state; it is the operator's own.
  void Open(const OperatorContext& context, int64_t& watermark) {
    context_ = &context;
    watermark_ = &watermark;
  }
  CheckpointedState* state() { return &state_; }

  // Of the subtask that stored the entries of this key hash; kNoTimestamp when it is not known.
  int64_t OfKey(uint64_t hash) const {
    if (stored_.empty()) return kNoTimestamp;
    const int max_parallelism = context_->max_parallelism();
    return OfSubtask(SubtaskOfKeyGroup(KeyGroupOf(hash, max_parallelism), stored_parallelism_, max_parallelism));
  }
  int64_t OfSubtask(int subtask) const {
    const auto found = stored_.find(subtask);
    return found == stored_.end() ? kNoTimestamp : found->second;
  }

 private:
  void Encode(StateEntryWriter& out) const {
    out.BeginKey(0).Fixed(static_cast<int32_t>(context_->subtask()));
    ByteWriter& value = out.BeginValue();
    value.Fixed(static_cast<int32_t>(context_->parallelism()));
    value.Fixed(*watermark_);
    out.End();
  }
  Status Restore(const StateEntry& entry) {
    ByteReader key(entry.key);
    ByteReader value(entry.value);
    int32_t subtask = 0;
    int64_t watermark = 0;
    if (!key.Fixed(subtask) || !value.Fixed(stored_parallelism_) || stored_parallelism_ < 1 ||
        !value.Fixed(watermark)) {
      return DataLoss("the stored watermark of a subtask is malformed");
    }
    stored_[subtask] = watermark;
    if (!context_->event_time_restarts()) *watermark_ = Restored();
    return OkStatus();
  }
  // At the parallelism of the checkpoint a subtask goes on from its own: it may inherit entries that it had emitted,
  // and would not know them at the next restore by a lower one. At another parallelism time goes back for some, so that
  // nothing is late that was not.
  int64_t Restored() const {
    const auto own = stored_.find(context_->subtask());
    if (own != stored_.end() && stored_parallelism_ == context_->parallelism()) return own->second;
    int64_t lowest = kMaxWatermark;
    for (const auto& [subtask, watermark] : stored_) lowest = std::min(lowest, watermark);
    return lowest;
  }

  const OperatorContext* context_ = nullptr;
  int64_t* watermark_ = nullptr;
  std::map<int, int64_t> stored_;  // by subtask
  int32_t stored_parallelism_ = 1;
  WholeState state_{"watermark",
                    StateDistribution::kUnion,
                    "watermark",
                    {.encode = [this](StateEntryWriter& out) { Encode(out); },
                     .restore = [this](const StateEntry& entry) { return Restore(entry); }}};
};

}  // namespace eagre
