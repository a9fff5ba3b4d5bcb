// The job of the window benchmarks as a library: one-minute count and sum by 100 k users, dropped.
//   --json FILES   transactions of 300 bytes; where their times begin anew, they go on behind the latest, or
//   --events N     so many records of three numbers
#include <algorithm>
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

namespace {

// Moves the times of a file that is read again behind those of the time before.
class OneTimeLine {
 public:
  void operator()(Transaction& transaction) {
    constexpr int64_t kStepBackMs = 60'000;  // more than events are out of order
    if (transaction.timestamp + offset_ms_ < latest_ms_ - kStepBackMs) offset_ms_ = latest_ms_ - transaction.timestamp;
    transaction.timestamp += offset_ms_;
    latest_ms_ = std::max(latest_ms_, transaction.timestamp);
  }

 private:
  int64_t offset_ms_ = 0;
  int64_t latest_ms_ = 0;
};

}  // namespace

EAGRE_JOB(job, args) {
  const auto totals = std::make_shared<CheckingSink::Totals>();
  if (args.Has("json")) {
    return WindowInto(job.Read(NdjsonFiles<Transaction>(args.Get("json"))).Map(OneTimeLine()), &Transaction::user_id,
                      totals);
  }
  WindowInto(job.Read(Generate<BinaryTransaction>(args.GetInt("events", 1'000'000),
                                                  [](int64_t i, BinaryTransaction& record) {
                                                    record = BinaryTransactionAt(static_cast<uint64_t>(i), 100'000);
                                                  })),
             &BinaryTransaction::user, totals);
}
