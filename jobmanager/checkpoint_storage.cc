#include "jobmanager/checkpoint_storage.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "base/file_copy.h"
#include "base/logging.h"
#include "base/synced_folder.h"
#include "jobmanager/restore_check.h"
#include "state/checkpoint_metadata.h"

namespace eagre {
namespace {

constexpr std::string_view kBaseInfix = "base";

// The number at the beginning of `text`, which is moved behind it.
std::optional<int64_t> TakeNumber(std::string_view& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

struct FileOrigin {
  int64_t attempt = 0;
  std::optional<int64_t> checkpoint_id;  // none: a base, which belongs to no checkpoint until one refers to it
};

// Of a name "<attempt>-<checkpoint id>-..." or "<attempt>-base...".
std::optional<FileOrigin> OriginOf(std::string_view name) {
  const auto attempt = TakeNumber(name);
  if (!attempt || !name.starts_with('-')) return std::nullopt;
  name.remove_prefix(1);
  if (name.starts_with(kBaseInfix)) return FileOrigin{*attempt, std::nullopt};
  const auto checkpoint_id = TakeNumber(name);
  if (!checkpoint_id || !name.starts_with('-')) return std::nullopt;
  return FileOrigin{*attempt, *checkpoint_id};
}

template <typename Visit>
void ForEachSegment(const proto::CheckpointMetadata& metadata, Visit visit) {
  for (const proto::OperatorSnapshot& op : metadata.operators()) {
    for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
      for (const proto::StateSnapshot& state : subtask.states()) {
        for (const proto::StateSegment& segment : state.segments()) visit(segment);
      }
    }
  }
}

std::set<std::string> FilesOf(const proto::CheckpointMetadata& metadata) {
  std::set<std::string> names;
  ForEachSegment(metadata, [&](const proto::StateSegment& segment) { names.insert(segment.file()); });
  return names;
}

void LogFailure(const Status& status) {
  if (!status.ok() && !absl::IsNotFound(status)) EAGRE_LOG_WARN("{}", StatusMessage(status));
}

}  // namespace

CheckpointStorage::CheckpointStorage(FileSystem& files, std::string directory, std::string writer, size_t retained,
                                     CheckpointLog::Leads leads)
    : files_(files),
      directory_(std::move(directory)),
      writer_(std::move(writer)),
      retained_count_(retained),
      log_(files, JoinPath(directory_, "log"), writer_, std::move(leads)) {}

std::string CheckpointStorage::PathOf(int64_t checkpoint_id) const {
  return JoinPath(directory_, CheckpointFolderName(checkpoint_id));
}

StatusOr<CheckpointStorage::InUse> CheckpointStorage::HighestInUse() const {
  InUse highest;
  EAGRE_ASSIGN_OR_RETURN(const std::vector<FileInfo> folders, files_.List(directory_));
  for (const FileInfo& folder : folders) {
    highest.checkpoint_id = std::max(highest.checkpoint_id, CheckpointIdOf(BaseName(folder.path)).value_or(0));
  }
  EAGRE_ASSIGN_OR_RETURN(const std::vector<FileInfo> shared, files_.List(JoinPath(directory_, kSharedFolder)));
  for (const FileInfo& file : shared) {
    const auto origin = OriginOf(BaseName(file.path));
    if (!origin) continue;
    highest.attempt = std::max(highest.attempt, origin->attempt);
    highest.checkpoint_id = std::max(highest.checkpoint_id, origin->checkpoint_id.value_or(0));
  }
  return highest;
}

StatusOr<CheckpointStorage::Opened> CheckpointStorage::Open(int64_t time_ms, const ExpectedCheckpoints& expected) {
  // Before the log is read: whatever is marked by now has its entry there.
  EAGRE_ASSIGN_OR_RETURN(const std::vector<CheckpointFolder> folders, ReadCheckpointFolders(files_, directory_));
  if (!expected.directory.empty()) {
    EAGRE_ASSIGN_OR_RETURN(const bool empty, log_.IsEmpty());
    if (empty) return DescribeMissing(expected, folders);
  }
  EAGRE_RETURN_IF_ERROR(CreateSyncedFolder(files_, JoinPath(directory_, kSharedFolder)));
  std::vector<proto::CompletedCheckpoint> marked;
  for (const CheckpointFolder& folder : folders) {
    if (folder.completion) marked.push_back(*folder.completion);
  }
  EAGRE_ASSIGN_OR_RETURN(CheckpointLog::Claimed claimed, log_.Claim(time_ms, marked, expected.permits_duplicates));
  Opened opened;
  retained_.clear();
  all_readable_ = true;
  may_stand_.clear();
  EAGRE_ASSIGN_OR_RETURN(InUse highest, HighestInUse());
  highest.checkpoint_id = std::max(highest.checkpoint_id, expected.newest_id);
  for (const proto::CompletedCheckpoint& completion : claimed.completions) {
    highest.attempt = std::max<int64_t>(highest.attempt, completion.attempt());
    highest.checkpoint_id = std::max(highest.checkpoint_id, completion.checkpoint_id());
  }
  std::optional<RestorePoint> lost = FindLost(claimed, expected, folders);
  // It may have been completed by one that did not come to mark it.
  if (!claimed.completions.empty()) {
    const proto::CompletedCheckpoint& newest = claimed.completions.back();
    LogFailure(MarkComplete(files_, PathOf(newest.checkpoint_id()), newest));
  }
  EAGRE_ASSIGN_OR_RETURN(opened.points, ReadPoints(std::move(claimed.completions)));
  if (lost) {
    opened.points.push_back(*std::move(lost));
    all_readable_ = false;
  }
  opened.next_checkpoint_id = highest.checkpoint_id + 1;
  opened.next_attempt = static_cast<int>(highest.attempt) + 1;
  return opened;
}

Status CheckpointStorage::DescribeMissing(const ExpectedCheckpoints& expected,
                                          const std::vector<CheckpointFolder>& folders) {
  std::string what_to_do =
      expected.directory == directory_
          ? "see whether its file system is mounted, bring the folder back, and start the job "
            "anew with -s and its newest checkpoint, or without, from the beginning"
          : fmt::format("they were in {}: start the job anew with -s and the newest one there", expected.directory);
  for (const CheckpointFolder& folder : folders) {
    if (!ReadRestorePoint(files_, folder.path).ok()) continue;
    what_to_do = fmt::format("{} is still there and whole: to go on with it, start the job anew with -s {}",
                             folder.path, folder.path);
  }
  return DataLoss(
      "the checkpoints of the job are missing: it has run with them, but the log of those that are complete, {}, is "
      "empty or gone, and to begin anew would write once more what sinks have committed; {}",
      JoinPath(directory_, "log"), what_to_do);
}

std::optional<RestorePoint> CheckpointStorage::FindLost(const CheckpointLog::Claimed& claimed,
                                                        const ExpectedCheckpoints& expected,
                                                        const std::vector<CheckpointFolder>& folders) {
  const int64_t newest_id = claimed.newest_id();
  int64_t lost_id = 0;
  for (const CheckpointFolder& folder : folders) {
    if (folder.marked && folder.checkpoint_id > newest_id) lost_id = folder.checkpoint_id;
  }
  std::string why = "it was complete, but neither its entry in the log nor its mark can be read";
  if (expected.newest_id > std::max(newest_id, lost_id)) {
    lost_id = expected.newest_id;
    why = fmt::format("it was complete when the job's last attempt began, but {} does not have it",
                      JoinPath(directory_, "log"));
  }
  if (!claimed.damage.ok()) why = StatusMessage(claimed.damage);
  if (lost_id == 0 && claimed.damage.ok()) return std::nullopt;
  RestorePoint lost;
  lost.completion.set_checkpoint_id(lost_id);
  if (lost_id != 0) {
    lost.path = PathOf(lost_id);
    const auto metadata = ReadRestorePoint(files_, lost.path);
    // A log with damage is not taken over, so nothing may go on in it.
    if (metadata.ok()) lost.commits = HasCommittables(*metadata) || !claimed.damage.ok();
    if (metadata.ok()) why += fmt::format("; it is whole: to go on with it, start the job anew with -s {}", lost.path);
  }
  lost.usable = DataLoss("{}", why);
  return lost;
}

StatusOr<std::vector<RestorePoint>> CheckpointStorage::ReadPoints(std::vector<proto::CompletedCheckpoint> completions) {
  std::vector<RestorePoint> points;
  const int64_t newest_id = completions.empty() ? 0 : completions.back().checkpoint_id();
  for (proto::CompletedCheckpoint& completion : completions) {
    const std::string path = PathOf(completion.checkpoint_id());
    const bool newest = completion.checkpoint_id() == newest_id;
    const auto metadata = ReadCheckpointMetadata(files_, path);
    if (absl::IsNotFound(metadata.status()) && !newest) continue;  // no longer retained
    RestorePoint point{.completion = std::move(completion), .path = path, .commits = true, .usable = metadata.status()};
    if (metadata.ok()) {
      point.commits = HasCommittables(*metadata);
      point.usable = CheckFilesOf(files_, path, *metadata);
      retained_.push_back({point.completion, FilesOf(*metadata), /*damaged=*/!point.usable.ok()});
    } else {
      all_readable_ = false;
    }
    // What cannot be read now may be readable later.
    if (!point.usable.ok() && !absl::IsNotFound(point.usable) && !absl::IsDataLoss(point.usable)) return point.usable;
    points.push_back(std::move(point));
  }
  return points;
}

Status CheckpointStorage::WriteSavepoint(const proto::CheckpointMetadata& metadata, const std::string& path) {
  if (files_.Exists(path)) return AlreadyExists("cannot make the savepoint: there is something at {}", path);
  EAGRE_RETURN_IF_ERROR(CreateSyncedFolder(files_, path));
  for (const std::string& file : FilesOf(metadata)) {
    const std::string from = JoinPath(directory_, file);
    const std::string to = JoinPath(path, BaseName(file));
    // Elsewhere than on the same file system a file can have no second name.
    const Status linked = files_.Link(from, to);
    if (!linked.ok()) EAGRE_RETURN_IF_ERROR(CopyFile(files_, from, to));
  }
  proto::CheckpointMetadata own = metadata;
  own.set_savepoint(true);
  own.set_files_root(".");
  for (proto::OperatorSnapshot& op : *own.mutable_operators()) {
    for (proto::SubtaskSnapshot& subtask : *op.mutable_subtasks()) {
      for (proto::StateSnapshot& state : *subtask.mutable_states()) {
        for (proto::StateSegment& segment : *state.mutable_segments()) {
          segment.set_file(std::string(BaseName(segment.file())));
        }
      }
    }
  }
  return WriteCheckpointMetadata(files_, path, own, writer_).status();
}

StatusOr<RestorePoint> CheckpointStorage::Complete(Request request) {
  if (!request.savepoint_path.empty()) {
    if (Status written = WriteSavepoint(request.metadata, request.savepoint_path); !written.ok()) {
      if (!absl::IsAlreadyExists(written)) LogFailure(files_.RemoveTree(request.savepoint_path));
      return WithContext(written, "cannot write the savepoint");
    }
  }
  const std::string path = PathOf(request.completion.checkpoint_id());
  bool written = false;
  bool appending = false;
  const auto complete = [&]() -> Status {
    EAGRE_RETURN_IF_ERROR(files_.CreateDirectories(path));
    EAGRE_ASSIGN_OR_RETURN(const int64_t bytes, WriteCheckpointMetadata(files_, path, request.metadata, writer_));
    written = true;
    request.completion.set_metadata_bytes(bytes);
    EAGRE_RETURN_IF_ERROR(files_.SyncDirectory(directory_));
    appending = true;
    return log_.Append(request.completion, request.time_ms);
  };
  if (Status completed = complete(); !completed.ok()) {
    if (!request.savepoint_path.empty()) LogFailure(files_.RemoveTree(request.savepoint_path));
    if (appending && log_.may_stand()) {
      may_stand_.merge(FilesOf(request.metadata));
      return completed;
    }
    // What another JobManager has written there stays.
    if (written) LogFailure(files_.Remove(JoinPath(path, kCheckpointMetadataFile)));
    (void)files_.Remove(path);
    return completed;
  }
  appended_ = true;
  may_stand_.clear();
  LogFailure(MarkComplete(files_, path, request.completion));
  retained_.push_back({request.completion, FilesOf(request.metadata)});
  return RestorePoint{.completion = std::move(request.completion),
                      .path = path,
                      .commits = HasCommittables(request.metadata),
                      .usable = OkStatus()};
}

void CheckpointStorage::Drop(int64_t checkpoint_id) {
  for (Retained& retained : retained_) {
    if (retained.completion.checkpoint_id() == checkpoint_id) retained.damaged = true;
  }
}

void CheckpointStorage::DeleteUnused() {
  // Until this writer has completed a checkpoint, others may still hold the job's.
  if (!appended_) return;
  std::set<std::string> released;
  const auto release = [&](std::vector<Retained>::iterator retained) {
    released.merge(retained->files);
    return retained_.erase(retained);
  };
  const size_t with_damaged = retained_.size();
  for (auto retained = retained_.begin(); retained != retained_.end();) {
    retained = retained->damaged ? release(retained) : std::next(retained);
  }
  const size_t damaged = with_damaged - retained_.size();
  while (retained_.size() > retained_count_) release(retained_.begin());
  const proto::CompletedCheckpoint newest = retained_.back().completion;
  log_.Trim(retained_count_ + damaged + 1);  // the entries of damaged ones lie between those of the retained
  DeleteUnusedCheckpoints(newest.checkpoint_id());
  DeleteUnusedFiles(newest, released);
}

bool CheckpointStorage::IsRetained(const std::string& file) const {
  return std::any_of(retained_.begin(), retained_.end(),
                     [&](const Retained& retained) { return retained.files.contains(file); });
}

void CheckpointStorage::DeleteUnusedCheckpoints(int64_t newest_id) {
  const auto folders = files_.List(directory_);
  if (!folders.ok()) return LogFailure(folders.status());
  for (const FileInfo& folder : *folders) {
    const auto id = CheckpointIdOf(BaseName(folder.path));
    if (!id || *id > newest_id) continue;
    const bool needed = std::any_of(retained_.begin(), retained_.end(), [&](const Retained& retained) {
      return retained.completion.checkpoint_id() == *id;
    });
    if (!needed) LogFailure(files_.RemoveTree(folder.path));
  }
}

void CheckpointStorage::DeleteUnusedFiles(const proto::CompletedCheckpoint& newest,
                                          const std::set<std::string>& released) {
  const auto shared = files_.List(JoinPath(directory_, kSharedFolder));
  if (!shared.ok()) return LogFailure(shared.status());
  for (const FileInfo& file : *shared) {
    const auto origin = OriginOf(BaseName(file.path));
    if (!origin) continue;  // not of a worker
    const std::string name = JoinPath(kSharedFolder, BaseName(file.path));
    const bool was_used =
        origin->checkpoint_id ? *origin->checkpoint_id <= newest.checkpoint_id() : released.contains(name);
    const bool is_over = origin->attempt < newest.attempt() || (origin->attempt == newest.attempt() && was_used);
    if (!is_over) continue;
    if (!IsRetained(name)) LogFailure(files_.Remove(file.path));
  }
}

void CheckpointStorage::DeleteLeftBefore(int attempt) {
  // Of one that cannot be read it is not known what it refers to.
  if (!all_readable_) return;
  const auto shared = files_.List(JoinPath(directory_, kSharedFolder));
  if (!shared.ok()) return LogFailure(shared.status());
  for (const FileInfo& file : *shared) {
    const auto origin = OriginOf(BaseName(file.path));
    if (!origin || origin->attempt >= attempt) continue;
    const std::string name = JoinPath(kSharedFolder, BaseName(file.path));
    if (!IsRetained(name) && !may_stand_.contains(name)) LogFailure(files_.Remove(file.path));
  }
}

void CheckpointStorage::DeleteAll(int64_t time_ms) {
  const Status closed = log_.Close(time_ms);
  if (!closed.ok()) return LogFailure(closed);
  LogFailure(files_.RemoveTree(directory_));
}

}  // namespace eagre
