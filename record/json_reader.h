// JSON into records: one parser per task, reused for every line.
//
// How JSON maps to fields (docs/records.md has the whole table): objects fill records and maps by name, in any order;
// unknown fields are skipped, but must be JSON; a missing field gets its struct's default; a missing or null optional
// is empty; null for any other field is an error, except for float and double, where it is not-a-number. Timestamps are
// milliseconds or ISO-8601 text; Decimals are read from the digits themselves, never through a double.
//
// Failures are INVALID_ARGUMENT and say what is wrong where:
//   field 'location.latitude': expected a number, found a string
//   invalid JSON at byte 17: expected ',' or '}', found ':'
//   truncated JSON: the line ends at byte 52 within an object
// After a failure the record holds some mixture of old and new values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "record/parsed_line.h"
#include "record/type_info_of.h"

namespace eagre {

// Used by one thread at a time. Keeps its buffers, so that a line costs no allocation.
class JsonParser {
 public:
  // Text of which this many bytes beyond its end may be read, the first of them being '\n', is parsed in place.
  static constexpr size_t kPadding = 64;

  JsonParser();
  ~JsonParser();
  JsonParser(JsonParser&&) noexcept;
  JsonParser& operator=(JsonParser&&) noexcept;

  // Parses `text`, one JSON value of `type`, into `record`. `readable_bytes` counts from the start of `text`; if it is
  // less than text.size() + kPadding, the text is copied first.
  Status Parse(std::string_view text, size_t readable_bytes, const TypeInfo& type, void* record);

  template <typename T>
  Status Parse(std::string_view text, T& record, size_t readable_bytes = 0) {
    return Parse(text, readable_bytes, TypeInfoOf<T>(), &record);
  }

  // The fast way through NDJSON: many lines are scanned at once. `window` holds whole lines; the last one may lack its
  // '\n'. It must stay as it is until the last NextLine. `readable_bytes` counts from the start of the window; what
  // lies behind the window is of no matter. Do not call Parse before the window is done.
  void BeginWindow(std::string_view window, size_t readable_bytes = 0);
  // Parses the next line that is not blank; false at the end of the window. A failure of one line (line.status) does
  // not touch the next ones.
  bool NextLine(const TypeInfo& type, void* record, ParsedLine& line);

  template <typename T>
  bool NextLine(T& record, ParsedLine& line) {
    return NextLine(TypeInfoOf<T>(), &record, line);
  }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eagre
