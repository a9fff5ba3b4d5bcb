// The folders chk-<n> of a job's checkpoints, and the mark in each that is complete.
//
// The mark, `_complete`, is a copy of what the checkpoint's entry in the log says. It is made behind the entry and not
// synced, so its absence says nothing; but where it is, the log must know the checkpoint, or a newer one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"

namespace eagre {

// "chk-<n>", and n of such a name.
std::string CheckpointFolderName(int64_t checkpoint_id);
std::optional<int64_t> CheckpointIdOf(std::string_view folder);

// In the folder of a checkpoint, whose entry is in the log. Waits for the disk.
Status MarkComplete(FileSystem& files, const std::string& folder, const proto::CompletedCheckpoint& completion);

struct CheckpointFolder {
  int64_t checkpoint_id = 0;
  std::string path;
  bool marked = false;
  std::optional<proto::CompletedCheckpoint> completion;  // none: it has no mark, or one that cannot be read
};
// Those in the folder of a job, the oldest first; none when that is not there. Waits for the disk.
StatusOr<std::vector<CheckpointFolder>> ReadCheckpointFolders(FileSystem& files, const std::string& directory);

}  // namespace eagre
