#include "connectors/file/line_window_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "connectors/file/compressed_file.h"

namespace eagre {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// Read beyond the end of a chunk to find where its last line ends.
constexpr int64_t kTailBytes = 4096;

}  // namespace

LineWindowReader::LineWindowReader(FileSystem& files, size_t window_bytes)
    : files_(files), window_bytes_(std::max<size_t>(window_bytes, 1)) {}

void LineWindowReader::Reserve(size_t bytes) {
  if (bytes <= capacity_) return;
  auto grown = std::make_unique<char[]>(bytes + kPadding);
  if (filled_ > 0) std::memcpy(grown.get(), buffer_.get(), filled_);
  buffer_ = std::move(grown);
  capacity_ = bytes;
}

Status LineWindowReader::Open(const FileSplit& split) {
  EAGRE_ASSIGN_OR_RETURN(file_, OpenInputFile(files_, split.path));
  EAGRE_ASSIGN_OR_RETURN(const int64_t size, file_->Size());
  if (!split.to_end() && size < split.file_size) {
    return FailedPrecondition(
        "{} was {} bytes long when the job began to read it and is {} now: input files must not "
        "be changed while they are read",
        split.path, split.file_size, size);
  }
  Reserve(window_bytes_);
  split_ = split;
  end_ = split.end;
  file_size_ = split.file_size;
  buffer_offset_ = split.position;
  filled_ = window_begin_ = window_size_ = unread_ = 0;
  done_ = false;
  if (split.position == split.begin && split.begin > 0) return SkipToFirstLine();
  if (split.position == 0) {
    EAGRE_RETURN_IF_ERROR(Fill(std::min<int64_t>(split.file_size, window_bytes_)));
    if (std::string_view(buffer_.get(), filled_).starts_with(kByteOrderMark)) window_begin_ = kByteOrderMark.size();
  }
  return OkStatus();
}

void LineWindowReader::Close() {
  file_.reset();
  done_ = true;
  window_size_ = 0;
}

// Makes the buffer hold the file's bytes up to `want_until`, as far as the buffer goes.
Status LineWindowReader::Fill(int64_t want_until) {
  const int64_t have_until = buffer_offset_ + static_cast<int64_t>(filled_);
  const size_t want =
      std::min<size_t>(capacity_ - filled_, static_cast<size_t>(std::max<int64_t>(want_until - have_until, 0)));
  if (want == 0) return OkStatus();
  EAGRE_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(have_until, buffer_.get() + filled_, want));
  if (got < want && split_.to_end()) {
    file_size_ = end_ = have_until + static_cast<int64_t>(got);
  } else if (got < want) {
    return FailedPrecondition(
        "{} ended at byte {} while it was read, {} bytes were there before: input files must not be "
        "changed while they are read",
        split_.path, have_until + static_cast<int64_t>(got), split_.file_size);
  }
  filled_ += got;
  std::memset(buffer_.get() + filled_, 0, kPadding);
  return OkStatus();
}

// The chunk's own lines begin behind the first end of line at or after its start.
Status LineWindowReader::SkipToFirstLine() {
  for (;;) {
    EAGRE_RETURN_IF_ERROR(Fill(file_size_));
    const void* end_of_line = std::memchr(buffer_.get(), '\n', filled_);
    if (end_of_line != nullptr) {
      window_begin_ = static_cast<size_t>(static_cast<const char*>(end_of_line) - buffer_.get()) + 1;
      if (buffer_offset_ + static_cast<int64_t>(window_begin_) > end_) done_ = true;
      return OkStatus();
    }
    buffer_offset_ += static_cast<int64_t>(filled_);
    filled_ = 0;
    // A line that began before this chunk goes beyond its end: the chunk has none of its own.
    if (buffer_offset_ >= end_) {
      done_ = true;
      return OkStatus();
    }
  }
}

StatusOr<bool> LineWindowReader::NextWindow() {
  const size_t unread = std::exchange(unread_, 0);
  // Keep what follows the last window, at the front of the buffer.
  const size_t consumed = window_begin_ + std::exchange(window_size_, 0);
  if (done_) return false;
  if (consumed > 0) {
    filled_ -= consumed;
    std::memmove(buffer_.get(), buffer_.get() + consumed, filled_);
    buffer_offset_ += static_cast<int64_t>(consumed);
    window_begin_ = 0;
  }
  window_offset_ = buffer_offset_;
  // A line that starts at the chunk's end is the last of its own.
  if (buffer_offset_ > end_ || buffer_offset_ >= file_size_) {
    done_ = true;
    return false;
  }
  for (int64_t tail = kTailBytes;; tail *= 2) {
    EAGRE_RETURN_IF_ERROR(Fill(end_ < file_size_ - tail ? end_ + tail : file_size_));
    const int64_t have_until = buffer_offset_ + static_cast<int64_t>(filled_);
    if (have_until > end_) {
      const size_t end_at = static_cast<size_t>(end_ - buffer_offset_);
      if (const void* last = std::memchr(buffer_.get() + end_at, '\n', filled_ - end_at)) {
        window_size_ = static_cast<size_t>(static_cast<const char*>(last) - buffer_.get()) + 1;
        done_ = true;
        return true;
      }
    }
    if (have_until == file_size_) {
      window_size_ = filled_;
      done_ = true;
      return filled_ > 0;
    }
    if (const void* last = memrchr(buffer_.get() + unread, '\n', filled_ - unread)) {
      window_size_ = static_cast<size_t>(static_cast<const char*>(last) - buffer_.get()) + 1;
      return true;
    }
    if (filled_ < capacity_) continue;  // the tail was too short to hold the end of the last line
    if (capacity_ >= kMaxLineBytes) {
      return InvalidArgument("{}: the line at byte {} is longer than {} bytes; is this a file of lines?", split_.path,
                             buffer_offset_, kMaxLineBytes);
    }
    Reserve(capacity_ * 2);
  }
}

void LineWindowReader::Unread(size_t bytes) {
  EAGRE_CHECK(!done_ && bytes <= window_size_);
  window_size_ -= bytes;
  unread_ = bytes;
}

StatusOr<int64_t> LineNumberAt(FileSystem& files, const std::string& path, int64_t offset) {
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, OpenInputFile(files, path));
  std::vector<char> buffer(size_t{1} << 20);
  int64_t line = 1;
  for (int64_t at = 0; at < offset;) {
    const size_t want = static_cast<size_t>(std::min<int64_t>(offset - at, static_cast<int64_t>(buffer.size())));
    EAGRE_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(at, buffer.data(), want));
    if (got == 0) break;
    line += std::count(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got), '\n');
    at += static_cast<int64_t>(got);
  }
  return line;
}

}  // namespace eagre
