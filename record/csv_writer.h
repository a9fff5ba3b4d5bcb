// Records as rows of CSV, which csv_reader.h reads back to equal records.
#pragma once

#include <string>
#include <vector>

#include "record/csv.h"
#include "record/type_info.h"

namespace eagre {

// Immutable; any thread.
class CsvWriter {
 public:
  CsvWriter(const TypeInfo& type, char delimiter) : fields_(CsvFieldsOf(type)), delimiter_(delimiter) {}

  // The names of the columns, with an end of line.
  std::string Header() const;
  // Times are ISO 8601; cells are quoted where they must be.
  void AppendRow(const void* record, std::string& out) const;

 private:
  void AppendCell(const TypeInfo& type, const void* value, std::string& out) const;
  void AppendText(std::string_view text, bool always_quoted, std::string& out) const;

  const std::vector<CsvField> fields_;
  const char delimiter_;
};

}  // namespace eagre
