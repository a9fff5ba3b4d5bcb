// When the background removal of expired state goes on, and where.
//
// It passes over all rows in memory and then over all entries of the store, again and again, in steps. A step looks at
// a bounded number of them, and between two steps there is time for records, however much there is to remove. Where
// that allows it, a pass over memory takes at most a quarter of the shortest time to live, or ten minutes if that is
// less, and one over the store up to an hour. Nothing is looked at before something may have expired: a pass notes when
// the next thing will, and what comes meanwhile lives at least as long as the shortest time to live.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace eagre {

// A plain value. Times are milliseconds of the operator's clock.
class ExpirySweep {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  static constexpr size_t kRowsPerStep = 1024;
  static constexpr size_t kEntriesPerStep = 512;

  // `shortest_ttl_ms` of several states; kNever: nothing ever expires. There is nothing yet.
  void Open(int64_t shortest_ttl_ms, int64_t now_ms) {
    ttl_ms_ = shortest_ttl_ms;
    next_ms_ = After(now_ms, ttl_ms_);
  }
  // There is something, of unknown age.
  void BeginAnew(int64_t now_ms) {
    if (ttl_ms_ != kNever) next_ms_ = now_ms;
  }

  // When the next step is due.
  int64_t next_ms() const { return next_ms_; }
  // Something was seen that expires then.
  void Note(int64_t used_ms, int64_t ttl_ms) { earliest_ms_ = std::min(earliest_ms_, After(used_ms, ttl_ms)); }

  // Where the pass goes on: a row of memory, or an entry of the store.
  size_t row = 0;
  bool in_store = false;
  std::string entry;

  void BeginStep(int64_t now_ms) {
    if (in_pass_) return;
    in_pass_ = true;
    began_ms_ = now_ms;
    earliest_ms_ = kNever;
  }
  // `now_ms` is that after the step; `all` is how many rows there are in memory, or entries in the store, where it is.
  void EndStep(size_t all, int64_t now_ms) {
    next_ms_ = now_ms + (in_store ? Pause(kEntriesPerStep, all, kLongestInStoreMs, kLeastInStoreMs, kMostInStoreMs)
                                  : Pause(kRowsPerStep, all, kLongestMs, kLeastMs, kMostMs));
  }
  void EnterStore(int64_t now_ms) {
    in_store = true;
    next_ms_ = now_ms + kLeastMs;
  }
  void EndPass(int64_t now_ms) {
    row = 0;
    in_store = false;
    entry.clear();
    in_pass_ = false;
    const int64_t earliest = std::min(earliest_ms_, After(began_ms_, ttl_ms_));
    next_ms_ = std::max({earliest, began_ms_ + std::clamp(ttl_ms_ / 10, kLeastMs, kMostBetweenPassesMs), now_ms + 1});
  }

 private:
  // Between two steps.
  static constexpr int64_t kLeastMs = 1;
  static constexpr int64_t kMostMs = 100;
  static constexpr int64_t kLeastInStoreMs = 2;
  static constexpr int64_t kMostInStoreMs = 1000;
  static constexpr int64_t kMostBetweenPassesMs = 1000;
  static constexpr int64_t kLongestMs = 10 * 60 * 1000;
  static constexpr int64_t kLongestInStoreMs = 60 * 60 * 1000;

  static int64_t After(int64_t time_ms, int64_t duration_ms) {
    return duration_ms > kNever - std::max<int64_t>(time_ms, 0) ? kNever : time_ms + duration_ms;
  }
  int64_t Pause(size_t step, size_t all, int64_t longest_ms, int64_t least_ms, int64_t most_ms) const {
    const auto pass_ms = static_cast<double>(std::min(ttl_ms_ / 4, longest_ms));
    const double pause_ms = pass_ms * static_cast<double>(step) / static_cast<double>(std::max(all, step));
    return std::clamp(static_cast<int64_t>(pause_ms), least_ms, most_ms);
  }

  int64_t ttl_ms_ = kNever;
  int64_t next_ms_ = kNever;
  bool in_pass_ = false;
  int64_t began_ms_ = 0;
  int64_t earliest_ms_ = kNever;
};

}  // namespace eagre
