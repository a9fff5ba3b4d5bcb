#include "runtime/watermark_valve.h"

#include <algorithm>

namespace eagre {

WatermarkValve::WatermarkValve(size_t channels) : channels_(channels) {}

void WatermarkValve::OnEvent(size_t index, const ControlEvent& event, std::vector<ControlEvent>& merged) {
  Channel& channel = channels_[index];
  switch (event.kind) {
    case ControlEvent::Kind::kWatermark:
      if (channel.idle || event.value <= channel.watermark) return;
      channel.watermark = event.value;
      if (channel.watermark >= watermark_) channel.aligned = true;
      break;
    case ControlEvent::Kind::kIdle:
      if (channel.idle) return;
      channel.idle = true;
      channel.aligned = false;
      break;
    case ControlEvent::Kind::kActive:
      channel.idle = false;
      channel.aligned = channel.watermark >= watermark_;
      if (idle_) merged.push_back({ControlEvent::Kind::kActive, 0});
      idle_ = false;
      return;
    case ControlEvent::Kind::kEndOfInput:
      if (channel.ended) return;
      channel = {.watermark = kMaxWatermark, .ended = true};
      ++ended_;
      break;
    case ControlEvent::Kind::kBarrier:
    case ControlEvent::Kind::kProcessingTime: return;
  }
  Advance(merged);
}

void WatermarkValve::Advance(std::vector<ControlEvent>& merged) {
  int64_t lowest = kMaxWatermark;
  int64_t highest_unended = kNoTimestamp;
  bool any_active = false;
  bool any_aligned = false;
  for (const Channel& channel : channels_) {
    if (!channel.ended) highest_unended = std::max(highest_unended, channel.watermark);
    // A channel that ended holds nothing back, but does not keep the task active either.
    any_active |= !channel.idle && !channel.ended;
    if (channel.idle || !channel.aligned) continue;
    any_aligned = true;
    lowest = std::min(lowest, channel.watermark);
  }
  const bool falls_idle = !any_active && !all_ended();
  // When all that may still speak are idle, nothing holds event time back: it goes to the highest that was heard.
  const int64_t next = falls_idle ? highest_unended : lowest;
  if ((falls_idle || any_aligned) && next > watermark_) {
    watermark_ = next;
    merged.push_back({ControlEvent::Kind::kWatermark, next});
  }
  if (falls_idle && !idle_) {
    idle_ = true;
    merged.push_back({ControlEvent::Kind::kIdle, 0});
  }
}

}  // namespace eagre
