// How Eagre's RocksDB databases are set up. Includes RocksDB: for the backend, and for what is to be compared with it.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/options.h>

#include <cstdint>
#include <memory>

namespace eagre {

// `write_buffer_bytes` of what is not in files yet is accounted in `cache`, the rest of which holds blocks of files.
rocksdb::Options RocksDbDatabaseOptions(int64_t write_buffer_bytes, std::shared_ptr<rocksdb::Cache> cache);

}  // namespace eagre
