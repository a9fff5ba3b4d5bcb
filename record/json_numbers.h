// Numbers of JSON text, parsed where they stand. Internal to the JSON reader.
//
// Each function reads from `at`, which must be followed by some byte that is no part of a number and 8 readable bytes
// behind that, and returns the end of the number, or null when there is none of the JSON grammar.
#pragma once

#include <cstdint>

namespace eagre::internal {

enum class NumberFault : uint8_t { kNone, kNotInteger, kOutOfRange };

// An integer as sign and magnitude. kNotInteger: a number with a fraction or exponent; kOutOfRange: beyond 64 bits; the
// end is then that of the digits.
struct IntegerText {
  bool negative = false;
  uint64_t magnitude = 0;
  NumberFault fault = NumberFault::kNone;
};
const char* ParseJsonInteger(const char* at, IntegerText& integer);

// Correctly rounded; too small a number is zero, too large a one kOutOfRange.
const char* ParseJsonDouble(const char* at, double& value, NumberFault& fault);
const char* ParseJsonFloat(const char* at, float& value, NumberFault& fault);

// The units of a Decimal of at most 14 digits before and 4 after the point, without exponent; null for other texts,
// which Decimal::Parse must judge.
const char* ParseShortDecimal(const char* at, int64_t& units);

}  // namespace eagre::internal
