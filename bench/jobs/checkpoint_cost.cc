// What checkpoints cost: events per second over 1 % of 1 GB of state with a checkpoint every second, beside the same
// without checkpoints, and the bytes that a checkpoint writes. A line for each backend.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/stateful_run.h"

using namespace eagre::bench;

int main() {
  constexpr int64_t kHotPart = 100;
  StatefulJob job;
  job.value_bytes = 1'000;
  job.keys = std::max<int64_t>(static_cast<int64_t>(1'000'000 * Scale()), 1'000);
  job.hot = job.keys / kHotPart;
  // Once all of the state has been written by the first checkpoints.
  const auto before = std::max<int64_t>(static_cast<int64_t>(40'000'000 * Scale()), 100'000);
  job.measure_from = job.keys + before;
  job.events = job.measure_from + std::max<int64_t>(static_cast<int64_t>(100'000'000 * Scale()), 100'000);
  for (const std::string& backend : Backends()) {
    std::vector<std::string> options = {"-p", "1"};
    if (Backends().size() > 1) options.insert(options.end(), {"-D", "state.backend.type=" + backend});
    struct Round {
      StatefulReport with, without;
      double ratio() const { return with.EventsPerSecond() / without.EventsPerSecond(); }
    };
    std::vector<Round> rounds(static_cast<size_t>(Rounds(3)));
    for (Round& round : rounds) {
      round.without = RunStatefulJob(job, options, "");
      round.with = RunStatefulJob(job, options, DataFolder() + "/checkpoints");
    }
    std::sort(rounds.begin(), rounds.end(), [](const Round& a, const Round& b) { return a.ratio() < b.ratio(); });
    const Round& median = rounds[rounds.size() / 2];
    fmt::print(
        R"({{"name":"checkpoint_cost","backend":"{}","ratio":{:.3f},"ratio_to":"no checkpoints","events_per_second":{:.0f},)"
        R"("events_per_second_without":{:.0f},"checkpoints":{},"checkpoint_bytes":{},"changed_bytes":{}}})"
        "\n",
        backend, median.ratio(), median.with.EventsPerSecond(), median.without.EventsPerSecond(),
        median.with.checkpoints, median.with.checkpoint_bytes, job.hot * job.value_bytes);
  }
}
