// Key groups: the unit in which keyed state is spread over subtasks and moved when a job is rescaled. As in Flink, but
// over Eagre's frozen key hash (record/hash rules): key group = hash % max parallelism.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace eagre {

inline constexpr int kMaxMaxParallelism = 32768;

inline int KeyGroupOf(uint64_t key_hash, int max_parallelism) {
  return static_cast<int>(key_hash % static_cast<uint64_t>(max_parallelism));
}

inline int SubtaskOfKeyGroup(int key_group, int parallelism, int max_parallelism) {
  return key_group * parallelism / max_parallelism;
}

// Flink's default: the next power of two of 1.5 p, between 128 and 32768.
inline int DefaultMaxParallelism(int parallelism) {
  const auto wanted = static_cast<uint32_t>(parallelism + parallelism / 2);
  return std::clamp(static_cast<int>(std::bit_ceil(std::max(wanted, 1u))), 128, kMaxMaxParallelism);
}

}  // namespace eagre
