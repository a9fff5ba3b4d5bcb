#include "record/json_numbers.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <system_error>

namespace eagre::internal {
namespace {

constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr uint64_t kExactDoubles = uint64_t{1} << 53;

bool IsDigit(char c) {
  return static_cast<unsigned char>(c - '0') < 10;
}

// Reads up to eight digits at once; returns how many there were. Without branches: numbers of varying length would cost
// a misprediction each.
[[gnu::always_inline]] inline size_t TakeDigits(const char* at, uint64_t& value) {
  uint64_t word;
  std::memcpy(&word, at, 8);
  word ^= 0x3030303030303030ULL;  // digits become 0 to 9
  const uint64_t others = (word | (word + 0x7676767676767676ULL)) & 0x8080808080808080ULL;
  const size_t count = static_cast<size_t>(std::countr_zero(others)) / 8;
  if (count == 0) return 0;
  word <<= 64 - 8 * count;  // leading zeros
  word = word * 10 + (word >> 8);
  value = ((word & 0x000000FF000000FFULL) * 0x000F424000000064ULL +
           (word >> 16 & 0x000000FF000000FFULL) * 0x0000271000000001ULL) >>
          32;
  return count;
}

constexpr uint64_t kIntegerPowersOfTen[] = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};

// Reads all digits, appending them to `number`, which may wrap; returns the end.
[[gnu::always_inline]] inline const char* AppendDigits(const char* at, uint64_t& number) {
  while (true) {
    uint64_t value = 0;
    const size_t count = TakeDigits(at, value);
    number = number * kIntegerPowersOfTen[count] + value;
    at += count;
    if (count < 8) return at;
  }
}

// Checks the grammar and finds the end. `small` is set when the number's exponent is negative.
const char* NumberEnd(const char* at, bool& small) {
  if (*at == '-') ++at;
  if (!IsDigit(*at)) return nullptr;
  if (*at == '0' && IsDigit(at[1])) return nullptr;
  while (IsDigit(*at)) ++at;
  if (*at == '.') {
    if (!IsDigit(*++at)) return nullptr;
    while (IsDigit(*at)) ++at;
  }
  if (*at == 'e' || *at == 'E') {
    ++at;
    small = *at == '-';
    if (*at == '-' || *at == '+') ++at;
    if (!IsDigit(*at)) return nullptr;
    while (IsDigit(*at)) ++at;
  }
  return at;
}

template <typename T>
const char* ParseAnyFloat(const char* at, T& value, NumberFault& fault) {
  bool small = false;
  const char* end = NumberEnd(at, small);
  if (end == nullptr) return nullptr;
  value = 0;
  if (std::from_chars(at, end, value).ec == std::errc::result_out_of_range) {
    if (!small && value == 0) small = *at == '0' || (*at == '-' && at[1] == '0');
    if (small) {
      value = *at == '-' ? -T{0} : T{0};
    } else {
      fault = NumberFault::kOutOfRange;
    }
  }
  return end;
}

}  // namespace

const char* ParseJsonInteger(const char* at, IntegerText& integer) {
  integer.negative = *at == '-';
  at += integer.negative ? 1 : 0;
  const char* first = at;
  uint64_t magnitude = 0;
  at = AppendDigits(at, magnitude);
  const auto digits = at - first;
  if (digits == 0 || (digits > 1 && *first == '0')) [[unlikely]]
    return nullptr;
  integer.magnitude = magnitude;
  integer.fault = NumberFault::kNone;
  if (*at == '.' || *at == 'e' || *at == 'E') [[unlikely]] {
    integer.fault = NumberFault::kNotInteger;
  } else if (digits > 19) [[unlikely]] {
    const bool valid = digits == 20 && std::from_chars(first, at, integer.magnitude).ec == std::errc();
    if (!valid) integer.fault = NumberFault::kOutOfRange;
  }
  return at;
}

const char* ParseJsonDouble(const char* at, double& value, NumberFault& fault) {
  const char* start = at;
  const bool negative = *at == '-';
  at += negative ? 1 : 0;
  const char* first = at;
  uint64_t mantissa = 0;
  at = AppendDigits(at, mantissa);
  const auto whole_digits = at - first;
  if (whole_digits == 0 || (whole_digits > 1 && *first == '0')) [[unlikely]]
    return nullptr;
  std::ptrdiff_t fraction_digits = 0;
  if (*at == '.') {
    const char* fraction = ++at;
    at = AppendDigits(at, mantissa);
    fraction_digits = at - fraction;
    if (fraction_digits == 0) [[unlikely]]
      return nullptr;
  }
  // Both the digits and the power of ten are exact doubles: one division rounds correctly.
  const bool exact = whole_digits + fraction_digits <= 19 && mantissa <= kExactDoubles;
  if (*at == 'e' || *at == 'E' || !exact) [[unlikely]]
    return ParseAnyFloat(start, value, fault);
  const double size = static_cast<double>(mantissa) / kPowersOfTen[fraction_digits];
  // Without a branch: coordinates have random signs.
  value = std::bit_cast<double>(std::bit_cast<uint64_t>(size) | uint64_t{negative} << 63);
  return at;
}

const char* ParseJsonFloat(const char* at, float& value, NumberFault& fault) {
  return ParseAnyFloat(at, value, fault);
}

const char* ParseShortDecimal(const char* at, int64_t& units) {
  constexpr int kScale = 4;
  const bool negative = *at == '-';
  at += negative ? 1 : 0;
  const char* first = at;
  uint64_t digits = 0;
  at = AppendDigits(at, digits);
  const auto whole_digits = at - first;
  if (whole_digits == 0 || whole_digits > 14 || (whole_digits > 1 && *first == '0')) return nullptr;
  std::ptrdiff_t fraction_digits = 0;
  if (*at == '.') {
    const char* fraction = ++at;
    at = AppendDigits(at, digits);
    fraction_digits = at - fraction;
    if (fraction_digits == 0 || fraction_digits > kScale) return nullptr;
  }
  if (*at == 'e' || *at == 'E') return nullptr;
  const auto size = static_cast<int64_t>(digits * kIntegerPowersOfTen[kScale - fraction_digits]);
  units = negative ? -size : size;
  return at;
}

}  // namespace eagre::internal
