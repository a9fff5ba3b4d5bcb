// Cuts files into chunks and hands them out in order, each to the reader that asks next.
//
// So the readers are always at neighbouring places of the input. One that is slow does not let the others run away: a
// chunk is given out only while it is at most a few chunks per reader ahead of the oldest that is not finished.
//
// A source that watches its path never ends: files that appear later are given out as they are found. A file is read
// once; what is done to it later is not noticed, until it is removed and one of the same name appears.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "connectors/file/file_split.h"
#include "runtime/split_source.h"

namespace eagre {

// The files that a source's path means: a file, a folder (with all files below it, sorted by path; names that begin
// with '.' or '_' are hidden), or a pattern. NOT_FOUND when there is no such file or none matches; an empty folder is
// no error. INVALID_ARGUMENT for a path to a pipe, a device or what else has no size; in a folder these are among the
// files, with their size of -1.
StatusOr<std::vector<FileInfo>> FindInputFiles(FileSystem& files, const std::string& path);

struct FileEnumeratorOptions {
  std::string path;
  int64_t chunk_bytes = int64_t{4} << 20;
  // Every file is one split: its rows cannot be found from its middle. Compressed files always are.
  bool whole_files = false;
  // How often to look for new files, for ever; 0: the files that are there at the start are all.
  int64_t watch_interval_ms = 0;
};

class FileEnumerator final : public SplitEnumerator {
 public:
  static constexpr int kChunksAheadPerReader = 4;

  // `files` outlives the enumerator.
  FileEnumerator(FileSystem& files, FileEnumeratorOptions options) : files_(files), options_(std::move(options)) {}

  Status Restore(std::string_view snapshot) override;
  Status Start(Context& context) override;
  Status OnReaderRegistered(int subtask, const std::vector<SourceSplit>& held) override;
  Status OnSplitRequest(int subtask) override;
  Status OnSplitFinished(int subtask, std::string_view split_id) override;
  Status AddSplitsBack(int subtask, std::vector<SourceSplit> splits) override;
  std::string Snapshot() const override;

 private:
  // The next chunk not given out; false at the end.
  bool Next(FileSplit& split);
  void Serve();
  // Adds the files that were not there before, the oldest first, and comes again after the interval.
  Status Discover();

  FileSystem& files_;
  const FileEnumeratorOptions options_;
  Context* context_ = nullptr;
  bool restored_ = false;
  std::deque<FileInfo> inputs_;              // not given out, or not to their end
  std::set<std::string, std::less<>> seen_;  // when watching: the files that were there when last looked
  int64_t next_offset_ = 0;                  // in the first of inputs_
  int64_t next_sequence_ = 0;
  std::map<int64_t, FileSplit> returned_;                   // by sequence
  std::map<std::string, int64_t, std::less<>> unfinished_;  // given out: id to sequence
  std::set<int64_t> unfinished_sequences_;
  std::deque<int> waiting_;  // readers whose request is open, in order
};

}  // namespace eagre
