#include "runtime/watermark_emitter.h"

#include <algorithm>

namespace eagre {

void WatermarkEmitter::Open(OperatorContext& context) {
  context_ = &context;
  gauge_ = &context.AddGauge("currentOutputWatermark");
  gauge_->Set(static_cast<double>(kNoTimestamp));
  if (says_nothing()) return;
  interval_ms_ = context.config().GetDurationMs("pipeline.auto-watermark-interval");
  // Without periodic watermarks idleness still needs a pulse.
  if (interval_ms_ <= 0) interval_ms_ = settings_.idleness_ms;
  if (interval_ms_ <= 0) return;
  last_timer_ms_ = context.clock().NowMs();
  next_timer_ms_ = last_timer_ms_ + interval_ms_;
}

void WatermarkEmitter::OnRecords(std::string_view split_id, int64_t watermark_ms, size_t count, bool at_once) {
  splits_.OnRecords(split_id, watermark_ms);
  records_ += count;
  if (records_ >= kRecordsPerWatermark) return EmitPeriodically();
  if (idle_ || at_once) Emit();
}

void WatermarkEmitter::OnSplitEnd(std::string_view split_id) {
  splits_.RemoveSplit(split_id);
  Emit();
}

void WatermarkEmitter::OnTimer(int64_t now_ms) {
  if (now_ms < next_timer_ms_) return;
  // Timers do not run while the output is blocked; that time says nothing about the input.
  splits_.OnTimePassed(std::clamp<int64_t>(now_ms - last_timer_ms_, 0, 2 * interval_ms_));
  last_timer_ms_ = now_ms;
  next_timer_ms_ = now_ms + interval_ms_;
  EmitPeriodically();
}

void WatermarkEmitter::EmitPeriodically() {
  if (periodic_) periodic_(splits_);
  Emit();
}

void WatermarkEmitter::Emit() {
  records_ = 0;
  if (says_nothing()) return;
  const bool idle = splits_.idle();
  if (idle_ && !idle) context_->EmitEvent({ControlEvent::Kind::kActive, 0});
  const int64_t merged_ms = splits_.Merge();
  if (merged_ms > emitted_ms_) {
    emitted_ms_ = merged_ms;
    gauge_->Set(static_cast<double>(merged_ms));
    context_->EmitEvent({ControlEvent::Kind::kWatermark, merged_ms});
  }
  if (!idle_ && idle) context_->EmitEvent({ControlEvent::Kind::kIdle, 0});
  idle_ = idle;
}

}  // namespace eagre
