#include "connectors/file/part_file.h"

#include <charconv>
#include <set>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/synced_folder.h"

namespace eagre {
namespace {

// Large writes: a call to the operating system for every megabyte.
constexpr size_t kWriteBytes = size_t{1} << 20;
constexpr size_t kAttemptDigits = 8;
constexpr std::string_view kInProgress = ".inprogress";

// In names of files: no other attempt of this or another job has it.
std::string AttemptName(std::string_view job_id, int attempt) {
  return Hash128Hex(fmt::format("{} {}", job_id, attempt)).substr(0, kAttemptDigits);
}

std::string PathInProgress(const std::string& directory, const std::string& name) {
  return JoinPath(directory, fmt::format(".{}{}", name, kInProgress));
}

// A committable of the file sink.
struct FinishedPart {
  std::string directory;
  std::string name;
  // Whether the files of an earlier run with more subtasks are to be removed, and what those are called.
  bool replaces = false;
  std::string prefix;
  std::string suffix;
  uint32_t subtask = 0;
  uint32_t parallelism = 1;
  // Who wrote it, when its name says so.
  std::string job_id;
  uint32_t attempt = 0;

  std::string FinalPath() const { return JoinPath(directory, name); }
  std::string InProgressPath() const { return PathInProgress(directory, name); }

  std::string Encode() const {
    std::string bytes;
    ByteWriter out(bytes);
    for (const std::string* text : {&directory, &name, &prefix, &suffix}) out.String(*text);
    out.Varint(replaces ? 1 : 0);
    out.Varint(subtask);
    out.Varint(parallelism);
    out.String(job_id);
    out.Varint(attempt);
    return bytes;
  }
  bool Decode(std::string_view bytes) {
    ByteReader in(bytes);
    uint32_t replaces_number = 0;
    for (std::string* text : {&directory, &name, &prefix, &suffix}) {
      if (!in.String(*text)) return false;
    }
    if (!in.Varint(replaces_number) || !in.Varint(subtask) || !in.Varint(parallelism)) return false;
    if (!in.empty() && (!in.String(job_id) || !in.Varint(attempt) || !in.empty())) return false;
    replaces = replaces_number != 0;
    return parallelism > 0;
  }
  // Whether `name` is the file of a subtask that this run does not have and that falls to this one.
  bool IsStale(std::string_view name) const {
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) return false;
    name.remove_prefix(prefix.size());
    name.remove_suffix(suffix.size());
    if (!name.starts_with('-')) return false;
    name.remove_prefix(1);
    uint32_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size()) return false;
    return number >= parallelism && number % parallelism == subtask;
  }
};

Status RemoveStale(FileSystem& files, const FinishedPart& part) {
  EAGRE_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(part.directory));
  for (const FileInfo& entry : entries) {
    if (!part.IsStale(BaseName(entry.path))) continue;
    const Status removed = files.Remove(entry.path);
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  return OkStatus();
}

Status SyncFile(FileSystem& files, const std::string& path) {
  EAGRE_ASSIGN_OR_RETURN(const auto file, files.OpenForWrite(path, OpenMode::kAppend));
  EAGRE_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

// Files in progress of the sink's attempts before that of `part`.
Status RemoveLeftovers(FileSystem& files, const FinishedPart& part) {
  std::set<std::string> attempts;
  for (uint32_t attempt = 0; attempt < part.attempt; ++attempt) {
    attempts.insert(AttemptName(part.job_id, static_cast<int>(attempt)));
  }
  EAGRE_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(part.directory));
  const std::string prefix = fmt::format(".{}-", part.prefix);
  const std::string suffix = fmt::format("{}{}", part.suffix, kInProgress);
  for (const FileInfo& entry : entries) {
    std::string_view name = BaseName(entry.path);
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    name.remove_prefix(prefix.size());
    const size_t dash = name.find('-');  // behind the subtask
    if (dash == std::string_view::npos || !attempts.contains(std::string(name.substr(dash + 1, kAttemptDigits))))
      continue;
    const Status removed = files.Remove(entry.path);
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  return OkStatus();
}

}  // namespace

Status PartFileWriter::Open(SinkContext& context) {
  context_ = &context;
  const bool checkpointed = context.checkpointing();
  const bool is_one_file = !options_.rolling.rolls() && !checkpointed;
  replaces_ = is_one_file && !context.restored();
  commits_when_sealed_ = options_.rolling.rolls() && !checkpointed;
  // The one file of a restored job is added to what there is, and is that of whichever attempt comes to the end.
  attempt_ = AttemptName(context.job_id(), is_one_file ? 0 : context.attempt());
  EAGRE_RETURN_IF_ERROR(checkpointed ? CreateSyncedFolder(*options_.files, options_.directory)
                                     : options_.files->CreateDirectories(options_.directory));
  buffer_.reserve(kWriteBytes + kWriteBytes / 4);
  // An input without records makes an empty file, so that what an earlier run wrote is replaced all the same.
  return replaces_ ? Begin() : OkStatus();
}

Status PartFileWriter::Begin() {
  name_ = replaces_ ? fmt::format("{}-{}{}", options_.prefix, context_->subtask(), options_.suffix)
                    : fmt::format("{}-{}-{}-{}{}", options_.prefix, context_->subtask(), attempt_, next_number_++,
                                  options_.suffix);
  const std::string path = PathInProgress(options_.directory, name_);
  // A new file, not the old one emptied: a worker of a lost attempt may still write into that.
  const Status removed = options_.files->Remove(path);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  EAGRE_ASSIGN_OR_RETURN(file_, options_.files->OpenForWrite(path, OpenMode::kTruncate));
  file_bytes_ = 0;
  begun_ms_ = context_->clock().NowMs();
  buffer_ += encoder_->Header();
  return OkStatus();
}

Status PartFileWriter::Append(const void* records, size_t record_bytes, size_t count) {
  const int64_t now_ms = context_->clock().NowMs();
  const char* record = static_cast<const char*>(records);
  for (size_t i = 0; i < count; ++i, record += record_bytes) {
    if (file_ == nullptr) EAGRE_RETURN_IF_ERROR(Begin());
    encoder_->AppendRow(record, buffer_);
    last_record_ms_ = now_ms;
    if (ShouldRoll(now_ms)) {
      EAGRE_RETURN_IF_ERROR(Seal());
    } else if (buffer_.size() >= kWriteBytes) {
      EAGRE_RETURN_IF_ERROR(WriteBuffer());
    }
  }
  return OkStatus();
}

bool PartFileWriter::ShouldRoll(int64_t now_ms) const {
  const RollingPolicy& rolling = options_.rolling;
  if (rolling.max_bytes > 0 && file_bytes_ + static_cast<int64_t>(buffer_.size()) >= rolling.max_bytes) return true;
  if (rolling.max_age_ms > 0 && now_ms - begun_ms_ >= rolling.max_age_ms) return true;
  return rolling.max_idle_ms > 0 && now_ms - last_record_ms_ >= rolling.max_idle_ms;
}

Status PartFileWriter::WriteBuffer() {
  file_bytes_ += static_cast<int64_t>(buffer_.size());
  const Status status = file_->Append(buffer_);
  buffer_.clear();
  return status;
}

Status PartFileWriter::Flush(bool before_commit, bool& done) {
  done = true;
  if (file_ == nullptr) return OkStatus();
  if (ShouldRoll(context_->clock().NowMs())) return Seal();
  EAGRE_RETURN_IF_ERROR(WriteBuffer());
  EAGRE_RETURN_IF_ERROR(file_->Flush());
  done = before_commit || (options_.rolling.max_age_ms == 0 && options_.rolling.max_idle_ms == 0);
  return OkStatus();
}

Status PartFileWriter::Seal() {
  EAGRE_RETURN_IF_ERROR(WriteBuffer());
  EAGRE_RETURN_IF_ERROR(std::exchange(file_, nullptr)->Close());
  if (context_->checkpointing()) unsynced_.push_back(PathInProgress(options_.directory, name_));
  const FinishedPart part{.directory = options_.directory,
                          .name = name_,
                          .replaces = replaces_,
                          .prefix = options_.prefix,
                          .suffix = options_.suffix,
                          .subtask = static_cast<uint32_t>(context_->subtask()),
                          .parallelism = static_cast<uint32_t>(context_->parallelism()),
                          .job_id = context_->checkpointing() ? context_->job_id() : "",
                          .attempt = static_cast<uint32_t>(context_->attempt())};
  replaces_ = false;  // what is written after this file, when it was sealed before the end, is added to it
  if (commits_when_sealed_) return PartFileCommitter(*options_.files).Commit({part.Encode()});
  sealed_.push_back(part.Encode());
  return OkStatus();
}

StatusOr<std::vector<Committable>> PartFileWriter::PrepareCommit() {
  if (file_ != nullptr) EAGRE_RETURN_IF_ERROR(Seal());
  return std::exchange(sealed_, {});
}

std::function<Status()> PartFileWriter::TakeSync() {
  return [unsynced = std::exchange(unsynced_, {}), status = sync_status_, files = options_.files,
          directory = options_.directory] {
    for (const std::string& path : unsynced) {
      if (status->ok()) *status = SyncFile(*files, path);
    }
    // New files, and those that a commit has renamed: what was committed is in no later checkpoint.
    if (status->ok()) *status = files->SyncDirectory(directory);
    return *status;
  };
}

Status PartFileWriter::Close(bool) {
  // Also of a job that is stopped, whose last commit no later checkpoint syncs.
  if (context_ != nullptr && context_->checkpointing()) {
    EAGRE_RETURN_IF_ERROR(options_.files->SyncDirectory(options_.directory));
  }
  if (file_ == nullptr) return OkStatus();
  const Status written = WriteBuffer();
  const Status closed = std::exchange(file_, nullptr)->Close();
  return written.ok() ? closed : written;
}

Status PartFileCommitter::Commit(const std::vector<Committable>& committables) {
  for (const Committable& committable : committables) {
    FinishedPart part;
    if (!part.Decode(committable)) return DataLoss("a committable of a file sink is malformed");
    const Status renamed = files_.Rename(part.InProgressPath(), part.FinalPath());
    // It was committed before when only the final name is left.
    if (!renamed.ok() && !(absl::IsNotFound(renamed) && files_.Exists(part.FinalPath()))) return renamed;
    if (part.replaces) EAGRE_RETURN_IF_ERROR(RemoveStale(files_, part));
    if (part.job_id.empty() || part.attempt == 0) continue;
    std::string attempt = AttemptName(part.job_id, static_cast<int>(part.attempt));
    if (attempt == cleaned_before_) continue;
    cleaned_before_ = std::move(attempt);
    EAGRE_RETURN_IF_ERROR(RemoveLeftovers(files_, part));
  }
  return OkStatus();
}

}  // namespace eagre
