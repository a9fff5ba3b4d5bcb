// The entries of one state in its slot's RocksDB database. Includes nothing of RocksDB, which declares its class here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "state/entry_store.h"

namespace rocksdb {
class DB;
}  // namespace rocksdb

namespace eagre {

// `number` is the state's in the slot. `on_stall` is called whenever a Commit was refused, `on_damage` when a file
// of the database is not what was written. `database` outlives the store.
std::unique_ptr<EntryStore> NewRocksDbEntryStore(rocksdb::DB& database, uint16_t number, int max_parallelism,
                                                 std::function<void()> on_stall, std::function<void()> on_damage);

}  // namespace eagre
