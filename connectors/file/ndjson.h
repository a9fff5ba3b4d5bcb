// Files of JSON lines, in and out.
//
//   auto payments = job.Read(NdjsonFiles<Payment>("/data/payments/*.ndjson").OnMalformed(Malformed::kSideOutput));
//   payments.SideOutput(kMalformedLines).WriteTo(NdjsonSink("/data/rejected"));
//
// docs/connectors.md says what is read and in which order.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "connectors/file/file_sink.h"
#include "connectors/file/file_source.h"
#include "record/type_info_of.h"

namespace eagre {

/// A file, a folder or a pattern of NDJSON files as a source.
template <typename T>
class NdjsonFiles final : public FileSource<T, NdjsonFiles<T>> {
 public:
  explicit NdjsonFiles(std::string path) : FileSource<T, NdjsonFiles<T>>(std::move(path)) {}

  std::string Name() const override { return "NDJSON files"; }

 private:
  StatusOr<std::unique_ptr<RowParser>> CreateParser() const override {
    return std::make_unique<NdjsonRowParser>(TypeInfoOf<T>());
  }
};

/// Writes each record as a line of JSON into a folder, for any record type.
///
/// A file is `.<prefix>-<subtask>.ndjson.inprogress` while it is written and `<prefix>-<subtask>.ndjson` once the input
/// has ended: what has a final name is complete. Rolling files have a longer name; see docs/connectors.md.
class NdjsonSink final : public FileSinkMaker<NdjsonSink> {
 public:
  explicit NdjsonSink(std::string directory, std::string prefix = "part")
      : FileSinkMaker(std::move(directory), std::move(prefix), ".ndjson") {}

  template <typename T>
  std::shared_ptr<Sink<T>> For() const {
    return std::make_shared<FileSink<T>>("NDJSON sink", options(), NdjsonEncoders());
  }
};

}  // namespace eagre
