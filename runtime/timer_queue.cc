#include "runtime/timer_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "runtime/time_sort.h"

namespace eagre {

uint32_t TimerQueue::FindOrAdd(int64_t timestamp, uint64_t hash, SlotMatches matches, bool& added) {
  added = false;
  const Indexed& found = index_.FindOrInsert(
      IndexHash(timestamp, hash),
      [&](const Indexed& other) { return other.timestamp == timestamp && other.hash == hash && matches(other.slot); },
      [&](void* place) {
        const uint32_t slot = items_.Allocate();
        items_[slot] = {timestamp, hash, Kind::kTimer};
        new (place) Indexed{timestamp, hash, slot};
        added = true;
      });
  const uint32_t slot = found.slot;
  if (added) AddToOrder({timestamp, hash, slot});
  return slot;
}

void TimerQueue::AddToOrder(const Entry& entry) {
  ++entries_;
  const TimerPosition position = entry.position();
  if (position < head_end_) {
    inserted_.insert(entry);
    return;
  }
  auto bucket = BucketOf(position);
  if (bucket == buckets_.end()) {
    bucket = buckets_.try_emplace({StartOf(SecondOf(entry.timestamp)), 0}).first;
  }
  bucket->second.entries.push_back(entry);
  bucket->second.earliest = std::min(bucket->second.earliest, entry.timestamp);
  if (bucket->second.entries.size() >= kMostPerBucket) [[unlikely]]
    Split(bucket);
}

TimerQueue::Buckets::iterator TimerQueue::BucketOf(const TimerPosition& position) {
  const auto next = buckets_.upper_bound(position);
  if (next == buckets_.begin()) return buckets_.end();
  const auto bucket = std::prev(next);
  return SecondOf(bucket->first.timestamp) == SecondOf(position.timestamp) ? bucket : buckets_.end();
}

uint32_t TimerQueue::Delete(int64_t timestamp, uint64_t hash, SlotMatches matches) {
  uint32_t deleted = kNoSlot;
  index_.Erase(IndexHash(timestamp, hash), [&](const Indexed& other) {
    if (other.timestamp != timestamp || other.hash != hash || !matches(other.slot)) return false;
    if (IsDeletion(other.slot)) return false;
    deleted = other.slot;
    return true;
  });
  return deleted;
}

void TimerQueue::Discard(uint32_t slot) {
  // The entry stays until its bucket is opened or compacted, and with it the slot.
  items_[slot].kind = Kind::kDropped;
  const TimerPosition at = position(slot);
  if (at < head_end_) {
    DropDiscardedAtHead();
    return;
  }
  const auto bucket = BucketOf(at);
  EAGRE_CHECK(bucket != buckets_.end());
  if (++bucket->second.dropped * 2 > bucket->second.entries.size() && bucket->second.dropped >= kMinDroppedToCompact) {
    Compact(bucket->second);
  }
  if (bucket->second.dropped == bucket->second.entries.size()) {
    Compact(bucket->second);
    buckets_.erase(bucket);
  }
}

void TimerQueue::SetKind(uint32_t slot, Kind kind) {
  Item& item = items_[slot];
  if (item.kind == Kind::kDeletion) --deletions_;
  if (kind == Kind::kDeletion) ++deletions_;
  item.kind = kind;
}

void TimerQueue::EraseFromIndex(uint32_t slot) {
  const Item& item = items_[slot];
  index_.Erase(IndexHash(item.timestamp, item.hash), [&](const Indexed& other) { return other.slot == slot; });
  SetKind(slot, Kind::kDropped);
}

void TimerQueue::Remove(uint32_t slot) {
  EraseFromIndex(slot);
  items_.Free(slot);
}

void TimerQueue::Compact(Bucket& bucket) {
  size_t kept = 0;
  bucket.earliest = kMaxWatermark;
  for (const Entry& entry : bucket.entries) {
    if (items_[entry.slot].kind == Kind::kDropped) {
      items_.Free(entry.slot);
      continue;
    }
    bucket.earliest = std::min(bucket.earliest, entry.timestamp);
    bucket.entries[kept++] = entry;
  }
  entries_ -= bucket.entries.size() - kept;
  bucket.entries.resize(kept);
  bucket.dropped = 0;
}

bool TimerQueue::Split(Buckets::iterator bucket) {
  Compact(bucket->second);
  std::vector<Entry>& entries = bucket->second.entries;
  if (entries.size() < 2) return false;
  const auto middle = entries.begin() + static_cast<ptrdiff_t>(entries.size() / 2);
  std::nth_element(entries.begin(), middle, entries.end());
  const TimerPosition start = middle->position();
  // Those of one position stay together.
  const auto upper =
      std::partition(entries.begin(), middle, [&](const Entry& entry) { return entry.position() < start; });
  if (upper == entries.begin()) return false;
  Bucket& half = buckets_[start];
  half.entries.assign(upper, entries.end());
  half.earliest = start.timestamp;
  entries.erase(upper, entries.end());
  return true;
}

void TimerQueue::OpenFirstBucket() {
  const auto first = buckets_.begin();
  const int64_t second = SecondOf(first->first.timestamp);
  head_.clear();
  head_.swap(first->second.entries);
  head_position_ = 0;
  Sort(head_, StartOf(second));
  const auto next = std::next(first);
  if (next != buckets_.end() && SecondOf(next->first.timestamp) == second) {
    head_end_ = next->first;
  } else if (__builtin_add_overflow(StartOf(second), static_cast<int64_t>(kBucketMs), &head_end_.timestamp)) {
    head_end_ = kEnd;
  } else {
    head_end_.hash = 0;
  }
  buckets_.erase(first);
}

// By time, and equal times by hash.
void TimerQueue::Sort(std::vector<Entry>& entries, int64_t start) {
  SortByTime(entries, start, kBucketMs, sort_scratch_, sort_counts_);
  for (auto begin = entries.begin(); begin != entries.end();) {
    auto end = begin + 1;
    while (end != entries.end() && end->timestamp == begin->timestamp) ++end;
    if (end - begin > 1) std::sort(begin, end);
    begin = end;
  }
}

void TimerQueue::DropDiscardedAtHead() {
  const auto dropped = [this](uint32_t slot) { return items_[slot].kind == Kind::kDropped; };
  for (; head_position_ < head_.size() && dropped(head_[head_position_].slot); ++head_position_, --entries_) {
    items_.Free(head_[head_position_].slot);
  }
  while (!inserted_.empty() && dropped(inserted_.begin()->slot)) {
    items_.Free(inserted_.begin()->slot);
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

uint32_t TimerQueue::PopDue(int64_t limit, const TimerPosition& end) {
  const auto is_before_end = [&](const TimerPosition& position) { return position < end || end == kEnd; };
  for (;;) {
    DropDiscardedAtHead();
    if (head_empty()) {
      if (buckets_.empty() || buckets_.begin()->second.earliest > limit || !is_before_end(buckets_.begin()->first)) {
        return kNoSlot;
      }
      OpenFirstBucket();
      continue;
    }
    const bool in_head = head_position_ < head_.size();
    const bool take_head = in_head && (inserted_.empty() || head_[head_position_] < *inserted_.begin());
    const Entry entry = take_head ? head_[head_position_] : *inserted_.begin();
    if (entry.timestamp > limit || !is_before_end(entry.position())) return kNoSlot;
    if (take_head) {
      ++head_position_;
    } else {
      inserted_.erase(inserted_.begin());
    }
    --entries_;
    const Kind kind = items_[entry.slot].kind;
    EraseFromIndex(entry.slot);
    items_[entry.slot].kind = kind;
    return entry.slot;
  }
}

TimerPosition TimerQueue::TakeLast(size_t most, std::vector<uint32_t>& slots) {
  TimerPosition first = kEnd;
  if (!buckets_.empty()) {
    auto last = std::prev(buckets_.end());
    while (last->second.entries.size() > most && Split(last)) last = std::prev(buckets_.end());
    Compact(last->second);
    for (const Entry& entry : last->second.entries) {
      slots.push_back(entry.slot);
      first = std::min(first, entry.position());
    }
    entries_ -= last->second.entries.size();
    buckets_.erase(last);
    return first;
  }
  while (!head_empty()) {
    const bool in_head = head_position_ < head_.size();
    const bool take_head = in_head && (inserted_.empty() || *inserted_.rbegin() < head_.back());
    const Entry entry = take_head ? head_.back() : *inserted_.rbegin();
    // Those of one position stay together.
    if (slots.size() >= most && entry.position() != first) break;
    if (take_head) {
      head_.pop_back();
    } else {
      inserted_.erase(std::prev(inserted_.end()));
    }
    --entries_;
    if (items_[entry.slot].kind == Kind::kDropped) {
      items_.Free(entry.slot);
      continue;
    }
    slots.push_back(entry.slot);
    first = head_end_ = entry.position();
  }
  return first;
}

}  // namespace eagre
