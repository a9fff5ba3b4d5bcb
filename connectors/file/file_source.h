// What file sources of all formats share: the typed reader, and the settings. ndjson.h and csv.h add the formats.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "connectors/file/file_enumerator.h"
#include "connectors/file/file_read.h"
#include "eagre/source.h"

namespace eagre {

/// The side output of Malformed::kSideOutput.
inline const OutputTag<MalformedLine> kMalformedLines{"malformed-lines"};

template <typename T>
class FileReader final : public SourceReader<T> {
 public:
  FileReader(const FileReadOptions& options, std::unique_ptr<RowParser> parser) : read_(options, std::move(parser)) {}

  Status Start(SourceReaderContext& context) override { return read_.Start(context); }
  Status AddSplits(std::vector<SourceSplit> splits) override { return read_.AddSplits(std::move(splits)); }
  Status NoMoreSplits() override { return read_.NoMoreSplits(); }
  void PauseSplits(const std::vector<std::string>& split_ids) override { read_.PauseSplits(split_ids); }
  void ResumeSplits(const std::vector<std::string>& split_ids) override { read_.ResumeSplits(split_ids); }
  std::vector<SourceSplit> Snapshot() const override { return read_.Snapshot(); }
  std::string RecordPosition() const override { return read_.RecordPosition(); }

  StatusOr<ReadResult> Read(SplitOutput<T>& out) override {
    EAGRE_ASSIGN_OR_RETURN(const ReadResult begun, read_.Begin());
    if (begun != ReadResult::kMore) return begun;
    out.BeginSplit(read_.split_id());
    std::optional<MalformedLine> malformed;
    while (!out.full()) {
      EAGRE_ASSIGN_OR_RETURN(const bool row, read_.NextRow(&out.Next(), malformed));
      if (row && !malformed) [[likely]]
        continue;
      out.DropLast();
      if (malformed) {
        out.Output(kMalformedLines, *std::exchange(malformed, std::nullopt));
        continue;
      }
      EAGRE_ASSIGN_OR_RETURN(const bool window, read_.NextWindow());
      if (window) continue;
      out.FinishSplit();
      break;
    }
    return ReadResult::kMore;
  }

 private:
  FileRead read_;
};

/// The settings of a file source; `Derived` is the source of a format, which the functions return changed.
template <typename T, typename Derived>
class FileSource : public Source<T> {
 public:
  /// What becomes of a line or row that is not a T; Malformed::kFail unless set.
  Derived OnMalformed(Malformed policy) && {
    read_.malformed = policy;
    return Self();
  }
  /// Files are read in parallel by chunks of about so many bytes. Smaller chunks keep readers closer in event time.
  Derived ChunkBytes(int64_t bytes) && {
    enumerator_.chunk_bytes = std::max<int64_t>(bytes, 1);
    return Self();
  }
  /// How much of a file is read at once.
  Derived WindowBytes(size_t bytes) && {
    read_.window_bytes = bytes;
    return Self();
  }
  /// Goes on for ever: every `interval` it looks for files that were not there before, and reads those too. The stream
  /// is then unbounded. Files should be moved into the folder when they are complete.
  Derived Watch(std::chrono::milliseconds interval) && {
    enumerator_.watch_interval_ms = std::max<int64_t>(interval.count(), 1);
    return Self();
  }
  /// Other files than the machine's; they outlive the job.
  Derived On(FileSystem& files) && {
    read_.files = &files;
    return Self();
  }

  Boundedness boundedness() const override {
    return enumerator_.watch_interval_ms > 0 ? Boundedness::kContinuousUnbounded : Boundedness::kBounded;
  }
  StatusOr<std::unique_ptr<SplitEnumerator>> CreateEnumerator() const override {
    return std::make_unique<FileEnumerator>(*read_.files, enumerator_);
  }
  StatusOr<std::unique_ptr<SourceReader<T>>> CreateReader() const override {
    EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<RowParser> parser, CreateParser());
    return std::make_unique<FileReader<T>>(read_, std::move(parser));
  }

 protected:
  explicit FileSource(std::string path) {
    enumerator_.path = std::move(path);
    read_.files = &PosixFileSystem();
  }
  void ReadWholeFiles() { enumerator_.whole_files = true; }

 private:
  virtual StatusOr<std::unique_ptr<RowParser>> CreateParser() const = 0;
  Derived Self() { return std::move(static_cast<Derived&>(*this)); }

  FileEnumeratorOptions enumerator_;
  FileReadOptions read_;
};

}  // namespace eagre
