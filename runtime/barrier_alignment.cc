#include "runtime/barrier_alignment.h"

#include <algorithm>

namespace eagre {

bool BarrierAlignment::OnBarrier(size_t input, int64_t checkpoint_id, int64_t now_ms) {
  if (checkpoint_id != aligning_id_) {
    if (checkpoint_id <= last_id_) return false;
    Release();
    aligning_id_ = last_id_ = checkpoint_id;
    began_ms_ = now_ms;
  }
  inputs_[input].arrived = true;
  return Complete(now_ms);
}

bool BarrierAlignment::OnEnd(size_t input, int64_t now_ms) {
  inputs_[input].ended = true;
  return aligning_id_ != 0 && Complete(now_ms);
}

void BarrierAlignment::Abort(int64_t checkpoint_id) {
  last_id_ = std::max(last_id_, checkpoint_id);
  if (aligning_id_ != 0 && aligning_id_ <= checkpoint_id) Release();
}

void BarrierAlignment::Release() {
  for (Input& input : inputs_) input.arrived = false;
  aligning_id_ = 0;
}

bool BarrierAlignment::Complete(int64_t now_ms) {
  if (!std::all_of(inputs_.begin(), inputs_.end(), [](const Input& input) { return input.arrived || input.ended; })) {
    return false;
  }
  duration_ms_ = now_ms - began_ms_;
  Release();
  return true;
}

}  // namespace eagre
