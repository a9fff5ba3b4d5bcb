// Time as an interface, so that a simulated cluster runs on virtual time.
#pragma once

#include <cstdint>

namespace eagre {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since the Unix epoch: what users see and what processing-time timers use.
  virtual int64_t NowMs() const = 0;
  // Nanoseconds of a clock that never goes back: for durations and deadlines.
  virtual int64_t MonotonicNs() const = 0;
};

// The machine's clock. Lives for the whole process.
const Clock& SystemClock();

}  // namespace eagre
