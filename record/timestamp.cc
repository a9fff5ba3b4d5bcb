#include "record/timestamp.h"

namespace eagre {
namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int64_t kMsPerDay = 24 * 3600 * 1000;
// 0000-01-01 and 9999-12-31, the years that ISO text of four digits can say.
constexpr int64_t kFirstIsoDay = sys_days(std::chrono::year(0) / 1 / 1).time_since_epoch().count();
constexpr int64_t kLastIsoDay = sys_days(std::chrono::year(9999) / 12 / 31).time_since_epoch().count();

// Reads exactly `count` digits.
bool TakeNumber(std::string_view& text, size_t count, int& number) {
  if (text.size() < count) return false;
  number = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

bool TakeFraction(std::string_view& text, int& ms) {
  int scale = 100;
  size_t count = 0;
  for (; count < text.size() && text[count] >= '0' && text[count] <= '9'; ++count, scale /= 10) {
    ms += (text[count] - '0') * scale;
  }
  text.remove_prefix(count);
  return count > 0;
}

// "Z", "+02", "+02:00", "+0200" or nothing.
bool TakeOffset(std::string_view& text, int& minutes) {
  minutes = 0;
  if (text.empty() || TakeChar(text, 'Z') || TakeChar(text, 'z')) return true;
  const bool west = text[0] == '-';
  if (!TakeChar(text, '+') && !TakeChar(text, '-')) return false;
  int hour = 0;
  int minute = 0;
  if (!TakeNumber(text, 2, hour)) return false;
  if (!text.empty()) {
    TakeChar(text, ':');
    if (!TakeNumber(text, 2, minute)) return false;
  }
  if (hour > 23 || minute > 59) return false;
  minutes = (west ? -1 : 1) * (hour * 60 + minute);
  return true;
}

bool TakeTimeOfDay(std::string_view& text, int64_t& ms_of_day) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  int ms = 0;
  if (!TakeNumber(text, 2, hour) || !TakeChar(text, ':') || !TakeNumber(text, 2, minute)) return false;
  if (TakeChar(text, ':')) {
    if (!TakeNumber(text, 2, second)) return false;
    if (!text.empty() && (text[0] == '.' || text[0] == ',')) {
      text.remove_prefix(1);
      if (!TakeFraction(text, ms)) return false;
    }
  }
  // A leap second counts as the first one of the next minute.
  if (hour > 23 || minute > 59 || second > 60) return false;
  ms_of_day = ((hour * 60 + minute) * 60 + second) * int64_t{1000} + ms;
  return true;
}

void AppendPadded(std::string& out, int64_t number, int width) {
  char digits[8];
  for (int i = width - 1; i >= 0; --i, number /= 10) digits[i] = static_cast<char>('0' + number % 10);
  out.append(digits, static_cast<size_t>(width));
}

}  // namespace

std::string Timestamp::ToString() const {
  const int64_t ms_of_day = Modulo(kDayMs);
  const int64_t day = ms_ / kMsPerDay - (ms_ % kMsPerDay < 0 ? 1 : 0);
  if (day < kFirstIsoDay || day > kLastIsoDay) return std::to_string(ms_);
  const year_month_day date{sys_days(days(day))};
  std::string text;
  text.reserve(24);
  AppendPadded(text, static_cast<int>(date.year()), 4);
  text += '-';
  AppendPadded(text, static_cast<unsigned>(date.month()), 2);
  text += '-';
  AppendPadded(text, static_cast<unsigned>(date.day()), 2);
  text += 'T';
  AppendPadded(text, ms_of_day / 3'600'000, 2);
  text += ':';
  AppendPadded(text, ms_of_day / 60'000 % 60, 2);
  text += ':';
  AppendPadded(text, ms_of_day / 1000 % 60, 2);
  if (ms_of_day % 1000 != 0) {
    text += '.';
    AppendPadded(text, ms_of_day % 1000, 3);
  }
  text += 'Z';
  return text;
}

bool Timestamp::TryParse(std::string_view text, Timestamp& time) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!TakeNumber(text, 4, year) || !TakeChar(text, '-') || !TakeNumber(text, 2, month) || !TakeChar(text, '-') ||
      !TakeNumber(text, 2, day)) {
    return false;
  }
  const year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  int64_t ms_of_day = 0;
  int offset_minutes = 0;
  if (TakeChar(text, 'T') || TakeChar(text, 't') || TakeChar(text, ' ')) {
    if (!TakeTimeOfDay(text, ms_of_day) || !TakeOffset(text, offset_minutes)) return false;
  }
  if (!text.empty()) return false;
  const int64_t day_count = sys_days(date).time_since_epoch().count();
  time = Timestamp(day_count * kMsPerDay + ms_of_day - offset_minutes * int64_t{60'000});
  return true;
}

StatusOr<Timestamp> Timestamp::Parse(std::string_view text) {
  Timestamp time;
  if (TryParse(text, time)) return time;
  return InvalidArgument("expected an ISO-8601 time such as 2024-05-01T12:30:00Z, found '{}'", text);
}

}  // namespace eagre
