// Makes the state backend of a slot from the job's configuration.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "state/state_backend.h"

namespace eagre {

// What state may take of one of `slots` slots: taskmanager.memory.managed.size, or without it four tenths of the
// memory of the machine, or of its control group's limit, divided by them.
int64_t SlotMemoryBytes(const Configuration& config, int slots);

// Whether the shares of a slot's memory that the configuration gives to RocksDB are no more than the whole.
Status CheckMemoryShares(const Configuration& config);

struct StateBackendSettings {
  const Configuration* config = nullptr;  // the job's
  int64_t memory_bytes = 0;               // of the slot
  std::string work_directory;             // for files that need not outlive the process; empty: eagre.work.dir
  MetricRegistry* metrics = nullptr;      // null: none
  MetricLabels labels;
  // Runs `mail` on the slot's thread after about `delay_ms`.
  std::function<void(int64_t delay_ms, std::function<void()> mail)> post_after;
};

// As state.backend.type says. Opens nothing yet.
std::unique_ptr<StateBackend> NewStateBackend(StateBackendSettings settings);

}  // namespace eagre
