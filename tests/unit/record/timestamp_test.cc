#include "record/timestamp.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace eagre {
namespace {

using namespace std::chrono_literals;

TEST(TimestampTest, PrintsIso8601) {
  EXPECT_EQ(Timestamp(0).ToString(), "1970-01-01T00:00:00Z");
  EXPECT_EQ(Timestamp(1'714'566'600'250).ToString(), "2024-05-01T12:30:00.250Z");
  EXPECT_EQ(Timestamp(-1).ToString(), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(Timestamp::Max().ToString(), "9223372036854775807");
  EXPECT_EQ(Timestamp::Min().ToString(), "-9223372036854775808");
}

TEST(TimestampTest, ParsesIso8601) {
  const std::pair<const char*, int64_t> cases[] = {
      {"1970-01-01", 0},
      {"1970-01-01T00:00:01Z", 1000},
      {"1970-01-01 00:01", 60'000},
      {"1970-01-01T00:00:00.5", 500},
      {"1970-01-01T00:00:00.123456Z", 123},
      {"1970-01-01T02:00:00+02:00", 0},
      {"1969-12-31T19:00:00-0500", 0},
      {"2024-02-29T00:00:00+00", 1'709'164'800'000},
  };
  for (const auto& [text, ms] : cases) {
    const auto parsed = Timestamp::Parse(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(parsed->ms(), ms) << text;
  }
}

TEST(TimestampTest, RefusesOtherText) {
  for (const char* text :
       {"", "1970", "1970-13-01", "2023-02-29", "1970-01-01T", "1970-01-01T25:00", "1970-01-01T00:60", "1970-01-01Z",
        "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Zx", "1970-01-01T00:00:00+2", "01.01.1970", "0"}) {
    EXPECT_FALSE(Timestamp::Parse(text).ok()) << text;
  }
}

TEST(TimestampTest, TextComesBack) {
  SeededRandom random(1);
  for (int i = 0; i < 1000; ++i) {
    const Timestamp time(static_cast<int64_t>(random.Below(250'000'000'000'000)) - 60'000'000'000'000);
    const auto parsed = Timestamp::Parse(time.ToString());
    ASSERT_TRUE(parsed.ok()) << time.ToString();
    EXPECT_EQ(*parsed, time);
  }
}

TEST(TimestampTest, ArithmeticSaturates) {
  EXPECT_EQ(Timestamp(5) + 2s, Timestamp(2005));
  EXPECT_EQ(Timestamp(5) - 1ms, Timestamp(4));
  EXPECT_EQ(Timestamp(2005) - Timestamp(5), 2s);
  EXPECT_EQ(Timestamp::Max() + 1h, Timestamp::Max());
  EXPECT_EQ(Timestamp::Min() - 1h, Timestamp::Min());
  EXPECT_EQ(Timestamp::Max() - Timestamp::Min(), std::chrono::milliseconds::max());
}

TEST(TimestampTest, CalendarInUtc) {
  const Timestamp wednesday = *Timestamp::Parse("2024-05-01T12:30:45Z");
  EXPECT_EQ(wednesday.HourOfDay(), 12);
  EXPECT_EQ(wednesday.MinuteOfHour(), 30);
  EXPECT_EQ(wednesday.IsoWeekday(), 3);
  EXPECT_EQ(wednesday.StartOfDay(), *Timestamp::Parse("2024-05-01"));
  EXPECT_EQ(Timestamp(0).IsoWeekday(), 4);
  const Timestamp before = *Timestamp::Parse("1969-12-31T23:00:00Z");
  EXPECT_EQ(before.HourOfDay(), 23);
  EXPECT_EQ(before.IsoWeekday(), 3);
}

}  // namespace
}  // namespace eagre
