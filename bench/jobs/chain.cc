// Four map and filter operators, chained, on 32-byte records.
#include <cstdio>
#include <cstdlib>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/chain_job.h"
#include "bench/limit/loops.h"

using namespace eagre::bench;

int main() {
  const auto events = static_cast<int64_t>(100'000'000 * Scale());
  int64_t expected = 0;
  const Comparison comparison = Compare(
      7,
      [&] {
        if (const int64_t sum = RunChainJob(events); sum != expected) {
          std::fprintf(stderr, "checksum %lld, expected %lld\n", static_cast<long long>(sum),
                       static_cast<long long>(expected));
          std::exit(1);
        }
        return events;
      },
      [&] {
        expected = RunChainLoop(events);
        return events;
      });
  PrintLine("chain", "loop with one virtual call per batch and operator", 1, comparison);
}
