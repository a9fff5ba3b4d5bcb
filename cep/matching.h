// What the matchers of all forms of a key's matches take and give.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "cep/automaton.h"
#include "cep/cell_arena.h"

namespace eagre::cep {

struct MatchedEvent {
  StageId stage;
  int64_t timestamp;
  std::string_view bytes;  // encoded
};

// The events of a match or of a partial one, oldest first. Valid during the call that it is handed to.
using MatchedEvents = std::vector<MatchedEvent>;

// Who hears of matches. May throw.
class MatchListener {
 public:
  virtual ~MatchListener() = default;
  virtual void OnMatch(const MatchedEvents& events) = 0;
  // A partial match whose window ended; `timestamp` is when.
  virtual void OnTimeOut(const MatchedEvents& events, int64_t timestamp) = 0;
  // A partial match that was given up, since there were more than allowed.
  virtual void OnDropped(const MatchedEvents& events) = 0;
};

// What becomes of partial matches beyond the limit.
enum class OverflowPolicy : uint8_t {
  kFail,
  kDropOldest,  // of the key at hand, those that started first
  kDropNewest,
};

struct MatcherOptions {
  bool report_timeouts = false;
  // 0: no limit.
  uint64_t max_partials_per_key = 0;
  uint64_t max_partials = 0;  // over all keys of this matcher
  OverflowPolicy overflow = OverflowPolicy::kFail;
  // A graph of more cells than this (cep/cell_arena.h) goes to pages of 1 << page_shift cells.
  uint32_t cells_in_row = 512;
  uint32_t page_shift = CellArena::kPageShift;
};

struct MatcherMetrics {
  uint64_t matches = 0;
  uint64_t timeouts = 0;
  uint64_t dropped = 0;
  uint64_t evaluations = 0;  // of conditions
  int64_t partials = 0;      // live; those of restored keys only when they were counted
};

// Of state that holds a partial match in a state that the pattern does not have.
Status ForeignState();

// Whether a window that began at `since` is over.
inline bool HasPassed(int64_t since, int64_t window_ms, int64_t now) {
  return now >= since && static_cast<uint64_t>(now) - static_cast<uint64_t>(since) >= static_cast<uint64_t>(window_ms);
}

// When a window ends that begins at `start`; saturates.
inline int64_t EndOf(int64_t start, int64_t window_ms) {
  int64_t end;
  return __builtin_add_overflow(start, window_ms, &end) ? std::numeric_limits<int64_t>::max() : end;
}

}  // namespace eagre::cep
