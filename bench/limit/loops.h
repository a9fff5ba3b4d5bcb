// The hand-written loops that do the same work on the same bytes as the whole-job benchmarks, each as fast as we can
// write it by hand for one thread (or two).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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

// `count` records of `users` users, 50 events per millisecond, up to 4 s out of order.
std::vector<BinaryTransaction> MakeBinaryTransactions(size_t count, uint64_t users);
LoopSink RunBinaryWindowLoop(const std::vector<BinaryTransaction>& records, int threads);

struct ChainRecord {
  int64_t a = 0, b = 0, c = 0, d = 0;
};
// Four operators (map, filter, map, filter), one virtual call per operator and batch of 1024 records; returns a
// checksum.
int64_t RunChainLoop(int64_t count);

}  // namespace eagre::bench
