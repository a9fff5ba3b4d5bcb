// NDJSON of 300-byte transactions, all 14 fields decoded -> key by user (100 k) -> one-minute count and sum -> dropped.
#include "bench/jobs/bench_report.h"
#include "bench/jobs/window_result.h"
#include "bench/limit/loops.h"
#include "bench/limit/transaction.h"

using namespace eagre;
using namespace eagre::bench;

int main() {
  const auto events = static_cast<int64_t>(4'000'000 * Scale());
  const std::string path = DataFolder() + "/transactions.ndjson";
  WriteTransactions(path, events);
  LoopSink loop_result;
  for (const int parallelism : {1, 2}) {
    const Comparison comparison = Compare(
        5,
        [&] {
          RunWindowJob(NdjsonFiles<Transaction>(path), &Transaction::user_id, parallelism, loop_result);
          return events;
        },
        [&] {
          loop_result = RunJsonWindowLoop(path, parallelism);
          return events;
        });
    PrintLine("json_window", "loop", parallelism, comparison);
  }
}
