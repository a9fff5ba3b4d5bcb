// Whether a job can go on from a savepoint or checkpoint, found out before anything of it runs.
#pragma once

#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/graph.pb.h"

namespace eagre {

// The metadata at `path`, whose files are all there in full length; what they hold is verified when it is read. Waits
// for the disk. The failure says what is missing or damaged.
StatusOr<proto::CheckpointMetadata> ReadRestorePoint(FileSystem& files, const std::string& path);

// Whether all files that it refers to are there in full length. DATA_LOSS says what is missing.
Status CheckFilesOf(FileSystem& files, const std::string& path, const proto::CheckpointMetadata& metadata);

// FAILED_PRECONDITION, listing everything that does not fit: state of operators that the job does not have (unless
// `allow_non_restored_state`), a parallelism above the number of key groups that the state was divided into, states of
// another form. `path` is for the message.
Status CheckRestore(const proto::JobGraph& graph, const proto::CheckpointMetadata& restored, const std::string& path,
                    bool allow_non_restored_state);

}  // namespace eagre
