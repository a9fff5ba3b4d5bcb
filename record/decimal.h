// Fixed-point money: a 64-bit count of ten-thousandths, exact in addition, comparison and text.
//
// The range is +-922,337,203,685,477.5806. A result beyond it saturates at Max() or Min() and stays there in all
// further arithmetic, so an overflow can be seen at the end of a long sum (saturated()) and never turns into a
// plausible amount.
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/status.h"

namespace eagre {

class Decimal {
 public:
  static constexpr int kScale = 4;  // digits after the point
  static constexpr int64_t kUnitsPerOne = 10'000;

  constexpr Decimal() = default;
  // A whole amount: Decimal(5) is 5.00. Doubles do not convert by themselves; say FromDouble, or parse the text.
  constexpr explicit Decimal(std::integral auto whole)
      : units_(Saturated(static_cast<__int128>(whole) * kUnitsPerOne)) {}

  // From a count of ten-thousandths.
  static constexpr Decimal FromUnits(int64_t units) {
    Decimal decimal;
    decimal.units_ = Saturated(units);
    return decimal;
  }
  // The nearest decimal, halves to even; saturates; not-a-number gives zero.
  static Decimal FromDouble(double value);

  static constexpr Decimal Max() { return FromUnits(kMaxUnits); }
  static constexpr Decimal Min() { return FromUnits(-kMaxUnits); }

  constexpr int64_t units() const { return units_; }
  constexpr bool saturated() const { return units_ >= kMaxUnits || units_ <= -kMaxUnits; }
  double ToDouble() const { return static_cast<double>(units_) / kUnitsPerOne; }

  friend constexpr auto operator<=>(Decimal, Decimal) = default;
  friend constexpr Decimal operator-(Decimal a) { return FromUnits(a.units_ == kMinInt64 ? kMaxUnits : -a.units_); }
  friend constexpr Decimal operator+(Decimal a, Decimal b) {
    if (a.saturated()) [[unlikely]]
      return a;
    if (b.saturated()) [[unlikely]]
      return b;
    return FromWide(static_cast<__int128>(a.units_) + b.units_);
  }
  friend constexpr Decimal operator-(Decimal a, Decimal b) { return a + -b; }
  friend constexpr Decimal operator*(Decimal a, int64_t factor) {
    if (a.saturated()) [[unlikely]]
      return factor < 0 ? -a : a;
    return FromWide(static_cast<__int128>(a.units_) * factor);
  }
  friend constexpr Decimal operator*(int64_t factor, Decimal a) { return a * factor; }
  // The quotient rounded to ten-thousandths, halves to even: the average of a sum over a count.
  // REQUIRES: divisor != 0.
  friend constexpr Decimal operator/(Decimal a, int64_t divisor) {
    if (a.saturated()) [[unlikely]]
      return divisor < 0 ? -a : a;
    return FromWide(DivideHalfEven(a.units_, divisor));
  }
  // The product rounded to ten-thousandths, halves to even: an amount times a rate.
  friend constexpr Decimal operator*(Decimal a, Decimal b) {
    if (a.saturated()) [[unlikely]]
      return b.units_ < 0 ? -a : a;
    if (b.saturated()) [[unlikely]]
      return a.units_ < 0 ? -b : b;
    return FromWide(DivideHalfEven(static_cast<__int128>(a.units_) * b.units_, kUnitsPerOne));
  }
  constexpr Decimal& operator+=(Decimal other) { return *this = *this + other; }
  constexpr Decimal& operator-=(Decimal other) { return *this = *this - other; }
  constexpr Decimal& operator*=(int64_t factor) { return *this = *this * factor; }
  constexpr Decimal& operator/=(int64_t divisor) { return *this = *this / divisor; }

  // At least two digits after the point, more only as needed: "5.00", "-0.25", "1.2345".
  std::string ToString() const;
  // Appends the same.
  void AppendTo(std::string& out) const;

  // Exact: [+-]digits[.digits][e[+-]digits]. Fails when the text is no number, has digits that are not zero beyond the
  // fourth decimal place, or is out of range.
  static StatusOr<Decimal> Parse(std::string_view text);

 private:
  static constexpr int64_t kMaxUnits = std::numeric_limits<int64_t>::max();
  static constexpr int64_t kMinInt64 = std::numeric_limits<int64_t>::min();

  static constexpr int64_t Saturated(__int128 units) {
    return units > kMaxUnits ? kMaxUnits : units < -kMaxUnits ? -kMaxUnits : static_cast<int64_t>(units);
  }
  static constexpr Decimal FromWide(__int128 units) {
    Decimal decimal;
    decimal.units_ = Saturated(units);
    return decimal;
  }
  static constexpr __int128 DivideHalfEven(__int128 value, int64_t divisor) {
    __int128 quotient = value / divisor;
    const __int128 remainder = value % divisor;
    const __int128 twice = 2 * (remainder < 0 ? -remainder : remainder);
    const __int128 size = divisor < 0 ? -static_cast<__int128>(divisor) : divisor;
    if (twice > size || (twice == size && quotient % 2 != 0)) quotient += (value < 0) == (divisor < 0) ? 1 : -1;
    return quotient;
  }

  int64_t units_ = 0;
};

}  // namespace eagre
