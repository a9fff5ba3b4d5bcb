#include "runtime/buffer_pool.h"

#include <utility>

namespace eagre {

std::string BufferPool::Take() {
  std::lock_guard lock(mutex_);
  if (spare_.empty()) return {};
  std::string buffer = std::move(spare_.back());
  spare_.pop_back();
  kept_bytes_ -= buffer.capacity();
  return buffer;
}

void BufferPool::Release(std::string buffer) {
  const size_t bytes = buffer.capacity();
  if (bytes < kSmallestKept || bytes > largest_kept_) return;
  std::lock_guard lock(mutex_);
  if (kept_bytes_ + bytes > max_kept_bytes_) return;
  kept_bytes_ += bytes;
  spare_.push_back(std::move(buffer));
}

size_t BufferPool::kept_bytes() const {
  std::lock_guard lock(mutex_);
  return kept_bytes_;
}

}  // namespace eagre
