// Watermarks of one's own making, for streams that say more about time than their timestamps do.
//
//   class MarkerWatermarks : public WatermarkGenerator<Reading> {  // punctuated: some records are marks of time
//     void OnEvent(const Reading& reading, int64_t timestamp_ms, WatermarkOutput& out) override {
//       if (reading.is_marker) out.EmitWatermark(timestamp_ms);
//     }
//   };
//   stream.WithWatermarks(WatermarkStrategy<Reading>::ForGenerator([] { return std::make_unique<MarkerWatermarks>(); })
//                             .WithTimestamps(&Reading::at));
#pragma once

#include <algorithm>
#include <cstdint>

#include "record/batch.h"

namespace eagre {

/// Where a generator says its watermark. What is less than one that was said before is of no effect.
class WatermarkOutput {
 public:
  /// No record with a timestamp up to and including this one is expected any more.
  void EmitWatermark(int64_t watermark_ms) { watermark_ms_ = std::max(watermark_ms_, watermark_ms); }

  // ---- for the operator ----
  int64_t watermark_ms() const { return watermark_ms_; }

 private:
  int64_t watermark_ms_ = kNoTimestamp;
};

/// One per split of a source, or per subtask where WithWatermarks does not stand directly behind Read. One thread.
template <typename T>
class WatermarkGenerator {
 public:
  virtual ~WatermarkGenerator() = default;
  /// For every record, before it is emitted. A watermark said here (a punctuated one) follows the records of the batch
  /// that the record is in, at once.
  virtual void OnEvent(const T& record, int64_t timestamp_ms, WatermarkOutput& out) = 0;
  /// Every pipeline.auto-watermark-interval, and after many records.
  virtual void OnPeriodicEmit([[maybe_unused]] WatermarkOutput& out) {}
};

}  // namespace eagre
