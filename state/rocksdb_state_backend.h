// Keyed state in RocksDB: one database per slot, in a folder of its own that is worthless once the slot has ended.
//
// All states of the slot share one column family, since none of them needs other options. A key is the key group (2
// bytes, big-endian), the number of the state in this slot (2 bytes, big-endian) and the key of the entry; a value is
// the epoch (4), the hash (8) and the value of the entry. Stores of timers have one key group, so that one scan has all
// of them in their order. There is no write-ahead log: what is lost with the process is in checkpoints.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/status.h"
#include "state/state_backend.h"

namespace eagre {

struct RocksDbOptions {
  std::string directory;     // below it the database gets a folder
  std::string name;          // of that folder; unique among those of live processes
  int64_t memory_bytes = 0;  // for everything
  // Parts of the memory: decoded objects, and what is not written to files yet. The rest is for blocks of files.
  double object_cache_ratio = 0.4;
  double write_buffer_ratio = 0.3;
  bool timers = true;  // keeps timers too
  // Runs `mail` on the slot's thread after about `delay_ms`. Null, in tests: a stall ends by EndStall.
  std::function<void(int64_t delay_ms, std::function<void()> mail)> post_after;
  MetricRegistry* metrics = nullptr;  // null: none
  MetricLabels labels;
};

// The database is opened when the first state asks for its store, which fails, naming the folder, when there can be
// none.
std::unique_ptr<StateBackend> NewRocksDbStateBackend(RocksDbOptions options);

}  // namespace eagre
