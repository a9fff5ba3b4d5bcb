#include "connectors/file/file_read.h"

#include <cstring>
#include <utility>

namespace eagre {
namespace {

constexpr size_t kHeaderWindowBytes = size_t{16} << 10;

}  // namespace

Status FileRead::Start(SourceReaderContext& context) {
  context_ = &context;
  MaybeRequest();
  return OkStatus();
}

Status FileRead::AddSplits(std::vector<SourceSplit> splits) {
  requested_ = false;
  for (const SourceSplit& encoded : splits) {
    EAGRE_ASSIGN_OR_RETURN(FileSplit split, FileSplit::Decode(encoded));
    queue_.push_back(std::move(split));
  }
  return OkStatus();
}

Status FileRead::NoMoreSplits() {
  requested_ = false;
  no_more_splits_ = true;
  return OkStatus();
}

void FileRead::ResumeSplits(const std::vector<std::string>& split_ids) {
  for (const std::string& id : split_ids) paused_.erase(id);
}

void FileRead::MaybeRequest() {
  if (requested_ || no_more_splits_ || !queue_.empty()) return;
  if (reading_ && !lines_.at_last_window()) return;
  requested_ = true;
  context_->RequestSplit();
}

StatusOr<ReadResult> FileRead::Begin() {
  if (!reading_) {
    if (queue_.empty()) {
      if (no_more_splits_) return ReadResult::kEnd;
      MaybeRequest();
      return ReadResult::kNothingNow;
    }
    if (paused_.contains(queue_.front().Id())) return ReadResult::kNothingNow;
    split_id_ = queue_.front().Id();
    EAGRE_RETURN_IF_ERROR(Open(queue_.front()));
    queue_.pop_front();
    reading_ = true;
  }
  return paused_.contains(split_id_) ? ReadResult::kNothingNow : ReadResult::kMore;
}

Status FileRead::Open(const FileSplit& split) {
  if (parser_->has_header()) EAGRE_RETURN_IF_ERROR(ReadHeader(split.path));
  EAGRE_RETURN_IF_ERROR(lines_.Open(split));
  if (parser_->has_header() && split.position == 0) EAGRE_RETURN_IF_ERROR(lines_.SkipHeader());
  parser_->BeginWindow({}, 0, /*last=*/true);
  row_ = {};
  return OkStatus();
}

// Every chunk of a file needs the header that stands in its first.
Status FileRead::ReadHeader(const std::string& path) {
  if (path == header_path_) return OkStatus();
  LineWindowReader beginning(*options_.files, kHeaderWindowBytes);
  EAGRE_RETURN_IF_ERROR(
      beginning.Open({.path = path, .end = FileSplit::kToEnd, .file_size = FileSplit::kToEnd, .position = 0}));
  EAGRE_ASSIGN_OR_RETURN(const bool found, beginning.NextWindow());
  if (!found) return OkStatus();  // empty: there are no rows either
  const std::string_view window = beginning.window();
  const Status set = parser_->SetHeader(window.substr(0, window.find('\n')));
  if (!set.ok()) return WithContext(set, fmt::format("the header of {}", path));
  header_path_ = path;
  return OkStatus();
}

StatusOr<bool> FileRead::NextWindow() {
  if (const size_t unread = parser_->unread(); unread > 0) lines_.Unread(unread);
  EAGRE_ASSIGN_OR_RETURN(const bool found, lines_.NextWindow());
  row_ = {};
  if (found) {
    parser_->BeginWindow(lines_.window(), lines_.readable_bytes(), lines_.at_last_window());
  } else {
    parser_->BeginWindow({}, 0, /*last=*/true);
    lines_.Close();
    reading_ = false;
    paused_.erase(split_id_);
  }
  MaybeRequest();
  return found;
}

// Where reading would go on: behind the row that was parsed last.
int64_t FileRead::NextPosition() const {
  if (row_.text.data() == nullptr) return std::max(lines_.window_offset(), lines_.split().position);
  const std::string_view window = lines_.window();
  const size_t end_of_line = window.find('\n', row_.offset + row_.text.size());
  return lines_.window_offset() + static_cast<int64_t>(end_of_line == window.npos ? window.size() : end_of_line + 1);
}

std::vector<SourceSplit> FileRead::Snapshot() const {
  std::vector<SourceSplit> splits;
  if (reading_) {
    FileSplit current = lines_.split();
    current.position = NextPosition();
    splits.push_back(current.Encode());
  }
  for (const FileSplit& split : queue_) splits.push_back(split.Encode());
  return splits;
}

std::string FileRead::RecordPosition() const {
  return fmt::format("byte {}", lines_.window_offset() + static_cast<int64_t>(row_.offset));
}

Status FileRead::OnMalformed(std::optional<MalformedLine>& malformed) {
  const std::string& path = lines_.split().path;
  const int64_t offset = lines_.window_offset() + static_cast<int64_t>(row_.offset);
  switch (options_.malformed) {
    case Malformed::kSkip: context_->CountSkipped(1); return OkStatus();
    case Malformed::kSideOutput:
      malformed = MalformedLine{.file = path,
                                .offset = offset,
                                .line = std::string(row_.text),
                                .reason = std::string(StatusMessage(row_.status))};
      return OkStatus();
    case Malformed::kFail: break;
  }
  EAGRE_ASSIGN_OR_RETURN(const int64_t number, LineNumberAt(*options_.files, path, offset));
  return InvalidArgument(
      "{}:{}: {} (the line starts at byte {}); correct the file, or choose what the source does with "
      "such lines by .OnMalformed(Malformed::kSkip)",
      path, number, StatusMessage(row_.status), offset);
}

}  // namespace eagre
