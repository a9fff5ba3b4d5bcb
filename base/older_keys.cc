#include "base/older_keys.h"

#include <algorithm>

namespace eagre {
namespace {

constexpr OlderKey kOlderKeys[] = {
    {"akka.watch.heartbeat.interval", "heartbeat.interval"},
    {"akka.watch.heartbeat.pause", "heartbeat.timeout"},
    {"execution-retries.default", "restart-strategy.fixed-delay.attempts"},
    {"execution-retries.delay", "restart-strategy.fixed-delay.delay"},
    {"execution.buffer-timeout", "execution.buffer-timeout.interval"},
    {"execution.checkpointing.alignment-timeout", "execution.checkpointing.aligned-checkpoint-timeout"},
    {"execution.checkpointing.local-backup.enabled", "execution.state-recovery.from-local"},
    {"execution.checkpointing.unaligned", "execution.checkpointing.unaligned.enabled"},
    {"high-availability.zookeeper.storageDir", "high-availability.storageDir"},
    {"io.tmp.dirs", "eagre.work.dir"},
    {"recovery.zookeeper.storageDir", "high-availability.storageDir"},
    {"restart-strategy", "restart-strategy.type"},
    {"savepoints.state.backend.fs.dir", "execution.checkpointing.savepoint-dir"},
    {"state.backend", "state.backend.type"},
    {"state.backend.fs.checkpointdir", "execution.checkpointing.dir"},
    {"state.backend.local-recovery", "execution.state-recovery.from-local"},
    {"state.backend.rocksdb.checkpointdir", "state.backend.rocksdb.localdir"},
    {"state.checkpoints.dir", "execution.checkpointing.dir"},
    {"state.checkpoints.num-retained", "execution.checkpointing.num-retained"},
    {"state.savepoints.dir", "execution.checkpointing.savepoint-dir"},
    {"taskmanager.maxRegistrationDuration", "taskmanager.registration.timeout"},
    {"taskmanager.memory.size", "taskmanager.memory.managed.size"},
    {"taskmanager.tmp.dirs", "eagre.work.dir"},
};

}  // namespace

std::span<const OlderKey> OlderKeys() {
  return kOlderKeys;
}

std::string_view KeyOfOlderName(std::string_view name) {
  const auto* found = std::find_if(std::begin(kOlderKeys), std::end(kOlderKeys),
                                   [name](const OlderKey& older) { return older.name == name; });
  return found == std::end(kOlderKeys) ? std::string_view() : found->key;
}

}  // namespace eagre
