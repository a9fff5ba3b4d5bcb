// Objects addressed by small numbers, which are used again; they do not move, and the pool grows in bounded steps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/chunk_memory.h"

namespace eagre {

// A freed slot keeps its object for the next user, so that strings keep their memory. Not thread-safe.
template <typename T>
class SlotPool {
 public:
  SlotPool() = default;
  ~SlotPool() {
    for (T* chunk : chunks_) std::destroy_n(chunk, kChunkSlots);
  }
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  T& operator[](uint32_t slot) { return chunks_[slot / kChunkSlots][slot % kChunkSlots]; }
  const T& operator[](uint32_t slot) const { return chunks_[slot / kChunkSlots][slot % kChunkSlots]; }

  // The slot freed last, or a new one.
  uint32_t Allocate() {
    if (free_count_ > 0) return free_[--free_count_];
    if (slots_ == free_.size()) AddRoom();
    return slots_++;
  }
  void Free(uint32_t slot) { free_[free_count_++] = slot; }
  // Starts loading the slot that Allocate returns `ahead` calls from now into the cache, if it is a freed one.
  void PrefetchFree(size_t ahead) const {
    if (ahead >= free_count_) return;
    const char* at = reinterpret_cast<const char*>(&(*this)[free_[free_count_ - 1 - ahead]]);
    __builtin_prefetch(at, 1, 3);
    __builtin_prefetch(at + sizeof(T) - 1, 1, 3);
  }
  // Makes operator[] valid for `slot`, for pools whose slots are numbered by another.
  void Cover(uint32_t slot) {
    while (chunks_.size() * kChunkSlots <= slot) AddChunk();
  }
  size_t memory_bytes() const { return chunks_.size() * kChunkSlots * sizeof(T) + free_.capacity() * sizeof(uint32_t); }

 private:
  static constexpr uint32_t kChunkSlots = 256;

  [[gnu::noinline]] void AddChunk() {
    auto* chunk = reinterpret_cast<T*>(memory_.Allocate());
    std::uninitialized_value_construct_n(chunk, kChunkSlots);
    chunks_.push_back(chunk);
  }
  [[gnu::noinline]] void AddRoom() {
    Cover(slots_);
    free_.resize(chunks_.size() * kChunkSlots);
  }

  ChunkMemory memory_{kChunkSlots * sizeof(T), std::max<size_t>(alignof(T), 16)};
  std::vector<T*> chunks_;
  std::vector<uint32_t> free_;  // with room for all slots that were allocated
  size_t free_count_ = 0;
  uint32_t slots_ = 0;
};

}  // namespace eagre
