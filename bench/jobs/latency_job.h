// What the benchmark `latency` runs.
#pragma once

#include <cstdint>

#include "bench/jobs/bench_report.h"

namespace eagre::bench {

inline constexpr int64_t kTicksPerSecond = 100'000;

struct Latency {
  double p50_ms = 0;
  double p99_ms = 0;
  double p999_ms = 0;
  double max_ms = 0;
  Measured measured;
};

// How many events the benchmark takes at this scale.
int64_t LatencyEvents();

// Events at a fixed rate through a keyed shuffle at parallelism 2. Their latency counts from the moment at which each
// was due, so that an event that is late because the one before it was late counts as late.
Latency RunLatencyJob(int64_t events);

}  // namespace eagre::bench
