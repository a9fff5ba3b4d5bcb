#include "connectors/file/file_enumerator.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/logging.h"
#include "connectors/file/compressed_file.h"

namespace eagre {
namespace {

bool IsHidden(std::string_view path) {
  const std::string_view name = BaseName(path);
  return name.empty() || name.front() == '.' || name.front() == '_';
}

Status AddFilesBelow(FileSystem& files, const std::string& directory, std::vector<FileInfo>& found) {
  EAGRE_ASSIGN_OR_RETURN(std::vector<FileInfo> entries, files.List(directory));
  for (FileInfo& entry : entries) {
    if (IsHidden(entry.path)) continue;
    if (entry.is_directory) {
      EAGRE_RETURN_IF_ERROR(AddFilesBelow(files, entry.path, found));
    } else {
      found.push_back(std::move(entry));
    }
  }
  return OkStatus();
}

// A source reads pieces of a file, and reads them again after a failure. What can only be read once, or does not say
// how long it is, would be an empty input.
bool IsSpecialFile(const FileInfo& file) {
  return file.size < 0;
}

Status CheckNamedFile(FileSystem& files, FileInfo& file) {
  if (IsSpecialFile(file)) {
    return InvalidArgument(
        "cannot read input {}: it is a pipe, a socket or a device, and a source reads files, in pieces and again after "
        "a failure: write what comes from it to a file, and give that",
        file.path);
  }
  if (file.size > 0) return OkStatus();
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> opened, files.OpenForRead(file.path));
  char byte = 0;
  EAGRE_ASSIGN_OR_RETURN(const size_t got, opened->ReadAt(0, &byte, 1));
  if (got == 0) return OkStatus();
  // It may have grown since.
  EAGRE_ASSIGN_OR_RETURN(file, files.Stat(file.path));
  if (file.size > 0) return OkStatus();
  return InvalidArgument("cannot read input {}: it has content but no size: copy it to a file, and give that",
                         file.path);
}

void LeaveOutSpecialFiles(std::vector<FileInfo>& found) {
  std::erase_if(found, [](const FileInfo& file) {
    if (!IsSpecialFile(file)) return false;
    EAGRE_LOG_WARN("input {} is left out: it is a pipe, a socket or a device, no file", file.path);
    return true;
  });
}

}  // namespace

StatusOr<std::vector<FileInfo>> FindInputFiles(FileSystem& files, const std::string& path) {
  if (path.empty()) return InvalidArgument("the path of a file source is empty: give a file, a folder or a pattern");
  StatusOr<FileInfo> info = files.Stat(path);
  // A file whose name has the characters of a pattern is that file.
  if (!info.ok() && IsGlobPattern(path)) {
    EAGRE_ASSIGN_OR_RETURN(std::vector<FileInfo> matches, files.Glob(path));
    if (matches.empty()) return NotFound("no file matches '{}'", path);
    return matches;
  }
  if (!info.ok()) return WithContext(info.status(), "cannot read input");
  std::vector<FileInfo> found;
  if (!info->is_directory) {
    EAGRE_RETURN_IF_ERROR(CheckNamedFile(files, *info));
    found.push_back(*std::move(info));
    return found;
  }
  EAGRE_RETURN_IF_ERROR(AddFilesBelow(files, path, found));
  return found;
}

Status FileEnumerator::Start(Context& context) {
  context_ = &context;
  if (options_.watch_interval_ms > 0) return Discover();
  if (restored_) return OkStatus();
  EAGRE_ASSIGN_OR_RETURN(std::vector<FileInfo> found, FindInputFiles(files_, options_.path));
  LeaveOutSpecialFiles(found);
  inputs_.assign(std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  return OkStatus();
}

Status FileEnumerator::Restore(std::string_view snapshot) {
  ByteReader in(snapshot);
  uint64_t count = 0;
  bool ok = in.Varint(count);
  for (uint64_t i = 0; ok && i < count; ++i) {
    FileInfo file;
    std::string_view path;
    ok = in.String(path) && in.SignedVarint(file.size);
    file.path = path;
    inputs_.push_back(std::move(file));
  }
  ok = ok && in.Varint(count);
  for (uint64_t i = 0; ok && i < count; ++i) {
    std::string_view path;
    ok = in.String(path);
    seen_.emplace(path);
  }
  ok = ok && in.SignedVarint(next_offset_) && in.SignedVarint(next_sequence_) && in.Varint(count);
  for (uint64_t i = 0; ok && i < count; ++i) {
    std::string_view state;
    ok = in.String(state);
    EAGRE_ASSIGN_OR_RETURN(FileSplit split, FileSplit::Decode({.id = "", .state = std::string(state)}));
    returned_.emplace(split.sequence, std::move(split));
  }
  if (!ok || !in.empty()) return DataLoss("the stored state of a file source is malformed");
  restored_ = true;
  return OkStatus();
}

Status FileEnumerator::OnReaderRegistered(int, const std::vector<SourceSplit>& held) {
  for (const SourceSplit& encoded : held) {
    EAGRE_ASSIGN_OR_RETURN(const FileSplit split, FileSplit::Decode(encoded));
    unfinished_.emplace(encoded.id, split.sequence);
    unfinished_sequences_.insert(split.sequence);
  }
  return OkStatus();
}

Status FileEnumerator::Discover() {
  StatusOr<std::vector<FileInfo>> found = FindInputFiles(files_, options_.path);
  // What a pattern matches may be yet to come; a folder that is not there is a mistake.
  if (absl::IsNotFound(found.status()) && IsGlobPattern(options_.path)) found = std::vector<FileInfo>();
  EAGRE_RETURN_IF_ERROR(found.status());
  std::set<std::string, std::less<>> present;
  std::vector<FileInfo> added;
  for (FileInfo& file : *found) {
    present.insert(file.path);
    if (!seen_.contains(file.path)) added.push_back(std::move(file));
  }
  LeaveOutSpecialFiles(added);
  std::stable_sort(added.begin(), added.end(),
                   [](const FileInfo& a, const FileInfo& b) { return a.modified_ms < b.modified_ms; });
  for (FileInfo& file : added) inputs_.push_back(std::move(file));
  seen_ = std::move(present);
  Serve();
  context_->PostAfter(options_.watch_interval_ms, [this] { return Discover(); });
  return OkStatus();
}

bool FileEnumerator::Next(FileSplit& split) {
  if (!returned_.empty()) {
    split = std::move(returned_.begin()->second);
    returned_.erase(returned_.begin());
    return true;
  }
  while (!inputs_.empty() && next_offset_ >= inputs_.front().size) {
    inputs_.pop_front();
    next_offset_ = 0;
  }
  if (inputs_.empty()) return false;
  const FileInfo& file = inputs_.front();
  split = {.path = file.path, .begin = next_offset_, .file_size = file.size, .position = next_offset_};
  split.sequence = next_sequence_++;
  // A last chunk of a few bytes is not worth a split of its own.
  const int64_t rest = file.size - next_offset_;
  const bool to_file_end = options_.whole_files || rest < options_.chunk_bytes + options_.chunk_bytes / 4;
  split.end = to_file_end ? file.size : next_offset_ + options_.chunk_bytes;
  next_offset_ = split.end;
  if (IsCompressedFile(file.path)) {
    next_offset_ = file.size;
    split.end = split.file_size = FileSplit::kToEnd;
  }
  return true;
}

Status FileEnumerator::OnSplitRequest(int subtask) {
  waiting_.push_back(subtask);
  Serve();
  return OkStatus();
}

Status FileEnumerator::OnSplitFinished(int, std::string_view split_id) {
  const auto found = unfinished_.find(split_id);
  if (found == unfinished_.end())
    return DataLoss("a file source's reader finished '{}', which it did not have", split_id);
  unfinished_sequences_.erase(found->second);
  unfinished_.erase(found);
  Serve();
  return OkStatus();
}

void FileEnumerator::Serve() {
  const int64_t most_ahead = int64_t{kChunksAheadPerReader} * context_->parallelism();
  while (!waiting_.empty()) {
    const bool too_far_ahead = returned_.empty() && !unfinished_sequences_.empty() &&
                               next_sequence_ - *unfinished_sequences_.begin() >= most_ahead;
    if (too_far_ahead) return;
    const int subtask = waiting_.front();
    waiting_.pop_front();
    FileSplit split;
    if (!Next(split)) {
      if (options_.watch_interval_ms > 0) {
        waiting_.push_front(subtask);
        return;
      }
      context_->SignalNoMoreSplits(subtask);
      continue;
    }
    unfinished_.emplace(split.Id(), split.sequence);
    unfinished_sequences_.insert(split.sequence);
    context_->AssignSplits(subtask, {split.Encode()});
  }
}

Status FileEnumerator::AddSplitsBack(int, std::vector<SourceSplit> splits) {
  for (const SourceSplit& encoded : splits) {
    EAGRE_ASSIGN_OR_RETURN(FileSplit split, FileSplit::Decode(encoded));
    unfinished_.erase(encoded.id);
    unfinished_sequences_.erase(split.sequence);
    const int64_t sequence = split.sequence;
    returned_.emplace(sequence, std::move(split));
  }
  Serve();
  return OkStatus();
}

std::string FileEnumerator::Snapshot() const {
  std::string bytes;
  ByteWriter out(bytes);
  out.Varint(inputs_.size());
  for (const FileInfo& file : inputs_) {
    out.String(file.path);
    out.SignedVarint(file.size);
  }
  out.Varint(seen_.size());
  for (const std::string& path : seen_) out.String(path);
  out.SignedVarint(next_offset_);
  out.SignedVarint(next_sequence_);
  out.Varint(returned_.size());
  for (const auto& [sequence, split] : returned_) out.String(split.Encode().state);
  return bytes;
}

}  // namespace eagre
