// What file sinks of all formats share. ndjson.h and csv.h add the formats.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "connectors/file/part_file.h"
#include "eagre/sink.h"
#include "record/type_info_of.h"

namespace eagre {

template <typename T>
class FileSink final : public Sink<T> {
 public:
  FileSink(std::string name, PartFileOptions options, RowEncoderFactory format)
      : name_(std::move(name)), options_(std::move(options)), format_(std::move(format)) {}

  std::string Name() const override { return name_; }
  StatusOr<std::unique_ptr<SinkWriter<T>>> CreateWriter() const override {
    return std::make_unique<Writer>(options_, format_(TypeInfoOf<T>()));
  }
  StatusOr<std::unique_ptr<Committer>> CreateCommitter() const override {
    return std::make_unique<PartFileCommitter>(*options_.files);
  }

 private:
  class Writer final : public SinkWriter<T> {
   public:
    Writer(const PartFileOptions& options, std::unique_ptr<RowEncoder> encoder) : file_(options, std::move(encoder)) {}
    Status Open(SinkContext& context) override { return file_.Open(context); }
    Status Write(const TypedBatch<T>& batch, size_t& position) override {
      EAGRE_RETURN_IF_ERROR(file_.Append(batch.records() + position, sizeof(T), batch.size() - position));
      position = batch.size();
      return OkStatus();
    }
    Status Flush(bool before_commit, bool& done) override { return file_.Flush(before_commit, done); }
    StatusOr<std::vector<Committable>> PrepareCommit() override { return file_.PrepareCommit(); }
    std::function<Status()> TakeSync() override { return file_.TakeSync(); }
    Status Close(bool failed) override { return file_.Close(failed); }

   private:
    PartFileWriter file_;
  };

  const std::string name_;
  const PartFileOptions options_;
  const RowEncoderFactory format_;
};

/// The settings of a file sink; `Derived` is the sink maker of a format, which the functions return changed.
///
/// Without any of the Roll... functions a run writes one file per subtask and replaces those of an earlier run. With
/// one of them it begins a new file whenever one has its size or age, and adds to what is in the folder.
template <typename Derived>
class FileSinkMaker {
 public:
  /// A file is finished when it has so many bytes.
  Derived RollAtBytes(int64_t bytes) && {
    options_.rolling.max_bytes = bytes;
    return Self();
  }
  /// A file is finished so long after its first record.
  Derived RollEvery(std::chrono::milliseconds age) && {
    options_.rolling.max_age_ms = age.count();
    return Self();
  }
  /// A file is finished when no record came for so long.
  Derived RollWhenIdleFor(std::chrono::milliseconds idle) && {
    options_.rolling.max_idle_ms = idle.count();
    return Self();
  }
  /// Other files than the machine's; they outlive the job.
  Derived On(FileSystem& files) && {
    options_.files = &files;
    return Self();
  }

 protected:
  FileSinkMaker(std::string directory, std::string prefix, std::string suffix) {
    options_.directory = std::move(directory);
    options_.prefix = std::move(prefix);
    options_.suffix = std::move(suffix);
    options_.files = &PosixFileSystem();
  }
  const PartFileOptions& options() const { return options_; }

 private:
  Derived Self() { return std::move(static_cast<Derived&>(*this)); }

  PartFileOptions options_;
};

}  // namespace eagre
