// Event time: milliseconds since 1970-01-01T00:00:00Z, with exact arithmetic, ISO-8601 text and the UTC calendar.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/status.h"

namespace eagre {

// A plain value. Arithmetic saturates at Min() and Max(), so that a bound added to a watermark cannot wrap around.
class Timestamp {
 public:
  constexpr Timestamp() = default;
  constexpr explicit Timestamp(int64_t ms) : ms_(ms) {}

  static constexpr Timestamp Min() { return Timestamp(std::numeric_limits<int64_t>::min()); }
  static constexpr Timestamp Max() { return Timestamp(std::numeric_limits<int64_t>::max()); }

  constexpr int64_t ms() const { return ms_; }

  friend constexpr auto operator<=>(Timestamp, Timestamp) = default;
  friend constexpr Timestamp operator+(Timestamp time, std::chrono::milliseconds span) {
    int64_t sum = 0;
    if (__builtin_add_overflow(time.ms_, int64_t{span.count()}, &sum)) return span.count() > 0 ? Max() : Min();
    return Timestamp(sum);
  }
  friend constexpr Timestamp operator-(Timestamp time, std::chrono::milliseconds span) {
    int64_t difference = 0;
    if (__builtin_sub_overflow(time.ms_, int64_t{span.count()}, &difference)) return span.count() > 0 ? Min() : Max();
    return Timestamp(difference);
  }
  friend constexpr std::chrono::milliseconds operator-(Timestamp a, Timestamp b) {
    int64_t difference = 0;
    if (__builtin_sub_overflow(a.ms_, b.ms_, &difference)) {
      return a.ms_ > b.ms_ ? std::chrono::milliseconds::max() : std::chrono::milliseconds::min();
    }
    return std::chrono::milliseconds(difference);
  }
  constexpr Timestamp& operator+=(std::chrono::milliseconds span) { return *this = *this + span; }
  constexpr Timestamp& operator-=(std::chrono::milliseconds span) { return *this = *this - span; }

  // The UTC calendar, proleptic Gregorian, valid for every value.
  constexpr int HourOfDay() const { return static_cast<int>(Modulo(kDayMs) / (3600 * 1000)); }
  constexpr int MinuteOfHour() const { return static_cast<int>(Modulo(3600 * 1000) / (60 * 1000)); }
  // ISO: 1 is Monday, 7 is Sunday. (1970-01-01 was a Thursday.)
  constexpr int IsoWeekday() const {
    const int64_t days = (ms_ - Modulo(kDayMs)) / kDayMs;
    return static_cast<int>(((days + 3) % 7 + 7) % 7) + 1;
  }
  // The start of the UTC day.
  constexpr Timestamp StartOfDay() const { return *this - std::chrono::milliseconds(Modulo(kDayMs)); }

  // "2024-05-01T12:30:00.250Z"; milliseconds are left out when zero. Years beyond 0000-9999 are printed as the plain
  // number of milliseconds.
  std::string ToString() const;

  // ISO-8601: a date, or a date and a time with 'T' or a blank between, seconds and a fraction optional (digits beyond
  // milliseconds are cut), then 'Z', an offset such as +02:00, or nothing for UTC. Fails when `text` is anything else.
  static StatusOr<Timestamp> Parse(std::string_view text);
  // The same without a message: false when malformed.
  static bool TryParse(std::string_view text, Timestamp& time);

 private:
  static constexpr int64_t kDayMs = 24 * 3600 * 1000;

  constexpr int64_t Modulo(int64_t unit) const {
    const int64_t rest = ms_ % unit;
    return rest < 0 ? rest + unit : rest;
  }

  int64_t ms_ = 0;
};

}  // namespace eagre
