// The job of the RocksDB benchmarks: keyed counting, and how it is measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/limit/rocksdb_loops.h"

namespace eagre::bench {

struct CountJob {
  std::shared_ptr<const std::vector<uint32_t>> keys;
  size_t load = 0;       // records that are not timed
  RocksDbMemory memory;  // zero: the memory backend
};

// Runs it in this process at parallelism 1.
RocksDbLoopResult RunCountJob(const CountJob& job);

// Bytes of memory that the engine needs for a decoded object of this job.
inline constexpr int64_t kBytesPerObject = 98;

// Engine and loop in turn; prints the line, the ratio being that of the medians.
template <typename Loop>
void CompareCounts(const char* name, const char* ratio_to, int rounds, const CountJob& job, Loop&& loop);
void PrintCounts(const char* name, const char* ratio_to, size_t records, const std::vector<RocksDbLoopResult>& engine,
                 const std::vector<RocksDbLoopResult>& loop);

template <typename Loop>
void CompareCounts(const char* name, const char* ratio_to, int rounds, const CountJob& job, Loop&& loop) {
  std::vector<RocksDbLoopResult> engine_rounds;
  std::vector<RocksDbLoopResult> loop_rounds;
  for (int i = 0; i < rounds; ++i) {
    loop_rounds.push_back(loop());
    engine_rounds.push_back(RunCountJob(job));
  }
  PrintCounts(name, ratio_to, job.keys->size() - job.load, engine_rounds, loop_rounds);
}

}  // namespace eagre::bench
