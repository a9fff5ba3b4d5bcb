// The hand-written loops that do the same work on the same bytes as the whole-job benchmarks, each as fast as we can
// write it by hand for one thread (or two).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "bench/limit/tumbling_loop.h"

namespace eagre::bench {

// NDJSON file, all 14 fields of each line -> one-minute count and sum by user. With two threads each takes every other
// mebibyte, and a shared window is guarded by partitioning the users over two tables that each thread fills through a
// queue of batches to the table's owner.
LoopSink RunJsonWindowLoop(const std::string& path, int threads);

struct BinaryTransaction {
  uint64_t user = 0;
  int64_t timestamp = 0;
  double amount = 0;
};

// Record `i` of `users` users, 50 events per millisecond, up to 4 s out of order.
inline BinaryTransaction BinaryTransactionAt(uint64_t i, uint64_t users) {
  const uint64_t r = MixInt64(i);
  return {MixInt64(r % users + 1),
          1'700'000'000'000 + static_cast<int64_t>(i / 50) - static_cast<int64_t>(MixInt64(r) % 4000),
          static_cast<double>(r >> 40) / 16384.0};
}
std::vector<BinaryTransaction> MakeBinaryTransactions(size_t count, uint64_t users);
LoopSink RunBinaryWindowLoop(const std::vector<BinaryTransaction>& records, int threads);

struct ChainRecord {
  int64_t a = 0, b = 0, c = 0, d = 0;
};
// Four operators (map, filter, map, filter), one virtual call per operator and batch of 1024 records; returns a
// checksum.
int64_t RunChainLoop(int64_t count);

}  // namespace eagre::bench
