// What `eagre state inspect` prints about a checkpoint or savepoint.
#pragma once

#include <string>

#include "cli/key_counts.h"
#include "proto/checkpoint.pb.h"

namespace eagre {

// Where it comes from, then every operator with its states: how they are divided, their form, entries and bytes, and
// how many keys each key group has. `path` is where the metadata was read from.
std::string RenderCheckpoint(const proto::CheckpointMetadata& metadata, const KeyCounts& keys, const std::string& path);

}  // namespace eagre
