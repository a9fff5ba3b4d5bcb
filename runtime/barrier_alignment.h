// Alignment of a task's inputs at checkpoint barriers, as in Flink's asynchronous barrier snapshots: an input that has
// delivered the barrier is not read until all others have, so that what the task holds then is the work of exactly what
// came before the barrier. Without exactly-once nothing is held back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eagre {

class BarrierAlignment {
 public:
  BarrierAlignment(size_t inputs, bool exactly_once) : inputs_(inputs), exactly_once_(exactly_once) {}

  // True when the barrier was the last that was missing: the task handles it now. A barrier of a newer checkpoint than
  // the one being aligned ends that one; one of an older or aborted checkpoint is nothing.
  bool OnBarrier(size_t input, int64_t checkpoint_id, int64_t now_ms);
  // The input delivers nothing more; true when only its barrier was missing.
  bool OnEnd(size_t input, int64_t now_ms);
  // Gives up on this checkpoint and all before.
  void Abort(int64_t checkpoint_id);

  // The input is not to be read now.
  bool blocked(size_t input) const { return exactly_once_ && inputs_[input].arrived && aligning_id_ != 0; }
  // The input has delivered the barrier of this checkpoint, which is being aligned.
  bool arrived(size_t input, int64_t checkpoint_id) const {
    return checkpoint_id == aligning_id_ && inputs_[input].arrived;
  }
  // The newest checkpoint that was aligned, being aligned or aborted.
  int64_t last_id() const { return last_id_; }
  // From the first barrier of the last alignment to its last.
  int64_t duration_ms() const { return duration_ms_; }

 private:
  struct Input {
    bool arrived = false;  // the barrier of aligning_id_
    bool ended = false;
  };
  void Release();
  bool Complete(int64_t now_ms);

  std::vector<Input> inputs_;
  const bool exactly_once_;
  int64_t aligning_id_ = 0;  // 0: none
  int64_t last_id_ = 0;
  int64_t began_ms_ = 0;
  int64_t duration_ms_ = 0;
};

}  // namespace eagre
