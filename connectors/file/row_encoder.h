// What a file sink needs to know of its format: records into rows of text.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "record/type_info.h"

namespace eagre {

// One thread; for one record type.
class RowEncoder {
 public:
  virtual ~RowEncoder() = default;
  // What every file begins with.
  virtual std::string Header() const { return ""; }
  // With its end of line.
  virtual void AppendRow(const void* record, std::string& out) = 0;
};

// Makes the encoder for a record type, which outlives it. Any thread.
using RowEncoderFactory = std::function<std::unique_ptr<RowEncoder>(const TypeInfo& type)>;

RowEncoderFactory NdjsonEncoders();
RowEncoderFactory CsvEncoders(char delimiter, bool header);

}  // namespace eagre
