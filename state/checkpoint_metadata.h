// The file `_metadata` of a checkpoint or savepoint: what it consists of, and how that was divided among subtasks.
//
// Layout, little-endian: the magic "eagreckp", format u32, length of the message u32, XXH3-64 of the message u64, then
// the message (proto/checkpoint.proto). See docs/formats/checkpoint.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"

namespace eagre {

inline constexpr std::string_view kCheckpointMetadataFile = "_metadata";
// Below the folder of a job's checkpoints, and of the copies of them: the files of state.
inline constexpr std::string_view kSharedFolder = "shared";

// A message of checkpoints in a frame that shows damage: `magic` is 8 characters. Two equal messages make equal bytes.
std::string FrameCheckpointMessage(std::string_view magic, const google::protobuf::MessageLite& message);
// DATA_LOSS, naming `path` and what is wrong with it.
Status UnframeCheckpointMessage(std::string_view magic, std::string_view bytes, std::string_view path,
                                google::protobuf::MessageLite& message);

// Creates the file in an existing folder; it survives a crash of the machine once this has returned. Returns its size.
// ALREADY_EXISTS when the folder has one: metadata is never replaced. `writer` tells writers apart that try at once.
StatusOr<int64_t> WriteCheckpointMetadata(FileSystem& files, const std::string& directory,
                                          const proto::CheckpointMetadata& metadata, std::string_view writer);
// `path` is the folder of a checkpoint or savepoint, or its metadata file. NOT_FOUND when it is neither, DATA_LOSS when
// the file is damaged, FAILED_PRECONDITION when it is of a newer format.
StatusOr<proto::CheckpointMetadata> ReadCheckpointMetadata(FileSystem& files, const std::string& path);

// A failure of reading what a job is restored from: marked when something is damaged or missing there, so that trying
// again is in vain.
Status MarkDamagedCheckpoint(const Status& status);
bool IsDamagedCheckpoint(const Status& status);

// The folder in which the files lie that `metadata`, read from `directory`, refers to.
std::string CheckpointFilesRoot(const std::string& directory, const proto::CheckpointMetadata& metadata);

}  // namespace eagre
