#include "jobmanager/upload_slots.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace eagre {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

bool UploadSlots::Enter(std::shared_ptr<Upload> upload) {
  std::vector<std::shared_ptr<Upload>> silent;
  {
    std::lock_guard lock(mutex_);
    if (uploads_.size() < slots_) {
      uploads_.push_back(std::move(upload));
      return true;
    }
    const int64_t newest_ns = clock_.MonotonicNs() - longest_silence_ms_ * kNsPerMs;
    std::copy_if(uploads_.begin(), uploads_.end(), std::back_inserter(silent),
                 [&](const auto& other) { return other->last_heard_ns() <= newest_ns; });
  }
  std::sort(silent.begin(), silent.end(),
            [](const auto& a, const auto& b) { return a->last_heard_ns() < b->last_heard_ns(); });
  // Without the lock: what ends may leave at once.
  for (const std::shared_ptr<Upload>& other : silent) {
    if (!other->MakeRoom()) continue;
    Leave(other.get());
    std::lock_guard lock(mutex_);
    if (uploads_.size() >= slots_) return false;  // somebody else was quicker
    uploads_.push_back(std::move(upload));
    return true;
  }
  return false;
}

void UploadSlots::Leave(const Upload* upload) {
  std::shared_ptr<Upload> left;  // outlives the lock
  std::lock_guard lock(mutex_);
  const auto entry = std::find_if(uploads_.begin(), uploads_.end(), [&](const auto& u) { return u.get() == upload; });
  if (entry == uploads_.end()) return;
  left = std::move(*entry);
  uploads_.erase(entry);
}

}  // namespace eagre
