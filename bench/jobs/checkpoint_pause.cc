// The longest pause of a slot that holds 1 GB of state and checkpoints it every second: the largest lateness of events
// that come at a rate far below what the slot can do, beside the same without checkpoints. A line for each backend.
#include <fmt/format.h>

#include <algorithm>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/stateful_run.h"

using namespace eagre::bench;

int main() {
  constexpr int64_t kRate = 100'000;
  StatefulJob job;
  job.value_bytes = 1'000;
  job.keys = std::max<int64_t>(static_cast<int64_t>(1'000'000 * Scale()), 1'000);
  job.rate = kRate;
  job.measure_from = job.keys;
  job.events = job.keys + std::max<int64_t>(static_cast<int64_t>(kRate * 8 * Scale()), kRate / 5);
  for (const std::string& backend : Backends()) {
    std::vector<std::string> options = {"-p", "1"};
    if (Backends().size() > 1) options.insert(options.end(), {"-D", "state.backend.type=" + backend});
    const StatefulReport without = RunStatefulJob(job, options, "");
    const StatefulReport with = RunStatefulJob(job, options, DataFolder() + "/checkpoints");
    fmt::print(
        R"({{"name":"checkpoint_pause","backend":"{}","ratio":{:.3f},"ratio_to":"the aim of 5 ms","max_ms":{:.3f},)"
        R"("p999_ms":{:.3f},"p99_ms":{:.3f},"max_ms_without":{:.3f},"p999_ms_without":{:.3f},"checkpoints":{},)"
        R"("checkpoint_bytes":{},{}}})"
        "\n",
        backend, with.LatencyMs(1.0) / 5.0, with.LatencyMs(1.0), with.LatencyMs(0.999), with.LatencyMs(0.99),
        without.LatencyMs(1.0), without.LatencyMs(0.999), with.checkpoints, with.checkpoint_bytes,
        PauseFields(with.pauses));
  }
}
