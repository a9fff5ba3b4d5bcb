// The window of the hand-written loops: one hash map per open minute, the watermark looked at every 256 events, results
// copied into a buffer that nobody reads. This is the denominator of the ratios: it may get faster, it is never slowed.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace eagre::bench {

inline constexpr int64_t kMinuteMs = 60'000;
inline constexpr int64_t kLatenessMs = 5'000;

struct CountAndSum {
  uint64_t count = 0;
  double sum = 0;
};

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return Hash64(text); }
};
struct StringEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};
using NumberMap = absl::flat_hash_map<uint64_t, CountAndSum>;
using StringMap = absl::flat_hash_map<std::string, CountAndSum, StringHash, StringEqual>;

// Counts results and folds them into a checksum that the benchmark compares with the engine's.
struct LoopSink {
  uint64_t results = 0;
  uint64_t counted = 0;
  double sum = 0;
  void Emit(const CountAndSum& value) {
    ++results;
    counted += value.count;
    sum += value.sum;
  }
};

template <typename Map, typename Results = LoopSink>
class TumblingLoop {
 public:
  explicit TumblingLoop(Results& sink) : sink_(sink) {}

  Map& At(int64_t timestamp) {
    const int64_t start = timestamp - timestamp % kMinuteMs;
    if (start == current_start_) return *current_;
    auto window = windows_.find(start);
    if (window == windows_.end()) {
      window = windows_.emplace(start, Map()).first;
      if (!spare_.empty()) {
        window->second.swap(spare_.back());
        spare_.pop_back();
      }
    }
    current_ = &window->second;
    current_start_ = start;
    return *current_;
  }

  void Advance(int64_t watermark) {
    while (!windows_.empty() && windows_.begin()->first + kMinuteMs - 1 <= watermark) {
      auto window = windows_.begin();
      for (auto& [key, value] : window->second) {
        if (value.count > 0) sink_.Emit(value);
        value = CountAndSum{};
      }
      if (current_start_ == window->first) current_start_ = std::numeric_limits<int64_t>::min();
      spare_.push_back(std::move(window->second));
      windows_.erase(window);
    }
  }

 private:
  Results& sink_;
  std::map<int64_t, Map> windows_;
  Map* current_ = nullptr;
  int64_t current_start_ = std::numeric_limits<int64_t>::min();
  std::vector<Map> spare_;
};

}  // namespace eagre::bench
