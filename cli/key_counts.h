// How the keys of a checkpoint or savepoint lie among the key groups, found by reading its files.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"

namespace eagre {

// Of each keyed state, by (operator id, name): the number of its entries in each key group.
using KeyCounts = std::map<std::pair<std::string, std::string>, std::vector<int64_t>>;

// Reads all that the checkpoint refers to, keyed or not: DATA_LOSS, naming the file, when any of it is damaged. `path`
// is the folder of `metadata`. Waits for the disk; needs memory for the keys of one subtask's state.
StatusOr<KeyCounts> VerifyAndCountKeys(FileSystem& files, const std::string& path,
                                       const proto::CheckpointMetadata& metadata);

}  // namespace eagre
