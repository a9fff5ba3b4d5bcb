// What a file source needs to know of its format: rows of text into records.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "record/csv_reader.h"
#include "record/json_reader.h"
#include "record/parsed_line.h"

namespace eagre {

// One thread; for one record type.
class RowParser {
 public:
  virtual ~RowParser() = default;
  // The first line of each file is its header, which SetHeader gets before the rows of that file.
  virtual bool has_header() const { return false; }
  virtual Status SetHeader([[maybe_unused]] std::string_view header) { return OkStatus(); }
  // Whole lines, which stay as they are until the last NextRow; `readable_bytes` counts from their start; `last`: the
  // split ends with them.
  virtual void BeginWindow(std::string_view window, size_t readable_bytes, bool last) = 0;
  // The next row that is not blank; false at the end of the window. row.status says whether it is a record.
  virtual bool NextRow(void* record, ParsedLine& row) = 0;
  // Bytes at the window's end that begin a row which goes beyond it; 0 in the last window.
  virtual size_t unread() const { return 0; }
};

class NdjsonRowParser final : public RowParser {
 public:
  explicit NdjsonRowParser(const TypeInfo& type) : type_(type) {}
  void BeginWindow(std::string_view window, size_t readable_bytes, bool) override {
    parser_.BeginWindow(window, readable_bytes);
  }
  bool NextRow(void* record, ParsedLine& row) override { return parser_.NextLine(type_, record, row); }

 private:
  const TypeInfo& type_;
  JsonParser parser_;
};

class CsvRowParser final : public RowParser {
 public:
  // `columns` are the names of the rows' columns; where there are none, each file has a header.
  static StatusOr<std::unique_ptr<RowParser>> Create(const TypeInfo& type, const CsvOptions& options,
                                                     const std::vector<std::string>& columns);

  bool has_header() const override { return has_header_; }
  Status SetHeader(std::string_view header) override { return parser_.SetHeader(header); }
  void BeginWindow(std::string_view window, size_t, bool last) override { parser_.BeginWindow(window, last); }
  bool NextRow(void* record, ParsedLine& row) override { return parser_.NextRow(record, row); }
  size_t unread() const override { return parser_.unread(); }

 private:
  CsvRowParser(const TypeInfo& type, const CsvOptions& options, bool has_header)
      : parser_(type, options), has_header_(has_header) {}

  CsvParser parser_;
  const bool has_header_;
};

}  // namespace eagre
