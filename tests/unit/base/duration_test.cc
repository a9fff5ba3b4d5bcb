#include "base/duration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eagre {
namespace {

TEST(Duration, ReadsFlinksNotation) {
  EXPECT_EQ(*ParseDurationMs("10 s"), 10'000);
  EXPECT_EQ(*ParseDurationMs("200ms"), 200);
  EXPECT_EQ(*ParseDurationMs(" 5 MIN "), 300'000);
  EXPECT_EQ(*ParseDurationMs("1h"), 3'600'000);
  EXPECT_EQ(*ParseDurationMs("2 days"), 172'800'000);
  EXPECT_EQ(*ParseDurationMs("17"), 17) << "without a unit: milliseconds";
}

TEST(Duration, RefusesWhatIsNoDuration) {
  for (const char* text :
       {"", "s", "-1 s", "1.5 s", "10 parsecs", "1 s 2 ms", "99999999999999999999 s", "9999999999999999 d"}) {
    EXPECT_FALSE(ParseDurationMs(text).ok()) << text;
  }
  EXPECT_THAT(std::string(StatusMessage(ParseDurationMs("ten").status())),
              testing::HasSubstr("'ten' is not a duration such as"));
}

TEST(Duration, PrintsTheLargestWholeUnit) {
  for (const char* text : {"0 ms", "1 ms", "1500 ms", "10 s", "5 min", "1 h", "1 d", "25 h"}) {
    EXPECT_EQ(FormatDurationMs(*ParseDurationMs(text)), text);
  }
}

TEST(MemorySize, ReadsAndPrintsFlinksNotation) {
  EXPECT_EQ(*ParseMemorySize("32kb"), 32768);
  EXPECT_EQ(*ParseMemorySize("64 MB"), 64 << 20);
  EXPECT_EQ(*ParseMemorySize("1g"), 1 << 30);
  EXPECT_EQ(*ParseMemorySize("12"), 12);
  EXPECT_FALSE(ParseMemorySize("1 pb").ok());
  EXPECT_FALSE(ParseMemorySize("9999999999tb").ok());
  EXPECT_EQ(FormatMemorySize(32768), "32kb");
  EXPECT_EQ(FormatMemorySize(1000), "1000b");
  EXPECT_EQ(FormatMemorySize(1 << 30), "1gb");
}

}  // namespace
}  // namespace eagre
