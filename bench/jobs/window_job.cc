// The job of the window benchmarks as a library: one-minute count and sum by 100 k users, dropped.
//   --json FILE    transactions of 300 bytes, or
//   --events N     so many records of three numbers
#include <chrono>
#include <string>

#include <eagre/eagre.h>

#include "bench/jobs/window_result.h"
#include "bench/limit/loops.h"
#include "bench/limit/transaction.h"

namespace eagre::bench {
EAGRE_RECORD(BinaryTransaction, user, timestamp, amount);
}  // namespace eagre::bench

using namespace eagre;
using namespace eagre::bench;

EAGRE_JOB(job, args) {
  const auto totals = std::make_shared<CheckingSink::Totals>();
  if (args.Has("json")) {
    return WindowInto(job.Read(NdjsonFiles<Transaction>(args.Get("json"))), &Transaction::user_id, totals);
  }
  WindowInto(job.Read(Generate<BinaryTransaction>(args.GetInt("events", 1'000'000),
                                                  [](int64_t i, BinaryTransaction& record) {
                                                    record = BinaryTransactionAt(static_cast<uint64_t>(i), 100'000);
                                                  })),
             &BinaryTransaction::user, totals);
}
