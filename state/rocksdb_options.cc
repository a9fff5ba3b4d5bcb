#include "state/rocksdb_options.h"

#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <utility>

namespace eagre {
namespace {

constexpr int64_t kLargestWriteBuffer = int64_t{64} << 20;
constexpr int64_t kSmallestWriteBuffer = int64_t{64} << 10;
// Write buffers that are full and wait for being written to files, and the one that is being filled.
constexpr int kWriteBuffers = 4;

// RocksDB's own log says nothing that a user of Eagre could act on.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

rocksdb::Options RocksDbDatabaseOptions(int64_t write_buffer_bytes, std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.info_log = std::make_shared<NoLog>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_background_jobs = 2;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = rocksdb::kNoCompression;
  options.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(static_cast<size_t>(write_buffer_bytes), cache);
  options.write_buffer_size =
      static_cast<size_t>(std::clamp(write_buffer_bytes / kWriteBuffers, kSmallestWriteBuffer, kLargestWriteBuffer));
  options.max_write_buffer_number = kWriteBuffers;
  options.arena_block_size = std::min<size_t>(options.write_buffer_size / 8, size_t{1} << 20);
  // One thread writes.
  options.allow_concurrent_memtable_write = false;
  options.enable_write_thread_adaptive_yield = false;
  // Write buffers and files that a reader is the last to use are given back by a thread of RocksDB, not by the slot.
  options.avoid_unnecessary_blocking_io = true;
  // Most keys that are asked for and not there are new ones. A new write buffer clears its filter at once, so that a
  // larger one would be felt; this has ten bits for an entry of 50 bytes.
  options.memtable_whole_key_filtering = true;
  options.memtable_prefix_bloom_size_ratio = 0.025;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace eagre
