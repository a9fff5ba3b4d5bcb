// Records of three numbers from memory -> key by user (100 k) -> one-minute count and sum -> dropped.
#include "bench/jobs/bench_report.h"
#include "bench/jobs/window_result.h"
#include "bench/limit/loops.h"

namespace eagre::bench {
EAGRE_RECORD(BinaryTransaction, user, timestamp, amount);
}  // namespace eagre::bench

using namespace eagre;
using namespace eagre::bench;

int main() {
  const auto events = static_cast<int64_t>(24'000'000 * Scale());
  const auto records = std::make_shared<const std::vector<BinaryTransaction>>(
      MakeBinaryTransactions(static_cast<size_t>(events), 100'000));
  LoopSink loop_result;
  for (const int parallelism : {1, 2}) {
    const Comparison comparison = Compare(
        7,
        [&] {
          RunWindowJob(FromMemory(records), &BinaryTransaction::user, parallelism, loop_result);
          return events;
        },
        [&] {
          loop_result = RunBinaryWindowLoop(*records, parallelism);
          return events;
        });
    PrintLine("binary_window", "loop", parallelism, comparison);
  }
}
