// Keyed counting on RocksDB, keys by Zipf's law, with memory for a tenth of them as decoded objects.
#include "bench/jobs/bench_report.h"
#include "bench/jobs/rocksdb_count.h"

using namespace eagre::bench;

int main() {
  const auto keys = static_cast<uint32_t>(1'000'000 * Scale());
  CountJob job;
  job.keys = std::make_shared<const std::vector<uint32_t>>(MakeKeyStream(keys, size_t{keys} * 5, /*zipf=*/true));
  job.load = size_t{keys} * 2;
  const size_t slots = keys / 10;
  job.memory = {.objects = static_cast<int64_t>(slots) * kBytesPerObject,
                .write_buffers = int64_t{256} << 20,
                .blocks = int64_t{512} << 20};
  CompareCounts("rocksdb_zipf", "loop", Rounds(3), job,
                [&] { return RunRocksDbCacheLoop(*job.keys, job.load, slots, job.memory, DataFolder()); });
}
