// What the configuration says about a job's checkpoints: the keys execution.checkpointing.*.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace eagre {

class Configuration;

struct CheckpointOptions {
  // What becomes of the checkpoints of a job that has ended. Those of a finished one are deleted.
  enum class Retention : uint8_t { kNever, kOnFailure, kOnCancellation };

  std::string directory;  // of all jobs' checkpoints, absolute; empty: the job takes none
  std::string savepoint_directory;
  std::string mode;
  int64_t interval_ms = 0;  // 0: only those that are asked for
  int64_t timeout_ms = 600'000;
  int64_t min_pause_ms = 0;
  int64_t tolerable_failures = 0;
  int64_t retained = 1;
  bool unaligned = false;
  int64_t aligned_timeout_ms = 0;  // of unaligned ones
  Retention retention = Retention::kOnFailure;
  bool recover_with_duplicates = false;
  bool recovers_from_local = false;  // TaskManagers keep copies of the state, and get their subtasks back

  // Reads the job's effective configuration. INVALID_ARGUMENT names the key: an interval without a folder, a folder
  // that is no absolute path, unaligned checkpoints that are not exactly once.
  static StatusOr<CheckpointOptions> FromConfiguration(const Configuration& config);
};

// "/path" of "file:///path", "file:/path" or "/path". INVALID_ARGUMENT, naming `what`, for anything else.
StatusOr<std::string> AbsolutePath(const std::string& text, const std::string& what);

}  // namespace eagre
