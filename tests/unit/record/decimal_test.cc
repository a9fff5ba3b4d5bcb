#include "record/decimal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"

namespace eagre {
namespace {

Decimal Units(int64_t units) {
  return Decimal::FromUnits(units);
}

TEST(DecimalTest, ParsesExactly) {
  const std::pair<const char*, int64_t> cases[] = {
      {"0", 0},
      {"-0", 0},
      {"5", 50'000},
      {"12.34", 123'400},
      {"-0.0001", -1},
      {"+1.5", 15'000},
      {"1e2", 1'000'000},
      {"1.25e1", 125'000},
      {"12500e-4", 12'500},
      {"0.10000000", 1000},
      {"007.5", 75'000},
      {"1E+1", 100'000},
      {"0e999999999999999999999", 0},
      {"100e-2", 10'000},
      {"922337203685477.5806", 9223372036854775806},
      {"-922337203685477.5806", -9223372036854775806},
  };
  for (const auto& [text, units] : cases) {
    const auto parsed = Decimal::Parse(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(parsed->units(), units) << text;
  }
}

TEST(DecimalTest, RefusesWhatItCannotHoldExactly) {
  for (const char* text : {"", "-", ".5", "5.", "1,5", "1.5x", " 1", "1e", "1e+", "nan", "0x10", "--1"}) {
    EXPECT_EQ(StatusMessage(Decimal::Parse(text).status()).find("expected a decimal number"), 0u) << text;
  }
  for (const char* text : {"0.00001", "1.23456", "1e-5", "5e-999999"}) {
    EXPECT_NE(StatusMessage(Decimal::Parse(text).status()).find("4 digits after the point"), std::string_view::npos)
        << text;
  }
  for (const char* text : {"922337203685477.5807", "-922337203685477.5808", "1e15", "1e999999999999999999",
                           "99999999999999999999999999999999999999999999"}) {
    EXPECT_NE(StatusMessage(Decimal::Parse(text).status()).find("range"), std::string_view::npos) << text;
  }
}

TEST(DecimalTest, PrintsAsMoney) {
  const std::pair<int64_t, const char*> cases[] = {
      {0, "0.00"},
      {50'000, "5.00"},
      {-2500, "-0.25"},
      {12'345, "1.2345"},
      {12'340, "1.234"},
      {1, "0.0001"},
      {9223372036854775807, "922337203685477.5807"},
      {-9223372036854775807, "-922337203685477.5807"},
  };
  for (const auto& [units, text] : cases) EXPECT_EQ(Units(units).ToString(), text);
}

TEST(DecimalTest, TextComesBack) {
  SeededRandom random(1);
  for (int i = 0; i < 2000; ++i) {
    const Decimal decimal = Units(static_cast<int64_t>(random.Next()) >> random.Below(64));
    if (decimal.saturated()) continue;
    const auto parsed = Decimal::Parse(decimal.ToString());
    ASSERT_TRUE(parsed.ok()) << decimal.ToString();
    EXPECT_EQ(*parsed, decimal);
  }
}

TEST(DecimalTest, SumsOfCentsAreExact) {
  Decimal sum;
  for (int i = 0; i < 1000; ++i) sum += *Decimal::Parse("0.1");
  EXPECT_EQ(sum, Decimal(100));
  for (int i = 0; i < 1000; ++i) sum -= *Decimal::Parse("0.1");
  EXPECT_EQ(sum, Decimal());
}

TEST(DecimalTest, QuotientsAndProductsRoundHalvesToEven) {
  EXPECT_EQ(Units(1) / 2, Units(0));
  EXPECT_EQ(Units(3) / 2, Units(2));
  EXPECT_EQ(Units(5) / 2, Units(2));
  EXPECT_EQ(Units(-1) / 2, Units(0));
  EXPECT_EQ(Units(-3) / 2, Units(-2));
  EXPECT_EQ(Units(3) / -2, Units(-2));
  EXPECT_EQ(Units(10) / 3, Units(3));
  EXPECT_EQ(Units(20) / 3, Units(7));
  EXPECT_EQ(Decimal(10) / 4, *Decimal::Parse("2.5"));
  EXPECT_EQ(*Decimal::Parse("1.5") * *Decimal::Parse("2.5"), *Decimal::Parse("3.75"));
  EXPECT_EQ(Units(1) * *Decimal::Parse("0.5"), Units(0));
  EXPECT_EQ(Units(3) * *Decimal::Parse("0.5"), Units(2));
  EXPECT_EQ(*Decimal::Parse("-1.25") * int64_t{4}, Decimal(-5));
}

TEST(DecimalTest, OverflowSaturatesAndStays) {
  const Decimal large = Units(9223372036854775000);
  Decimal sum = large + large;
  EXPECT_EQ(sum, Decimal::Max());
  EXPECT_TRUE(sum.saturated());
  sum -= large;
  EXPECT_EQ(sum, Decimal::Max()) << "a sum that overflowed once never looks plausible again";
  EXPECT_EQ(-large - large, Decimal::Min());
  EXPECT_EQ(large * -3, Decimal::Min());
  EXPECT_EQ(Decimal::Max() / 10, Decimal::Max());
  EXPECT_EQ(-Decimal::Max(), Decimal::Min());
  EXPECT_EQ(Decimal(std::numeric_limits<int64_t>::max()), Decimal::Max());
  EXPECT_EQ(large * large, Decimal::Max());
  EXPECT_FALSE(large.saturated());
}

TEST(DecimalTest, ComparesByAmount) {
  EXPECT_LT(Decimal(-1), Decimal());
  EXPECT_GT(*Decimal::Parse("1.0001"), Decimal(1));
}

TEST(DecimalTest, Doubles) {
  EXPECT_EQ(Decimal::FromDouble(12.34), *Decimal::Parse("12.34"));
  EXPECT_EQ(Decimal::FromDouble(-0.00016), Units(-2));
  EXPECT_EQ(Decimal::FromDouble(1e30), Decimal::Max());
  EXPECT_EQ(Decimal::FromDouble(-std::numeric_limits<double>::infinity()), Decimal::Min());
  EXPECT_EQ(Decimal::FromDouble(std::nan("")), Decimal());
  EXPECT_DOUBLE_EQ(Decimal::Parse("12.34")->ToDouble(), 12.34);
}

}  // namespace
}  // namespace eagre
