// End-to-end latency at 100 k events a second through a keyed shuffle.
#include <fmt/format.h>

#include "bench/jobs/latency_job.h"

using namespace eagre::bench;

int main() {
  const Latency latency = RunLatencyJob(LatencyEvents());
  fmt::print(
      R"({{"name":"latency","ratio":{:.3f},"ratio_to":"the aim of 5 ms at p99.9","p50_ms":{:.3f},"p99_ms":{:.3f},)"
      R"("p999_ms":{:.3f},"max_ms":{:.3f},"events_per_second":{:.0f},"events_per_core_second":{:.0f},"parallelism":2}})"
      "\n",
      latency.p999_ms / 5.0, latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms,
      latency.measured.EventsPerSecond(), latency.measured.EventsPerCoreSecond());
}
