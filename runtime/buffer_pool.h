// Spare memory for frame payloads, so that a steady stream allocates nothing.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

namespace eagre {

// Keeps at most `max_kept_bytes` of spare buffers, none larger than `largest_kept`. Thread-safe.
class BufferPool {
 public:
  explicit BufferPool(size_t max_kept_bytes = kDefaultKeptBytes, size_t largest_kept = kLargestKept)
      : max_kept_bytes_(max_kept_bytes), largest_kept_(largest_kept) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // A buffer of any content and size: the one released last, which is the likeliest to be in the cache.
  std::string Take();
  // Takes the memory back, or frees it when it is tiny, huge, or more than is to be kept.
  void Release(std::string buffer);

  size_t kept_bytes() const;

 private:
  static constexpr size_t kDefaultKeptBytes = 32u << 20;
  static constexpr size_t kSmallestKept = 256;        // smaller ones are cheap to make, and would displace useful ones
  static constexpr size_t kLargestKept = 512u << 10;  // the rare large record must not hold memory for ever

  const size_t max_kept_bytes_;
  const size_t largest_kept_;
  mutable std::mutex mutex_;
  std::vector<std::string> spare_;
  size_t kept_bytes_ = 0;
};

}  // namespace eagre
