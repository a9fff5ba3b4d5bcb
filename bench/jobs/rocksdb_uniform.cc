// Keyed counting on RocksDB, 10 M keys in no order: nearly every record is a read and a write of the database.
#include "bench/jobs/bench_report.h"
#include "bench/jobs/rocksdb_count.h"

using namespace eagre::bench;

int main() {
  const auto keys = static_cast<uint32_t>(10'000'000 * Scale());
  CountJob job;
  job.keys = std::make_shared<const std::vector<uint32_t>>(
      MakeKeyStream(keys, keys + static_cast<size_t>(3'000'000 * Scale()), /*zipf=*/false));
  job.load = keys;
  job.memory = {.objects = int64_t{4} << 20, .write_buffers = int64_t{256} << 20, .blocks = int64_t{512} << 20};
  CompareCounts("rocksdb_uniform", "loop", Rounds(3), job,
                [&] { return RunRocksDbBatchLoop(*job.keys, job.load, job.memory, DataFolder()); });
}
