// Runs of stateful_job and what they report.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/jobs/pause_meter.h"

namespace eagre::bench {

// What the sink of a subtask writes, before the latencies in microseconds, as floats.
struct StatefulReportHead {
  int64_t events = 0;
  int64_t first_ns = 0;
  int64_t last_ns = 0;
  Pauses pauses;
};

struct StatefulJob {
  int64_t keys = 1000;
  int64_t value_bytes = 100;
  int64_t hot = 0;  // 0: all keys
  int64_t events = 0;
  int64_t rate = 0;
  int64_t measure_from = 0;
  std::string report;  // path
  std::string marks;   // path; empty: none

  // What follows `run` and its options: the library and its arguments.
  std::vector<std::string> Arguments() const;
};

struct StatefulReport {
  int64_t events = 0;
  double seconds = 0;               // from the first event that counts to the last
  std::vector<float> microseconds;  // latencies, sorted; empty for a job without a rate
  Pauses pauses;                    // of the slots' threads; for a job with a rate
  int64_t checkpoints = 0;          // complete ones
  int64_t checkpoint_bytes = 0;     // written for the median one of those taken while it was measured
  double EventsPerSecond() const { return static_cast<double>(events) / seconds; }
  double LatencyMs(double part) const;
};

// `eagre run` in a process of its own with these options (-p, -D). Ends the benchmark when it fails.
// `checkpoints`: folder for its checkpoints, every second; empty: it takes none.
StatefulReport RunStatefulJob(StatefulJob job, std::vector<std::string> options, const std::string& checkpoints);

// The fields of a line that say what the pauses were.
std::string PauseFields(const Pauses& pauses);

// Of `state.backend.type` that this Eagre has. EAGRE_BENCH_BACKEND: only this one.
std::vector<std::string> Backends();

}  // namespace eagre::bench
