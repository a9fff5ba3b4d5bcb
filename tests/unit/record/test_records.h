// Records for the tests of this module: every kind of field, in several namespaces.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "record/record.h"

// A record at global scope.
struct GlobalPoint {
  int64_t x = 0;
  int64_t y = 0;
};
EAGRE_RECORD(GlobalPoint, x, y);

namespace test_bank {

enum class Risk : uint8_t { kLow = 0, kMedium = 1, kHighRisk = 7 };
EAGRE_ENUM(Risk, kLow, kMedium, kHighRisk);

struct Location {
  double latitude = 0;
  double longitude = 0;
};
EAGRE_RECORD(Location, latitude, longitude);

struct Payment {
  std::string user;
  eagre::Decimal amount;
  Risk risk = Risk::kLow;
  eagre::Timestamp at;
  std::optional<std::string> note = "none yet";
  Location location{48.5, 9.25};
};
EAGRE_RECORD(Payment, user, amount, risk, at, note, location);

// A record declared for a class within a class.
struct Outer {
  struct Inner {
    int32_t count = 3;
  };
  Inner inner;
};
EAGRE_RECORD(Outer::Inner, count);
EAGRE_RECORD(Outer, inner);

struct Everything {
  bool flag = false;
  int8_t i8 = 0;
  int16_t i16 = 0;
  int32_t i32 = 0;
  int64_t i64 = 0;
  uint8_t u8 = 0;
  uint16_t u16 = 0;
  uint32_t u32 = 0;
  uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  std::string text;
  eagre::Decimal decimal;
  eagre::Timestamp time;
  Risk risk = Risk::kLow;
  std::optional<int32_t> maybe_number;
  std::optional<Location> maybe_location;
  std::vector<std::string> texts;
  std::vector<int64_t> numbers;
  std::vector<Location> locations;
  std::vector<std::optional<std::string>> maybe_texts;
  std::map<std::string, double> by_name;
  std::map<int32_t, std::string> by_number;
  std::map<Risk, std::vector<std::string>> by_risk;
  std::map<std::string, std::map<uint64_t, Location>> nested;
  Payment payment;
  std::pair<std::string, int64_t> pair;
  std::vector<std::tuple<bool, std::string, float>> tuples;
  GlobalPoint point;
};
EAGRE_RECORD(Everything, flag, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, text, decimal, time, risk, maybe_number,
             maybe_location, texts, numbers, locations, maybe_texts, by_name, by_number, by_risk, nested, payment, pair,
             tuples, point);

}  // namespace test_bank
