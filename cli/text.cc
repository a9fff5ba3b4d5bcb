#include "cli/text.h"

#include <algorithm>
#include <ctime>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace eagre {
namespace {

constexpr int64_t kMaxPrintableTimeMs = 253402300799999;  // 9999-12-31T23:59:59.999Z
constexpr int64_t kMinPrintableTimeMs = -62167219200000;  // 0000-01-01T00:00:00Z

// Columns taken on the terminal, counting each UTF-8 character as one.
size_t DisplayWidth(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool LooksLikeNumber(std::string_view cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789,.%-") == std::string_view::npos;
}

}  // namespace

std::string FormatListTime(int64_t time_ms) {
  const std::time_t seconds = static_cast<std::time_t>(time_ms / 1000);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return fmt::format("{:02}.{:02}.{:04} {:02}:{:02}:{:02}", parts.tm_mday, parts.tm_mon + 1, parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string FormatIsoTime(int64_t time_ms) {
  if (time_ms < kMinPrintableTimeMs || time_ms > kMaxPrintableTimeMs) return fmt::format("{} ms", time_ms);
  int64_t seconds = time_ms / 1000;
  int64_t millis = time_ms % 1000;
  if (millis < 0) {
    millis += 1000;
    --seconds;
  }
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, millis);
}

std::string FormatWatermark(int64_t watermark_ms) {
  if (watermark_ms == std::numeric_limits<int64_t>::min()) return "-";
  if (watermark_ms == std::numeric_limits<int64_t>::max()) return "end of input";
  return FormatIsoTime(watermark_ms);
}

std::string FormatCount(int64_t count) {
  std::string digits = fmt::format("{}", count);
  const size_t first = digits[0] == '-' ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string FormatDuration(int64_t duration_ms) {
  if (duration_ms < 1000) return fmt::format("{} ms", duration_ms);
  if (duration_ms < 60'000) return fmt::format("{}.{} s", duration_ms / 1000, duration_ms % 1000 / 100);
  const int64_t seconds = duration_ms / 1000;
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

std::string Shorten(std::string_view text, size_t columns) {
  if (text.size() <= columns) return std::string(text);
  constexpr std::string_view kMark = "...";
  size_t keep = columns > kMark.size() ? columns - kMark.size() : 0;
  while (keep > 0 && (static_cast<unsigned char>(text[keep]) & 0xC0) == 0x80) --keep;
  return std::string(text.substr(0, keep)) + std::string(kMark.substr(0, std::min(columns, kMark.size())));
}

TextTable::TextTable(std::vector<std::string> header) {
  rows_.push_back(std::move(header));
}

void TextTable::Add(std::vector<std::string> row) {
  EAGRE_CHECK(row.size() == rows_[0].size());
  rows_.push_back(std::move(row));
}

std::string TextTable::Render() const {
  const size_t columns = rows_[0].size();
  std::vector<size_t> widths(columns, 0);
  std::vector<bool> numeric(columns, rows_.size() > 1);
  for (size_t r = 0; r < rows_.size(); ++r) {
    for (size_t c = 0; c < columns; ++c) {
      widths[c] = std::max(widths[c], DisplayWidth(rows_[r][c]));
      if (r > 0 && !LooksLikeNumber(rows_[r][c])) numeric[c] = false;
    }
  }
  std::string out;
  for (const std::vector<std::string>& row : rows_) {
    std::string line;
    for (size_t c = 0; c < columns; ++c) {
      const std::string padding(widths[c] - DisplayWidth(row[c]), ' ');
      if (c > 0) line += "  ";
      line += numeric[c] ? padding + row[c] : row[c] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line;
    out += '\n';
  }
  return out;
}

}  // namespace eagre
