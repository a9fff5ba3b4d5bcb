// The part of SortOperator that is blind to the record type: buckets, order, lateness and the limit of what is held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "runtime/operator.h"
#include "runtime/watermark_state.h"

namespace eagre {

// A record that is held: its time and the slot that it lies in.
struct SortEntry {
  int64_t timestamp;
  uint32_t slot;
};

class SortOperatorBase : public Operator {
 public:
  Status Open(OperatorContext& context) override;
  // Emits what the watermark has passed, in order; resumable.
  Status OnWatermark(int64_t watermark, bool& done) override;

 protected:
  // Sorts entries of one time, which are in the order of arrival.
  virtual void OrderEqualTimes(SortEntry* begin, SortEntry* end) = 0;
  // Emits records, at most until the output is full, and frees their slots; returns how many, and adds to `bytes` what
  // they held.
  virtual size_t Emit(const SortEntry* entries, size_t count, int64_t& bytes) = 0;

  // True, and counted, when the watermark has passed the time. Throws when the record has none.
  bool IsLate(int64_t timestamp) {
    if (timestamp > watermark_) [[likely]]
      return false;
    return RejectLate(timestamp);
  }
  // The same without counting.
  bool HasPassed(int64_t timestamp) {
    return timestamp == kNoTimestamp ? RejectLate(timestamp) : timestamp <= watermark_;
  }
  void Hold(int64_t timestamp, uint32_t slot) {
    const int64_t bucket = timestamp >> kBucketBits;
    if (bucket != last_bucket_ || last_entries_ == nullptr) EnterBucket(bucket);
    last_entries_->push_back({timestamp, slot});
    ++held_records_;
  }
  // After a batch that added `bytes`. Fails when more is held than the configuration allows.
  Status FinishBatch(int64_t bytes);
  Status FinishRestored(int64_t bytes);  // the same, for what was restored
  WatermarkState& watermark_state() { return watermark_state_; }
  Output& output() { return *output_; }

 private:
  static constexpr int kBucketBits = 8;
  static constexpr size_t kBucketMs = size_t{1} << kBucketBits;

  bool RejectLate(int64_t timestamp);
  void EnterBucket(int64_t bucket);
  // Moves the entries of the first bucket that are due into ready_, sorted.
  void TakeDue(int64_t watermark);

  Output* output_ = nullptr;
  int64_t watermark_ = kNoTimestamp;
  WatermarkState watermark_state_;
  int64_t limit_bytes_ = 0;
  StateBackend::Share share_;
  int64_t held_bytes_ = 0;
  int64_t held_records_ = 0;
  int64_t late_in_batch_ = 0;

  std::map<int64_t, std::vector<SortEntry>> buckets_;  // by time; entries in the order of arrival
  int64_t last_bucket_ = 0;
  std::vector<SortEntry>* last_entries_ = nullptr;  // of last_bucket_
  std::vector<SortEntry> spare_entries_;            // memory for the next bucket
  std::vector<SortEntry> ready_;                    // being emitted
  size_t ready_position_ = 0;
  std::vector<SortEntry> sort_scratch_;
  std::vector<uint32_t> sort_counts_;

  Gauge* records_gauge_ = nullptr;
  Gauge* bytes_gauge_ = nullptr;
};

}  // namespace eagre
