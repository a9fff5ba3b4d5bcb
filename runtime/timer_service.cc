#include "runtime/timer_service.h"

#include <algorithm>

#include "base/check.h"
#include "runtime/time_sort.h"

namespace eagre {

uint32_t TimerQueue::Register(int64_t timestamp, uint64_t hash, SlotMatches matches) {
  uint32_t added = kNoSlot;
  index_.FindOrInsert(
      IndexHash(timestamp, hash),
      [&](const Indexed& other) { return other.timestamp == timestamp && other.hash == hash && matches(other.slot); },
      [&](void* place) {
        added = timers_.Allocate();
        timers_[added] = {timestamp, hash, true};
        new (place) Indexed{timestamp, hash, added};
      });
  if (added == kNoSlot) return kNoSlot;
  const Entry entry{timestamp, next_sequence_++, added};
  ++entries_;
  if (timestamp < head_end_) {
    inserted_.insert(entry);
  } else {
    Bucket& bucket = buckets_[BucketOf(timestamp)];
    bucket.entries.push_back(entry);
    bucket.earliest = std::min(bucket.earliest, timestamp);
  }
  return added;
}

uint32_t TimerQueue::Delete(int64_t timestamp, uint64_t hash, SlotMatches matches) {
  uint32_t deleted = kNoSlot;
  index_.Erase(IndexHash(timestamp, hash), [&](const Indexed& other) {
    if (other.timestamp != timestamp || other.hash != hash || !matches(other.slot)) return false;
    deleted = other.slot;
    return true;
  });
  return deleted;
}

void TimerQueue::Discard(uint32_t slot) {
  // The entry stays until its bucket is opened or compacted, and with it the slot.
  timers_[slot].live = false;
  const int64_t timestamp = timers_[slot].timestamp;
  if (timestamp < head_end_) {
    DropDeadAtHead();
    return;
  }
  const auto bucket = buckets_.find(BucketOf(timestamp));
  EAGRE_CHECK(bucket != buckets_.end());
  if (++bucket->second.dead * 2 > bucket->second.entries.size() && bucket->second.dead >= kMinDeadToCompact) {
    Compact(bucket->second);
  }
  if (bucket->second.dead == bucket->second.entries.size()) {
    Compact(bucket->second);
    buckets_.erase(bucket);
  }
}

void TimerQueue::Compact(Bucket& bucket) {
  size_t kept = 0;
  bucket.earliest = kMaxWatermark;
  for (const Entry& entry : bucket.entries) {
    if (!timers_[entry.slot].live) {
      timers_.Free(entry.slot);
      continue;
    }
    bucket.earliest = std::min(bucket.earliest, entry.timestamp);
    bucket.entries[kept++] = entry;
  }
  entries_ -= bucket.entries.size() - kept;
  bucket.entries.resize(kept);
  bucket.dead = 0;
}

void TimerQueue::OpenFirstBucket() {
  const auto first = buckets_.begin();
  const int64_t start = first->first * static_cast<int64_t>(kBucketMs);
  head_.clear();
  head_.swap(first->second.entries);
  head_position_ = 0;
  SortByTime(head_, start, kBucketMs, sort_scratch_, sort_counts_);
  if (__builtin_add_overflow(start, static_cast<int64_t>(kBucketMs), &head_end_)) head_end_ = kMaxWatermark;
  buckets_.erase(first);
}

void TimerQueue::DropDeadAtHead() {
  for (; head_position_ < head_.size() && !timers_[head_[head_position_].slot].live; ++head_position_, --entries_) {
    timers_.Free(head_[head_position_].slot);
  }
  while (!inserted_.empty() && !timers_[inserted_.begin()->slot].live) {
    timers_.Free(inserted_.begin()->slot);
    inserted_.erase(inserted_.begin());
    --entries_;
  }
}

int64_t TimerQueue::NextTimestamp() const {
  int64_t next = kMaxWatermark;
  if (index_.empty()) return next;
  if (head_position_ < head_.size()) next = head_[head_position_].timestamp;
  if (!inserted_.empty()) next = std::min(next, inserted_.begin()->timestamp);
  if (next == kMaxWatermark && !buckets_.empty()) next = buckets_.begin()->second.earliest;
  return next;
}

uint32_t TimerQueue::PopDue(int64_t limit) {
  for (;;) {
    DropDeadAtHead();
    const bool in_head = head_position_ < head_.size();
    if (!in_head && inserted_.empty()) {
      if (buckets_.empty() || buckets_.begin()->second.earliest > limit) return kNoSlot;
      OpenFirstBucket();
      continue;
    }
    const bool take_head = in_head && (inserted_.empty() || head_[head_position_] < *inserted_.begin());
    const Entry entry = take_head ? head_[head_position_] : *inserted_.begin();
    if (entry.timestamp > limit) return kNoSlot;
    if (take_head) {
      ++head_position_;
    } else {
      inserted_.erase(inserted_.begin());
    }
    --entries_;
    Timer& timer = timers_[entry.slot];
    index_.Erase(IndexHash(timer.timestamp, timer.hash),
                 [&](const Indexed& other) { return other.slot == entry.slot; });
    timer.live = false;
    return entry.slot;
  }
}

}  // namespace eagre
