#include "state/state_backend_factory.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/machine_memory.h"
#include "base/random.h"
#include "state/rocksdb_state_backend.h"

namespace eagre {
namespace {

constexpr int64_t kMachineShareTenths = 4;
constexpr const char* kObjectCacheKey = "state.backend.rocksdb.memory.object-cache-ratio";
constexpr const char* kWriteBufferKey = "state.backend.rocksdb.memory.write-buffer-ratio";
constexpr double kRounding = 1e-9;  // of decimals that are 1 together

}  // namespace

int64_t SlotMemoryBytes(const Configuration& config, int slots) {
  int64_t bytes = config.GetBytes("taskmanager.memory.managed.size");
  if (bytes == 0) bytes = MachineMemoryBytes() / 10 * kMachineShareTenths;
  return std::max<int64_t>(1, bytes / std::max(1, slots));
}

Status CheckMemoryShares(const Configuration& config) {
  const double sum = config.GetDouble(kObjectCacheKey) + config.GetDouble(kWriteBufferKey);
  if (sum <= 1 + kRounding) return OkStatus();
  return InvalidArgument(
      "'{}' ({}, {}) and '{}' ({}, {}) are {:.4g} together; expected at most 1, the whole of a slot's memory: lower "
      "one of them",
      kObjectCacheKey, config.Text(kObjectCacheKey), config.Origin(kObjectCacheKey), kWriteBufferKey,
      config.Text(kWriteBufferKey), config.Origin(kWriteBufferKey), sum);
}

std::unique_ptr<StateBackend> NewStateBackend(StateBackendSettings settings) {
  const Configuration& config = *settings.config;
  std::unique_ptr<StateBackend> backend;
  if (config.GetString("state.backend.type") == "rocksdb") {
    RocksDbOptions options;
    options.directory = config.GetString("state.backend.rocksdb.localdir");
    if (options.directory.empty()) options.directory = settings.work_directory;
    if (options.directory.empty()) options.directory = config.GetString("eagre.work.dir");
    options.name = NewHexId(*NewSystemRandom());
    options.memory_bytes = settings.memory_bytes;
    options.object_cache_ratio = config.GetDouble(kObjectCacheKey);
    options.write_buffer_ratio = config.GetDouble(kWriteBufferKey);
    options.timers = config.GetString("state.backend.rocksdb.timer-service.factory") == "ROCKSDB";
    options.post_after = std::move(settings.post_after);
    options.metrics = settings.metrics;
    options.labels = settings.labels;
    backend = NewRocksDbStateBackend(std::move(options));
  } else {
    backend = std::make_unique<MemoryStateBackend>(settings.memory_bytes);
  }
  if (settings.metrics == nullptr) return backend;
  settings.metrics
      ->AddGauge("flink_taskmanager_job_slot_stateMemoryLimit", settings.labels,
                 "Bytes of objects that keyed state may hold in memory")
      .Set(static_cast<double>(backend->limit_bytes()));
  backend->set_used_gauge(&settings.metrics->AddGauge("flink_taskmanager_job_slot_stateMemoryUsed", settings.labels,
                                                      "Bytes of objects of keyed state in memory"));
  return backend;
}

}  // namespace eagre
