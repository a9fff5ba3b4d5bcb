// Reads one chunk of a file as windows of whole lines.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "connectors/file/file_split.h"

namespace eagre {

// Keeps its buffer from chunk to chunk. One thread.
class LineWindowReader {
 public:
  // What may be read beyond the end of a window, whose bytes are then zero: simdjson reads in blocks.
  static constexpr size_t kPadding = 64;
  static constexpr size_t kDefaultWindowBytes = size_t{1} << 20;
  // A line longer than this is an error rather than the end of the machine's memory.
  static constexpr size_t kMaxLineBytes = size_t{256} << 20;

  explicit LineWindowReader(FileSystem& files, size_t window_bytes = kDefaultWindowBytes);

  // Begins a chunk, at its position. Fails when the file is gone or shorter than when it was cut into chunks.
  Status Open(const FileSplit& split);
  // Passes over the first line of the file. Directly after Open, of a split that begins at 0 and was not read before.
  Status SkipHeader() { return SkipToFirstLine(); }
  // Finds the next window; false at the end of the chunk. The window before it is gone.
  StatusOr<bool> NextWindow();
  // The last `bytes` bytes of the window were not consumed: the next one begins with them and is longer.
  // REQUIRES: !at_last_window().
  void Unread(size_t bytes);
  void Close();

  // Whole lines with their ends, but the last line of the file, which may have none.
  std::string_view window() const { return {buffer_.get() + window_begin_, window_size_}; }
  // Where the window stands in the file.
  int64_t window_offset() const { return window_offset_; }
  // Bytes that may be read from window().data() on.
  size_t readable_bytes() const { return capacity_ + kPadding - window_begin_; }
  bool is_open() const { return file_ != nullptr; }
  const FileSplit& split() const { return split_; }
  // No window follows that starts before the chunk's end.
  bool at_last_window() const { return done_; }

 private:
  Status Fill(int64_t want_until);
  Status SkipToFirstLine();
  void Reserve(size_t bytes);

  FileSystem& files_;
  const size_t window_bytes_;
  FileSplit split_;
  std::unique_ptr<ReadableFile> file_;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  // The buffer holds the file's bytes from buffer_offset_ on, filled_ of them.
  int64_t buffer_offset_ = 0;
  size_t filled_ = 0;
  size_t window_begin_ = 0;
  size_t window_size_ = 0;
  int64_t window_offset_ = 0;
  size_t unread_ = 0;  // at the beginning of the next window
  int64_t end_ = 0;    // of the chunk
  int64_t file_size_ = 0;
  bool done_ = true;
};

// The number of the line that starts at `offset`, from 1: counts the ends of line before it. For messages.
StatusOr<int64_t> LineNumberAt(FileSystem& files, const std::string& path, int64_t offset);

}  // namespace eagre
