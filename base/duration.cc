#include "base/duration.h"

#include <charconv>
#include <initializer_list>
#include <limits>
#include <span>

namespace eagre {
namespace {

// One unit under all its names; the first is printed.
struct NamedUnit {
  int64_t factor;
  std::initializer_list<std::string_view> names;
};

const NamedUnit kDurationUnits[] = {
    {int64_t{86400} * 1000, {"d", "day", "days"}},
    {int64_t{3600} * 1000, {"h", "hour", "hours"}},
    {int64_t{60} * 1000, {"min", "m", "minute", "minutes"}},
    {1000, {"s", "sec", "secs", "second", "seconds"}},
    {1, {"ms", "milli", "millis", "millisecond", "milliseconds"}},
};

const NamedUnit kMemoryUnits[] = {
    {int64_t{1} << 40, {"tb", "t", "tebibytes"}},
    {int64_t{1} << 30, {"gb", "g", "gibibytes"}},
    {int64_t{1} << 20, {"mb", "m", "mebibytes"}},
    {int64_t{1} << 10, {"kb", "k", "kibibytes"}},
    {1, {"b", "bytes"}},
};

std::string_view TrimSpaces(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// `what` is a noun with its example, for the message.
StatusOr<int64_t> ParseWithUnit(std::string_view text, std::span<const NamedUnit> units, std::string_view what) {
  const std::string_view trimmed = TrimSpaces(text);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), number);
  if (error == std::errc::result_out_of_range) return InvalidArgument("'{}' is too large", text);
  if (error != std::errc() || number < 0) return InvalidArgument("'{}' is not {}", text, what);
  std::string unit;
  for (const char c : TrimSpaces(trimmed.substr(static_cast<size_t>(end - trimmed.data())))) {
    unit.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  if (unit.empty()) return number;
  for (const NamedUnit& candidate : units) {
    for (const std::string_view name : candidate.names) {
      if (unit != name) continue;
      if (number > std::numeric_limits<int64_t>::max() / candidate.factor)
        return InvalidArgument("'{}' is too large", text);
      return number * candidate.factor;
    }
  }
  return InvalidArgument("'{}' is not {}", text, what);
}

// The unit for which `value` is a whole number of units; the smallest for 0.
const NamedUnit& LargestWholeUnit(int64_t value, std::span<const NamedUnit> units) {
  for (const NamedUnit& unit : units) {
    if (value != 0 && value % unit.factor == 0) return unit;
  }
  return units.back();
}

}  // namespace

StatusOr<int64_t> ParseDurationMs(std::string_view text) {
  return ParseWithUnit(text, kDurationUnits, "a duration such as '10 s', '200 ms' or '5 min'");
}

std::string FormatDurationMs(int64_t duration_ms) {
  const NamedUnit& unit = LargestWholeUnit(duration_ms, kDurationUnits);
  return fmt::format("{} {}", duration_ms / unit.factor, *unit.names.begin());
}

StatusOr<int64_t> ParseMemorySize(std::string_view text) {
  return ParseWithUnit(text, kMemoryUnits, "a memory size such as '32kb', '64mb' or '1gb'");
}

std::string FormatMemorySize(int64_t bytes) {
  const NamedUnit& unit = LargestWholeUnit(bytes, kMemoryUnits);
  return fmt::format("{}{}", bytes / unit.factor, *unit.names.begin());
}

}  // namespace eagre
