#include "cli/text.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <limits>

namespace eagre {
namespace {

TEST(TextTest, ListTimesAreFlinksInTheLocalZone) {
  setenv("TZ", "UTC", 1);
  tzset();
  EXPECT_EQ(FormatListTime(1'764'019'773'120), "24.11.2025 21:29:33");
}

TEST(TextTest, IsoTimesAreUtcWithMilliseconds) {
  EXPECT_EQ(FormatIsoTime(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatIsoTime(1'764'019'773'120), "2025-11-24T21:29:33.120Z");
  EXPECT_EQ(FormatIsoTime(-1), "1969-12-31T23:59:59.999Z");
}

TEST(TextTest, WatermarksSayWhenThereIsNoneAndWhenInputEnded) {
  EXPECT_EQ(FormatWatermark(std::numeric_limits<int64_t>::min()), "-");
  EXPECT_EQ(FormatWatermark(std::numeric_limits<int64_t>::max()), "end of input");
  EXPECT_EQ(FormatWatermark(60'000), "1970-01-01T00:01:00.000Z");
}

TEST(TextTest, CountsAreGroupedByThousands) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-123456), "-123,456");
}

TEST(TextTest, DurationsUseTheUnitThatFits) {
  EXPECT_EQ(FormatDuration(850), "850 ms");
  EXPECT_EQ(FormatDuration(12'345), "12.3 s");
  EXPECT_EQ(FormatDuration(247'000), "4 min 7 s");
  EXPECT_EQ(FormatDuration(12'000'000), "3 h 20 min");
}

TEST(TextTest, ShorteningNeverCutsACharacterInHalf) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdefg", 6), "abc...");
  EXPECT_EQ(Shorten("ab\xC3\xA9gefghi", 6), "ab...");
}

TEST(TextTest, TablesAlignNumbersToTheRight) {
  TextTable table({"Vertex", "Records"});
  table.Add({"Source", "1,000"});
  table.Add({"a longer name", "7"});
  EXPECT_EQ(table.Render(),
            "Vertex         Records\n"
            "Source           1,000\n"
            "a longer name        7\n");
}

}  // namespace
}  // namespace eagre
