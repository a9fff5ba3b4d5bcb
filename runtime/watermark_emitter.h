// When an operator that makes watermarks says what: every interval of processing time, after many records, at split
// ends.
//
// Shared by sources (a watermark per split) and by the operator behind WithWatermarks (one split for all its input).
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include "runtime/operator.h"
#include "runtime/split_source.h"
#include "runtime/split_watermarks.h"

namespace eagre {

// Used by the slot's thread only. Events are emitted behind the records that the operator has emitted before.
class WatermarkEmitter {
 public:
  // A stream that is read at full speed passes hours of event time within one interval, so watermarks also follow
  // records.
  static constexpr size_t kRecordsPerWatermark = 32768;

  explicit WatermarkEmitter(const WatermarkSettings& settings) : settings_(settings), splits_(settings.idleness_ms) {}

  void Open(OperatorContext& context);

  // Called before a periodic watermark is emitted, for those who know more than the records said; set before Open.
  using PeriodicWatermarks = std::function<void(SplitWatermarks& splits)>;
  void set_periodic_watermarks(PeriodicWatermarks periodic) { periodic_ = std::move(periodic); }

  // After `count` records of the split were emitted, from which `watermark_ms` follows. `at_once`: it is emitted now,
  // if it is news.
  void OnRecords(std::string_view split_id, int64_t watermark_ms, size_t count, bool at_once = false);
  void OnSplitEnd(std::string_view split_id);
  void OnTimer(int64_t now_ms);
  // When OnTimer is due; kMaxWatermark: never.
  int64_t next_timer_ms() const { return next_timer_ms_; }

  SplitWatermarks& splits() { return splits_; }
  int64_t emitted_ms() const { return emitted_ms_; }

 private:
  void EmitPeriodically();
  void Emit();
  // Neither watermarks nor idleness: there is nothing to emit, ever.
  bool says_nothing() const { return settings_.kind == WatermarkSettings::Kind::kNone && settings_.idleness_ms <= 0; }

  const WatermarkSettings settings_;
  PeriodicWatermarks periodic_;
  SplitWatermarks splits_;
  OperatorContext* context_ = nullptr;
  Gauge* gauge_ = nullptr;  // of what was emitted
  int64_t interval_ms_ = 0;
  int64_t last_timer_ms_ = 0;
  int64_t next_timer_ms_ = kMaxWatermark;
  int64_t emitted_ms_ = kNoTimestamp;
  size_t records_ = 0;  // since the last Emit
  bool idle_ = false;
};

}  // namespace eagre
