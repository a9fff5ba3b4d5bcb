// The half of a file source's reader that does not know the record type: which chunk is read, windows of it, the
// format's parser, and what becomes of malformed lines.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "connectors/file/file_split.h"
#include "connectors/file/line_window_reader.h"
#include "connectors/file/row_parser.h"
#include "record/record.h"
#include "runtime/split_source.h"

namespace eagre {

/// What a source does with a line that is not a record.
enum class Malformed {
  kFail,        ///< the job fails, naming file, line and reason
  kSkip,        ///< the line is dropped and counted (numRecordsInErrors)
  kSideOutput,  ///< the line goes to the side output kMalformedLines
};

/// A line that is not a record, as it was read.
struct MalformedLine {
  std::string file;
  int64_t offset = 0;  ///< where the line starts, in bytes
  std::string line;
  std::string reason;
};
EAGRE_RECORD(MalformedLine, file, offset, line, reason);

struct FileReadOptions {
  FileSystem* files = nullptr;
  Malformed malformed = Malformed::kFail;
  size_t window_bytes = LineWindowReader::kDefaultWindowBytes;
};

// One thread. Asks for the next chunk when it begins the last window of the one at hand, so that no reader waits
// between two chunks.
class FileRead {
 public:
  FileRead(const FileReadOptions& options, std::unique_ptr<RowParser> parser)
      : options_(options), lines_(*options.files, options.window_bytes), parser_(std::move(parser)) {}

  // ---- as in SplitReader ----
  Status Start(SourceReaderContext& context);
  Status AddSplits(std::vector<SourceSplit> splits);
  Status NoMoreSplits();
  void PauseSplits(const std::vector<std::string>& split_ids) { paused_.insert(split_ids.begin(), split_ids.end()); }
  void ResumeSplits(const std::vector<std::string>& split_ids);
  std::vector<SourceSplit> Snapshot() const;

  // Makes sure that a chunk is open; kMore when one is. Then: NextRow until it is false, NextWindow, and so on; when
  // NextWindow is false the chunk is at its end.
  StatusOr<ReadResult> Begin();
  // Of the chunk that Begin found; valid until the next Begin.
  std::string_view split_id() const { return split_id_; }
  // The next row that is a record goes into `record`. `malformed` is set when a row was met that belongs to the side
  // output; the record is then to be dropped, as it is when this returns false (end of the window).
  StatusOr<bool> NextRow(void* record, std::optional<MalformedLine>& malformed) {
    while (parser_->NextRow(record, row_)) {
      if (row_.status.ok()) [[likely]]
        return true;
      EAGRE_RETURN_IF_ERROR(OnMalformed(malformed));
      if (malformed) return true;
    }
    return false;
  }
  StatusOr<bool> NextWindow();
  // Of the row that NextRow met last: "byte 4711".
  std::string RecordPosition() const;

 private:
  void MaybeRequest();
  Status Open(const FileSplit& split);
  Status ReadHeader(const std::string& path);
  Status OnMalformed(std::optional<MalformedLine>& malformed);
  int64_t NextPosition() const;

  const FileReadOptions options_;
  LineWindowReader lines_;
  const std::unique_ptr<RowParser> parser_;
  ParsedLine row_;
  SourceReaderContext* context_ = nullptr;
  std::deque<FileSplit> queue_;
  std::string split_id_;
  std::string header_path_;  // the file whose header the parser has
  std::set<std::string, std::less<>> paused_;
  bool reading_ = false;    // a chunk is open
  bool requested_ = false;  // an answer is on its way
  bool no_more_splits_ = false;
};

}  // namespace eagre
