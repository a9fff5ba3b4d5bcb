// How records lie in the columns of CSV, for csv_reader.h and csv_writer.h.
//
// A column holds one field: the fields of a record within the record have columns of their own, named
// "location.latitude"; vectors, maps and optional records are JSON text in their cell. An empty cell is null: an empty
// optional, not-a-number, and for strings the empty text. An empty optional string is told from an optional empty
// string by quotes: the latter is "".
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "record/type_info.h"

namespace eagre {

struct CsvField {
  std::string name;
  size_t offset = 0;  // from the start of the outermost record
  const TypeInfo* type = nullptr;
};

// The columns of a record type, in the order in which its fields are declared. A type that is no record has one column,
// "value".
std::vector<CsvField> CsvFieldsOf(const TypeInfo& type);

}  // namespace eagre
