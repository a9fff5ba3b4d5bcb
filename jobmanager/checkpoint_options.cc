#include "jobmanager/checkpoint_options.h"

#include <string_view>

#include "base/config.h"

namespace eagre {
namespace {

constexpr const char* kIntervalKey = "execution.checkpointing.interval";
constexpr const char* kDirectoryKey = "execution.checkpointing.dir";
constexpr const char* kSavepointDirectoryKey = "execution.checkpointing.savepoint-dir";

CheckpointOptions::Retention RetentionNamed(std::string_view name) {
  if (name == "RETAIN_ON_CANCELLATION") return CheckpointOptions::Retention::kOnCancellation;
  if (name == "NO_EXTERNALIZED_CHECKPOINTS") return CheckpointOptions::Retention::kNever;
  return CheckpointOptions::Retention::kOnFailure;
}

}  // namespace

StatusOr<std::string> AbsolutePath(const std::string& text, const std::string& what) {
  std::string_view path = text;
  if (path.starts_with("file:")) {
    path.remove_prefix(std::string_view("file:").size());
    if (path.starts_with("///")) path.remove_prefix(2);
  }
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (!path.starts_with('/') || path.starts_with("//")) {
    return InvalidArgument("{}: '{}' is not a folder that all machines find; expected /path or file:///path", what,
                           text);
  }
  return std::string(path);
}

StatusOr<CheckpointOptions> CheckpointOptions::FromConfiguration(const Configuration& config) {
  CheckpointOptions options;
  options.interval_ms = config.GetDurationMs(kIntervalKey);
  options.timeout_ms = config.GetDurationMs("execution.checkpointing.timeout");
  options.min_pause_ms = config.GetDurationMs("execution.checkpointing.min-pause");
  options.tolerable_failures = config.GetInt("execution.checkpointing.tolerable-failed-checkpoints");
  options.retained = config.GetInt("execution.checkpointing.num-retained");
  options.recover_with_duplicates = config.GetBool("execution.checkpointing.recover-with-duplicates");
  options.recovers_from_local = config.GetBool("execution.state-recovery.from-local");
  options.mode = config.GetString("execution.checkpointing.mode");
  options.retention = RetentionNamed(config.GetString("execution.checkpointing.externalized-checkpoint-retention"));
  if (options.timeout_ms <= 0) {
    return InvalidArgument("execution.checkpointing.timeout is {}; a checkpoint needs some time: expected more than 0",
                           config.Text("execution.checkpointing.timeout"));
  }
  options.unaligned = config.GetBool("execution.checkpointing.unaligned.enabled");
  options.aligned_timeout_ms = config.GetDurationMs("execution.checkpointing.aligned-checkpoint-timeout");
  if (options.unaligned && options.mode != "EXACTLY_ONCE") {
    return InvalidArgument(
        "execution.checkpointing.unaligned.enabled is true, and execution.checkpointing.mode is {}: barriers that "
        "nobody waits for have nothing to overtake; set the mode to EXACTLY_ONCE, or unaligned.enabled to false",
        options.mode);
  }
  if (const std::string directory = config.GetString(kDirectoryKey); !directory.empty()) {
    EAGRE_ASSIGN_OR_RETURN(options.directory, AbsolutePath(directory, kDirectoryKey));
  } else if (options.interval_ms > 0) {
    return InvalidArgument(
        "{} is {}, but {} is not set: say in which folder, seen by all machines of the cluster, checkpoints go",
        kIntervalKey, config.Text(kIntervalKey), kDirectoryKey);
  }
  if (const std::string directory = config.GetString(kSavepointDirectoryKey); !directory.empty()) {
    EAGRE_ASSIGN_OR_RETURN(options.savepoint_directory, AbsolutePath(directory, kSavepointDirectoryKey));
  }
  return options;
}

}  // namespace eagre
