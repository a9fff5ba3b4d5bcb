// The state backends, so that a test is written once and run on each of them.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "state/rocksdb_state_backend.h"
#include "state/state_backend.h"
#include "tests/testing/map_state_backend.h"

namespace eagre {

enum class BackendKind {
  kMemory,
  kMapStore,       // above a store in memory; everything is evicted as soon as it may
  kRocksDb,        // the same above RocksDB
  kRocksDbCached,  // all stays in the cache
};

inline std::string BackendName(BackendKind kind) {
  switch (kind) {
    case BackendKind::kMemory: return "Memory";
    case BackendKind::kMapStore: return "MapStore";
    case BackendKind::kRocksDb: return "RocksDb";
    case BackendKind::kRocksDbCached: return "RocksDbCached";
  }
  return "";
}
inline void PrintTo(BackendKind kind, std::ostream* out) {
  *out << BackendName(kind);
}

// `object_bytes` is what stays in memory above a store.
inline std::unique_ptr<StateBackend> NewBackend(BackendKind kind, int64_t object_bytes = 1) {
  if (kind == BackendKind::kMemory) return std::make_unique<MemoryStateBackend>();
  if (kind == BackendKind::kMapStore) return std::make_unique<MapStateBackend>(object_bytes);
  static int number = 0;
  // There is nobody who would end a stall, so RocksDB has room enough for its own work.
  constexpr double kMemoryBytes = 64 << 20;
  const double objects = kind == BackendKind::kRocksDb ? static_cast<double>(object_bytes) : kMemoryBytes / 4;
  return NewRocksDbStateBackend({.directory = testing::TempDir(),
                                 .name = fmt::format("{}-{}", getpid(), number++),
                                 .memory_bytes = static_cast<int64_t>(kMemoryBytes),
                                 .object_cache_ratio = objects / kMemoryBytes,
                                 .write_buffer_ratio = 0.25});
}

// A random test on a backend; more seeds where they cost less.
struct RandomBackendCase {
  BackendKind backend;
  int seed;
};
inline void PrintTo(const RandomBackendCase& one, std::ostream* out) {
  *out << BackendName(one.backend) << one.seed;
}
inline std::vector<RandomBackendCase> RandomBackendCases() {
  std::vector<RandomBackendCase> cases;
  for (int seed = 0; seed < 15; ++seed) cases.push_back({BackendKind::kMemory, seed});
  for (int seed = 0; seed < 20; ++seed) cases.push_back({BackendKind::kMapStore, seed});
  for (int seed = 0; seed < 3; ++seed) cases.push_back({BackendKind::kRocksDb, seed});
  return cases;
}

}  // namespace eagre
