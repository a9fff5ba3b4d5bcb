#include "jobmanager/checkpoint_folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "state/checkpoint_metadata.h"

namespace eagre {
namespace {

constexpr std::string_view kFolderPrefix = "chk-";
constexpr std::string_view kMarkName = "_complete";
constexpr std::string_view kMarkMagic = "eagrecpl";

}  // namespace

std::string CheckpointFolderName(int64_t checkpoint_id) {
  return fmt::format("{}{}", kFolderPrefix, checkpoint_id);
}

std::optional<int64_t> CheckpointIdOf(std::string_view folder) {
  if (!folder.starts_with(kFolderPrefix)) return std::nullopt;
  folder.remove_prefix(kFolderPrefix.size());
  int64_t id = 0;
  const auto [end, error] = std::from_chars(folder.data(), folder.data() + folder.size(), id);
  if (error != std::errc() || end != folder.data() + folder.size()) return std::nullopt;
  return id;
}

Status MarkComplete(FileSystem& files, const std::string& folder, const proto::CompletedCheckpoint& completion) {
  return files.WriteFile(JoinPath(folder, kMarkName), FrameCheckpointMessage(kMarkMagic, completion));
}

StatusOr<std::vector<CheckpointFolder>> ReadCheckpointFolders(FileSystem& files, const std::string& directory) {
  std::vector<CheckpointFolder> folders;
  const StatusOr<std::vector<FileInfo>> entries = files.List(directory);
  if (absl::IsNotFound(entries.status())) return folders;
  EAGRE_RETURN_IF_ERROR(entries.status());
  for (const FileInfo& entry : *entries) {
    const std::optional<int64_t> id = CheckpointIdOf(BaseName(entry.path));
    if (!id || !entry.is_directory) continue;
    CheckpointFolder folder{.checkpoint_id = *id, .path = entry.path, .marked = false, .completion = std::nullopt};
    const std::string mark = JoinPath(entry.path, kMarkName);
    const StatusOr<std::string> bytes = files.ReadFile(mark);
    if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return bytes.status();
    folder.marked = bytes.ok();
    proto::CompletedCheckpoint completion;
    if (bytes.ok() && UnframeCheckpointMessage(kMarkMagic, *bytes, mark, completion).ok()) {
      folder.completion = std::move(completion);
    }
    folders.push_back(std::move(folder));
  }
  std::sort(folders.begin(), folders.end(),
            [](const CheckpointFolder& a, const CheckpointFolder& b) { return a.checkpoint_id < b.checkpoint_id; });
  return folders;
}

}  // namespace eagre
