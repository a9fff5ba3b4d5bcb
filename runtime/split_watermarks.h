// Event time of one source reader: a watermark per split, merged by minimum.
//
// Pure bookkeeping without a clock: the caller says how much time passed. Never goes back. Splits that had no record
// for the idleness time are left out of the minimum; when all are, the reader is idle. A reader without any split (it
// waits for one) is not idle, unless it is said to be: its watermark stays where it was and holds event time back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "record/batch.h"

namespace eagre {

// One thread.
class SplitWatermarks {
 public:
  // `idleness_ms` 0: splits are never idle.
  explicit SplitWatermarks(int64_t idleness_ms) : idleness_ms_(idleness_ms) {}

  void AddSplit(const std::string& split_id);
  // The split is at its end.
  void RemoveSplit(std::string_view split_id);
  // Records of the split were read; `watermark_ms` is what they say (kNoTimestamp: nothing). Unknown splits are added.
  void OnRecords(std::string_view split_id, int64_t watermark_ms);
  // What is known of the split without records; nothing happens to a split that is not there.
  void Raise(std::string_view split_id, int64_t watermark_ms);
  // The reader could have read for this long since the last call: splits without records move towards being idle.
  void OnTimePassed(int64_t elapsed_ms);

  // Whether a reader without splits is idle; at first it is not.
  void set_idle_without_splits(bool idle) { idle_without_splits_ = idle; }

  // The merged watermark, monotone; kNoTimestamp while any active split has none.
  int64_t Merge();
  bool idle() const;

  // For alignment. The slowest known watermark of a split that is not idle; kNoTimestamp when there is none.
  int64_t Slowest() const;
  // Marks the splits whose watermark is beyond `limit_ms` as paused and returns those that were not before; paused ones
  // do not become idle.
  std::vector<std::string> PauseBeyond(int64_t limit_ms);
  // The paused splits that are not beyond the limit any more, now running.
  std::vector<std::string> ResumeUpTo(int64_t limit_ms);

  size_t size() const { return splits_.size(); }

 private:
  struct Split {
    int64_t watermark_ms = kNoTimestamp;
    int64_t quiet_ms = 0;
    bool idle = false;
    bool paused = false;
  };

  const int64_t idleness_ms_;
  bool idle_without_splits_ = false;
  int64_t merged_ms_ = kNoTimestamp;
  std::map<std::string, Split, std::less<>> splits_;
};

}  // namespace eagre
