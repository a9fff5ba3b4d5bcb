// Keyed counting on RocksDB by hand: what there is to be had from the same database, set up in the same way, without an
// engine around it. These are denominators: they may get faster, they are never slowed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace eagre::bench {

// What is kept of each key: 32 bytes, as in the jobs.
struct KeyCount {
  uint64_t count = 0;
  double sum = 0;
  int64_t least = 0;
  int64_t most = 0;
};

// Memory in bytes, as a slot of the engine divides it.
struct RocksDbMemory {
  int64_t objects = 0;
  int64_t write_buffers = 0;
  int64_t blocks = 0;  // the write buffers included
};

struct RocksDbLoopResult {
  double seconds = 0;      // from the `load`-th key on
  double cpu_seconds = 0;  // of the process
  uint64_t counted = 0;
};

// Counts keys in a new database below `folder`; the first `load` of them are not timed.
// A CLOCK over `slots` decoded values, each of which is written when it is dropped.
RocksDbLoopResult RunRocksDbCacheLoop(const std::vector<uint32_t>& keys, size_t load, size_t slots,
                                      const RocksDbMemory& memory, const std::string& folder);
// Batches of 1024: one MultiGet, one WriteBatch.
RocksDbLoopResult RunRocksDbBatchLoop(const std::vector<uint32_t>& keys, size_t load, const RocksDbMemory& memory,
                                      const std::string& folder);

// `count` keys of [0, keys): first each once in random order, then at random, uniform or by Zipf's law (0.99).
std::vector<uint32_t> MakeKeyStream(uint32_t keys, size_t count, bool zipf);

double ProcessCpuSeconds();
double WallSeconds();

}  // namespace eagre::bench
