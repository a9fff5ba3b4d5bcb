// End-to-end latency at 100 k events a second through a keyed shuffle with 200 MB of state and exactly-once checkpoints
// every second, counted from the moment at which each event was due; a line for each backend.
#include <fmt/format.h>

#include <algorithm>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/stateful_run.h"

using namespace eagre::bench;

int main() {
  constexpr int64_t kRate = 100'000;
  StatefulJob job;
  job.value_bytes = 100;
  job.keys = std::max<int64_t>(static_cast<int64_t>(2'000'000 * Scale()), 1'000);
  job.rate = kRate;
  job.measure_from = job.keys;
  job.events = job.keys + std::max<int64_t>(static_cast<int64_t>(kRate * 10 * Scale()), kRate / 5);
  for (const std::string& backend : Backends()) {
    std::vector<std::string> options = {"-p", "2"};
    if (Backends().size() > 1) options.insert(options.end(), {"-D", "state.backend.type=" + backend});
    const StatefulReport report = RunStatefulJob(job, options, DataFolder() + "/checkpoints");
    fmt::print(R"({{"name":"latency_checkpointed","backend":"{}","ratio":{:.3f},"ratio_to":"the aim of 5 ms at p99.9",)"
               R"("p50_ms":{:.3f},"p99_ms":{:.3f},"p999_ms":{:.3f},"max_ms":{:.3f},"events":{},"checkpoints":{},{}}})"
               "\n",
               backend, report.LatencyMs(0.999) / 5.0, report.LatencyMs(0.5), report.LatencyMs(0.99),
               report.LatencyMs(0.999), report.LatencyMs(1.0), report.events, report.checkpoints,
               PauseFields(report.pauses));
  }
}
