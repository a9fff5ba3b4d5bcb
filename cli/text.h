// How numbers, times and tables look on a terminal: one place, so that every verb shows the same thing the same way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace eagre {

// 24.11.2026 21:29:33 in the local time zone, as Flink's `list` shows it.
std::string FormatListTime(int64_t time_ms);

// 2026-11-24T21:29:33.120Z, always in UTC.
std::string FormatIsoTime(int64_t time_ms);

// A watermark as ISO time; "-" while there is none, "end of input" after the last one.
std::string FormatWatermark(int64_t watermark_ms);

// 1234567 -> "1,234,567".
std::string FormatCount(int64_t count);

// "850 ms", "12.3 s", "4 min 7 s", "3 h 20 min".
std::string FormatDuration(int64_t duration_ms);

// Cuts `text` to at most `columns` bytes, marking a cut by "..."; never inside a UTF-8 character.
std::string Shorten(std::string_view text, size_t columns);

// Rows of cells printed in aligned columns, two spaces apart. Cells that look like numbers are aligned to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header);
  void Add(std::vector<std::string> row);  // as many cells as the header
  std::string Render() const;              // ends with a newline

 private:
  std::vector<std::vector<std::string>> rows_;  // the first one is the header
};

}  // namespace eagre
