// CSV files, in and out. The columns of a record are its fields; record/csv.h says how they lie there.
//
//   auto payments = job.Read(CsvFiles<Payment>("/data/payments/*.csv.gz").OnMalformed(Malformed::kSkip));
//   payments.WriteTo(CsvSink("/data/out").Delimiter(';').RollAtBytes(64 << 20));
//
// docs/connectors.md says what is read and in which order.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connectors/file/file_sink.h"
#include "connectors/file/file_source.h"
#include "record/type_info_of.h"

namespace eagre {

/// A file, a folder or a pattern of CSV files as a source. The first line of a file is its header, unless Columns says
/// what the columns are.
template <typename T>
class CsvFiles final : public FileSource<T, CsvFiles<T>> {
 public:
  explicit CsvFiles(std::string path) : FileSource<T, CsvFiles<T>>(std::move(path)) {}

  CsvFiles Delimiter(char delimiter) && {
    options_.delimiter = delimiter;
    return std::move(*this);
  }
  /// The files have no header; their columns are these fields. "" or an unknown name passes a column over.
  CsvFiles Columns(std::vector<std::string> names) && {
    columns_ = std::move(names);
    return std::move(*this);
  }
  /// The files have no header; their columns are all fields in the order in which the record declares them.
  CsvFiles WithoutHeader() && {
    for (const CsvField& field : CsvFieldsOf(TypeInfoOf<T>())) columns_.push_back(field.name);
    return std::move(*this);
  }
  /// Rows may hold ends of line within quotes. A file is then read by one reader from its beginning to its end.
  CsvFiles MultilineRows() && {
    options_.multiline = true;
    this->ReadWholeFiles();
    return std::move(*this);
  }

  std::string Name() const override { return "CSV files"; }

 private:
  StatusOr<std::unique_ptr<RowParser>> CreateParser() const override {
    return CsvRowParser::Create(TypeInfoOf<T>(), options_, columns_);
  }

  CsvOptions options_;
  std::vector<std::string> columns_;
};

/// Writes each record as a row of CSV into a folder, for any record type. Names of files are those of NdjsonSink, with
/// the ending .csv.
class CsvSink final : public FileSinkMaker<CsvSink> {
 public:
  explicit CsvSink(std::string directory, std::string prefix = "part")
      : FileSinkMaker(std::move(directory), std::move(prefix), ".csv") {}

  CsvSink Delimiter(char delimiter) && {
    delimiter_ = delimiter;
    return std::move(*this);
  }
  CsvSink WithoutHeader() && {
    header_ = false;
    return std::move(*this);
  }

  template <typename T>
  std::shared_ptr<Sink<T>> For() const {
    return std::make_shared<FileSink<T>>("CSV sink", options(), CsvEncoders(delimiter_, header_));
  }

 private:
  char delimiter_ = ',';
  bool header_ = true;
};

}  // namespace eagre
