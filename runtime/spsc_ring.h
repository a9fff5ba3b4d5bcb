// A bounded queue between one producing and one consuming thread (which may be the same), without locks, that knows
// when the other side has to be woken.
//
// No wake-up is lost: each side first publishes its own index or flag and then reads the other's, all sequentially
// consistent, so of two racing sides at least one sees what the other wrote. For that to hold to the end, a thread that
// parks must write its "parked" flag and look at its queues once more afterwards, and Waker::Wake must read that flag,
// both with sequential consistency.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace eagre {

// Two cores must not write to one cache line; the adjacent line is fetched with it.
inline constexpr size_t kCacheLinePairBytes = 128;

// T is moved in and out; a moved-from T stays in its place until it is overwritten.
template <typename T>
class SpscRing {
 public:
  // REQUIRES: capacity > 0.
  explicit SpscRing(size_t capacity)
      : capacity_(capacity), resume_room_(std::max<size_t>(1, capacity / 2)), items_(std::bit_ceil(capacity)) {
    EAGRE_CHECK(capacity > 0);
  }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  size_t capacity() const { return capacity_; }
  // Any thread; what was true a moment ago.
  size_t size() const {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    return tail <= head ? 0 : std::min<size_t>(tail - head, capacity_);
  }

  // The producer's side.

  bool Full() {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - cached_head_ < capacity_) return false;
    cached_head_ = head_.load(std::memory_order_acquire);
    return tail - cached_head_ >= capacity_;
  }
  // Adds an item; true when the consumer had taken everything before it and may be asleep: wake it.
  // REQUIRES: !Full().
  [[nodiscard]] bool Push(T item) {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    items_[tail & (items_.size() - 1)] = std::move(item);
    tail_.store(tail + 1, std::memory_order_seq_cst);
    return head_.load(std::memory_order_seq_cst) == tail;
  }
  // Asks to be woken once there is room for half of the capacity. False when room turned up meanwhile: go on pushing.
  bool AwaitRoom() {
    producer_waits_.store(true, std::memory_order_seq_cst);
    cached_head_ = head_.load(std::memory_order_seq_cst);
    if (tail_.load(std::memory_order_relaxed) - cached_head_ >= capacity_) return true;
    producer_waits_.store(false, std::memory_order_relaxed);
    return false;
  }

  // The consumer's side.

  // False when the ring is empty; the next Push then reports that the consumer must be woken.
  bool Pop(T& item) {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    if (head == cached_tail_) {
      cached_tail_ = tail_.load(std::memory_order_seq_cst);
      if (head == cached_tail_) return false;
    }
    item = std::move(items_[head & (items_.size() - 1)]);
    head_.store(head + 1, std::memory_order_seq_cst);
    return true;
  }
  // To be asked after a Pop: true when the producer waits and there is room enough now: wake it.
  [[nodiscard]] bool ProducerMayResume() {
    if (!producer_waits_.load(std::memory_order_seq_cst)) return false;
    const uint64_t used = tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_relaxed);
    if (capacity_ - used < resume_room_) return false;
    // The producer may have stopped waiting and begun again in between: it is woken after this, and then asks anew.
    producer_waits_.store(false, std::memory_order_relaxed);
    return true;
  }

 private:
  const size_t capacity_;
  const size_t resume_room_;  // waking for every single place would switch threads at every item
  std::vector<T> items_;

  alignas(kCacheLinePairBytes) std::atomic<uint64_t> tail_{0};  // written by the producer
  uint64_t cached_head_ = 0;
  alignas(kCacheLinePairBytes) std::atomic<uint64_t> head_{0};  // written by the consumer
  uint64_t cached_tail_ = 0;
  alignas(kCacheLinePairBytes) std::atomic<bool> producer_waits_{false};
};

}  // namespace eagre
