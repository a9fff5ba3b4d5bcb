// Whether a job can go on from a savepoint or checkpoint, found out before anything of it runs.
#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/client.pb.h"

namespace eagre {

// The metadata at `path`, whose files are all there in full length; what they hold is verified when it is read. Waits
// for the disk. The failure says what is missing or damaged.
StatusOr<proto::CheckpointMetadata> ReadRestorePoint(FileSystem& files, const std::string& path);

// Whether all files that it refers to are there in full length. DATA_LOSS says what is missing.
Status CheckFilesOf(FileSystem& files, const std::string& path, const proto::CheckpointMetadata& metadata);

// A job takes over the maximum parallelism that its state was stored with, where nobody has set one and its parallelism
// allows it. Before CheckRestore.
void TakeStoredMaxParallelism(const proto::CheckpointMetadata& restored, proto::JobGraph& graph);

// Whether the job of the header can go on from `restored`, the metadata of header.restore_from. Returns what is left
// behind and so lost, a line each: nothing unless header.allow_non_restored_state. FAILED_PRECONDITION lists everything
// that does not fit: what would be left behind without that, a parallelism above the number of key groups that the
// state was divided into, another number of them, states of another form or kind. Of an operator that has no form in
// the header only the parallelism is compared; its workers find the rest.
StatusOr<std::vector<std::string>> CheckRestore(const proto::SubmitJobHeader& header,
                                                const proto::CheckpointMetadata& restored);

}  // namespace eagre
