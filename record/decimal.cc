#include "record/decimal.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace eagre {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// The parts of a number's text; `digits` holds the significant ones without the point.
struct NumberText {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  int64_t exponent = 0;
};

std::string_view TakeDigits(std::string_view& text) {
  size_t count = 0;
  while (count < text.size() && IsDigit(text[count])) ++count;
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

bool SplitNumber(std::string_view text, NumberText& number) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    number.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  number.whole = TakeDigits(text);
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    number.fraction = TakeDigits(text);
    if (number.fraction.empty()) return false;
  }
  if (number.whole.empty()) return false;
  if (text.empty()) return true;
  if (text[0] != 'e' && text[0] != 'E') return false;
  text.remove_prefix(1);
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const std::string_view digits = TakeDigits(text);
  if (digits.empty() || !text.empty()) return false;
  // An exponent too large for any amount is as good as this one.
  constexpr int64_t kHuge = 1'000'000;
  for (char digit : digits) number.exponent = std::min(number.exponent * 10 + (digit - '0'), kHuge);
  if (negative) number.exponent = -number.exponent;
  return true;
}

enum class UnitsResult { kOk, kTooPrecise, kOutOfRange };

// Digit by digit: the digit at decimal place p (0: ones, -1: tenths) counts 10^(p + kScale) units.
UnitsResult ToUnits(const NumberText& number, int64_t max_units, int64_t& units) {
  __int128 sum = 0;
  int64_t place = static_cast<int64_t>(number.whole.size()) - 1 + number.exponent;
  const auto add = [&](char digit) {
    const int64_t position = place-- + Decimal::kScale;
    if (sum > max_units) return;
    if (position >= 0) sum = sum * 10 + (digit - '0');
  };
  for (char digit : number.whole) add(digit);
  for (char digit : number.fraction) add(digit);
  bool precise = true;
  int64_t tail_place = static_cast<int64_t>(number.whole.size()) - 1 + number.exponent;
  for (std::string_view digits : {number.whole, number.fraction}) {
    for (char digit : digits) {
      if (tail_place-- + Decimal::kScale < 0 && digit != '0') precise = false;
    }
  }
  for (; sum != 0 && sum <= max_units && place + Decimal::kScale >= 0; --place) sum *= 10;
  if (sum >= max_units) return UnitsResult::kOutOfRange;
  if (!precise) return UnitsResult::kTooPrecise;
  units = static_cast<int64_t>(number.negative ? -sum : sum);
  return UnitsResult::kOk;
}

}  // namespace

Decimal Decimal::FromDouble(double value) {
  if (std::isnan(value)) return Decimal();
  const double scaled = value * kUnitsPerOne;
  if (scaled >= 9.2e18) return Max();
  if (scaled <= -9.2e18) return Min();
  return FromUnits(static_cast<int64_t>(std::nearbyint(scaled)));
}

void Decimal::AppendTo(std::string& out) const {
  char buffer[32];
  char* at = buffer;
  const uint64_t size = units_ < 0 ? 0 - static_cast<uint64_t>(units_) : static_cast<uint64_t>(units_);
  if (units_ < 0) *at++ = '-';
  at = std::to_chars(at, buffer + sizeof(buffer), size / kUnitsPerOne).ptr;
  *at++ = '.';
  auto fraction = static_cast<uint32_t>(size % kUnitsPerOne);
  for (int digit = kScale - 1; digit >= 0; --digit) {
    at[digit] = static_cast<char>('0' + fraction % 10);
    fraction /= 10;
  }
  at += kScale;
  for (int spare = 0; spare < kScale - 2 && at[-1] == '0'; ++spare) --at;
  out.append(buffer, static_cast<size_t>(at - buffer));
}

std::string Decimal::ToString() const {
  std::string text;
  AppendTo(text);
  return text;
}

StatusOr<Decimal> Decimal::Parse(std::string_view text) {
  NumberText number;
  if (!SplitNumber(text, number)) return InvalidArgument("expected a decimal number such as 12.50, found '{}'", text);
  int64_t units = 0;
  switch (ToUnits(number, kMaxUnits, units)) {
    case UnitsResult::kOk: return FromUnits(units);
    case UnitsResult::kTooPrecise:
      return InvalidArgument("a decimal holds {} digits after the point, '{}' has more", kScale, text);
    case UnitsResult::kOutOfRange: break;
  }
  return InvalidArgument("'{}' is beyond the range of a decimal, +-{}", text, Max().ToString());
}

}  // namespace eagre
