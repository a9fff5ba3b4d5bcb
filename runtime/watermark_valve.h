// Merges the watermarks and idle statuses of a task's input channels into one event-time clock: the minimum over the
// channels that are active and have caught up. Semantics of Flink's StatusWatermarkValve.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/channel.h"

namespace eagre {

class WatermarkValve {
 public:
  explicit WatermarkValve(size_t channels);

  // Takes an event of kind kWatermark, kIdle, kActive or kEndOfInput from a channel and appends what the task as a
  // whole says to its operators: nothing, a watermark, a change of status, or both.
  void OnEvent(size_t channel, const ControlEvent& event, std::vector<ControlEvent>& merged);
  bool all_ended() const { return ended_ == channels_.size(); }
  int64_t watermark() const { return watermark_; }
  // Of one channel; kNoTimestamp: none yet.
  int64_t watermark_of(size_t channel) const { return channels_[channel].watermark; }

 private:
  struct Channel {
    int64_t watermark = kNoTimestamp;
    bool idle = false;
    bool aligned = true;  // false: came back from idleness behind the merged watermark and is not waited for
    bool ended = false;
  };
  void Advance(std::vector<ControlEvent>& merged);

  std::vector<Channel> channels_;
  size_t ended_ = 0;
  int64_t watermark_ = kNoTimestamp;
  bool idle_ = false;
};

}  // namespace eagre
