#include "runtime/split_watermarks.h"

#include <algorithm>

namespace eagre {

void SplitWatermarks::AddSplit(const std::string& split_id) {
  splits_.try_emplace(split_id);
}

void SplitWatermarks::RemoveSplit(std::string_view split_id) {
  const auto found = splits_.find(split_id);
  if (found == splits_.end()) return;
  // What the last split said stays true after its end, also when nobody asked in between.
  if (splits_.size() == 1) Merge();
  splits_.erase(found);
}

void SplitWatermarks::OnRecords(std::string_view split_id, int64_t watermark_ms) {
  auto found = splits_.find(split_id);
  if (found == splits_.end()) found = splits_.try_emplace(std::string(split_id)).first;
  Split& split = found->second;
  split.watermark_ms = std::max(split.watermark_ms, watermark_ms);
  split.quiet_ms = 0;
  split.idle = false;
}

void SplitWatermarks::Raise(std::string_view split_id, int64_t watermark_ms) {
  const auto found = splits_.find(split_id);
  if (found != splits_.end()) found->second.watermark_ms = std::max(found->second.watermark_ms, watermark_ms);
}

void SplitWatermarks::OnTimePassed(int64_t elapsed_ms) {
  if (idleness_ms_ <= 0) return;
  for (auto& [id, split] : splits_) {
    if (split.paused) continue;
    split.quiet_ms += elapsed_ms;
    split.idle = split.quiet_ms >= idleness_ms_;
  }
}

int64_t SplitWatermarks::Merge() {
  int64_t minimum = kMaxWatermark;
  bool any = false;
  for (const auto& [id, split] : splits_) {
    if (split.idle) continue;
    any = true;
    minimum = std::min(minimum, split.watermark_ms);
  }
  if (any) merged_ms_ = std::max(merged_ms_, minimum);
  return merged_ms_;
}

bool SplitWatermarks::idle() const {
  if (splits_.empty()) return idle_without_splits_;
  return std::all_of(splits_.begin(), splits_.end(), [](const auto& entry) { return entry.second.idle; });
}

int64_t SplitWatermarks::Slowest() const {
  int64_t slowest = kMaxWatermark;
  for (const auto& [id, split] : splits_) {
    if (!split.idle && split.watermark_ms != kNoTimestamp) slowest = std::min(slowest, split.watermark_ms);
  }
  return slowest == kMaxWatermark ? kNoTimestamp : slowest;
}

std::vector<std::string> SplitWatermarks::PauseBeyond(int64_t limit_ms) {
  std::vector<std::string> paused;
  for (auto& [id, split] : splits_) {
    if (split.paused || split.watermark_ms <= limit_ms) continue;
    split.paused = true;
    split.quiet_ms = 0;
    paused.push_back(id);
  }
  return paused;
}

std::vector<std::string> SplitWatermarks::ResumeUpTo(int64_t limit_ms) {
  std::vector<std::string> resumed;
  for (auto& [id, split] : splits_) {
    if (!split.paused || split.watermark_ms > limit_ms) continue;
    split.paused = false;
    resumed.push_back(id);
  }
  return resumed;
}

}  // namespace eagre
