// CSV into records, as RFC 4180 has it: cells may stand in quotes, a quote within them is doubled.
//
// Failures of a row are INVALID_ARGUMENT and say what is wrong where:
//   column 'amount': expected a number, found 'ten'
//   expected 5 columns as in the header, found 4
// After a failure the record holds some mixture of old and new values.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "record/csv.h"
#include "record/json_reader.h"
#include "record/parsed_line.h"
#include "record/type_info.h"

namespace eagre {

struct CsvOptions {
  char delimiter = ',';
  // Rows may hold ends of line within quotes; else a row is a line.
  bool multiline = false;
};

// One thread. Keeps its buffers from row to row.
class CsvParser {
 public:
  // `type` outlives the parser.
  CsvParser(const TypeInfo& type, const CsvOptions& options);

  // The columns of the rows to come. A name that the record does not have is passed over; a field without a column gets
  // the default that its struct declares. Fails when no column is a field, or two are the same.
  Status SetColumns(const std::vector<std::string>& names);
  // The same from the text of a header. A header without news costs no more than the comparison.
  Status SetHeader(std::string_view header);

  // `window` holds whole lines and stays as it is until the last NextRow. `last`: nothing follows, so that a row which
  // is not complete is malformed, rather than left as unread().
  void BeginWindow(std::string_view window, bool last);
  // Parses the next row that is not blank; false at the end of the window. A failure of one row (row.status) does not
  // touch the next ones.
  bool NextRow(void* record, ParsedLine& row);
  // The bytes at the window's end that begin a row which goes beyond it.
  size_t unread() const { return unread_; }

 private:
  struct Cell {
    std::string_view text;
    bool quoted = false;
  };

  // The end of the row that begins at `at`, before its end of line; npos when it goes beyond the window.
  size_t EndOfRow(size_t at) const;
  // The text within the quotes that `rest` begins with, and the place behind them; false when they are not closed.
  bool Unquote(std::string_view rest, std::string_view& text, size_t& end);
  // The next cell of `rest`, which is advanced behind its delimiter; `more` tells whether another cell follows.
  Status NextCell(std::string_view& rest, Cell& cell, bool& more);
  Status ParseRow(std::string_view row, void* record);
  Status ParseCell(const TypeInfo& type, const Cell& cell, void* value);

  const TypeInfo& type_;
  const CsvOptions options_;
  const std::vector<CsvField> fields_;
  std::vector<const CsvField*> columns_;   // null: passed over
  std::vector<const CsvField*> defaults_;  // fields without a column
  std::string header_;
  std::string_view window_;
  size_t at_ = 0;
  size_t unread_ = 0;
  bool last_ = true;
  std::string unquoted_;
  JsonParser json_;
};

}  // namespace eagre
