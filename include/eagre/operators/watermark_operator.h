// The operator behind DataStream::WithWatermarks: gives records their timestamps in place and makes watermarks of them.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "eagre/watermark_strategy.h"
#include "runtime/operator.h"
#include "runtime/watermark_emitter.h"

namespace eagre {

// What came before it in event time is dropped, but for the watermark at the end of the input.
template <typename T>
class WatermarkOperator final : public Operator {
 public:
  explicit WatermarkOperator(WatermarkStrategy<T> strategy)
      : strategy_(std::move(strategy)), emitter_(strategy_.settings()) {}

  Status Open(OperatorContext& context) override {
    EAGRE_RETURN_IF_ERROR(Operator::Open(context));
    if (strategy_.settings().kind == WatermarkSettings::Kind::kGenerator) {
      emitter_.set_periodic_watermarks([this](SplitWatermarks& splits) { strategy_.AdvancePeriodically(splits); });
    }
    emitter_.Open(context);
    // There from the start, so that a stream that never has a record becomes idle too.
    emitter_.splits().AddSplit(std::string(kOnlySplit));
    return OkStatus();
  }

  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    Output& output = context_->output(0);
    if (output.full()) return OkStatus();
    if (position == 0) {
      watermark_ = strategy_.Advance(kOnlySplit, static_cast<TypedBatch<T>&>(*batch), 0);
      records_ = batch->size();
    }
    if (position == 0 && output.adoptable() && &output.type() == &batch->type()) {
      batch->set_keyed(false);
      output.Adopt(batch);
    } else {
      auto& from = static_cast<TypedBatch<T>&>(*batch);
      auto& to = static_cast<TypedBatch<T>&>(output.batch());
      for (; position < from.size() && !to.full(); ++position) {
        to.Append(from.timestamps()[position]) = std::move(from.records()[position]);
      }
      if (position < from.size()) return OkStatus();
    }
    emitter_.OnRecords(kOnlySplit, watermark_.watermark_ms, records_, watermark_.at_once);
    return OkStatus();
  }

  bool forwards_watermarks() const override { return false; }
  Status OnWatermark(int64_t watermark, bool& done) override {
    done = true;
    if (watermark == kMaxWatermark) context_->EmitEvent({ControlEvent::Kind::kWatermark, kMaxWatermark});
    return OkStatus();
  }
  Status OnProcessingTime(int64_t now_ms, bool& done) override {
    done = true;
    emitter_.OnTimer(now_ms);
    return OkStatus();
  }
  int64_t NextProcessingTimeMs() const override { return emitter_.next_timer_ms(); }

 private:
  static constexpr std::string_view kOnlySplit = "";

  WatermarkStrategy<T> strategy_;
  WatermarkEmitter emitter_;
  // Of the batch at hand, which may take several calls.
  BatchWatermark watermark_;
  size_t records_ = 0;
};

template <typename T>
std::unique_ptr<Operator> MakeWatermarkOperator(WatermarkStrategy<T> strategy) {
  return std::make_unique<WatermarkOperator<T>>(std::move(strategy));
}

}  // namespace eagre
