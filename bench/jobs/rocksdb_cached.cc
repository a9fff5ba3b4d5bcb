// Keyed counting on RocksDB beside the memory backend, where all keys have room in memory.
#include "bench/jobs/bench_report.h"
#include "bench/jobs/rocksdb_count.h"

using namespace eagre::bench;

int main() {
  const auto keys = static_cast<uint32_t>(100'000 * Scale());
  CountJob job;
  job.keys = std::make_shared<const std::vector<uint32_t>>(
      MakeKeyStream(keys, static_cast<size_t>(20'000'000 * Scale()), /*zipf=*/false));
  job.load = keys;
  CountJob in_memory = job;
  job.memory = {.objects = int64_t{256} << 20, .write_buffers = int64_t{64} << 20, .blocks = int64_t{128} << 20};
  CompareCounts("rocksdb_cached", "memory", Rounds(7), job, [&] { return RunCountJob(in_memory); });
}
