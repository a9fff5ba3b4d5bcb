#include "runtime/split_watermarks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SplitWatermarksTest, TheSlowestSplitDecides) {
  SplitWatermarks watermarks(0);
  watermarks.AddSplit("a");
  watermarks.AddSplit("b");
  watermarks.OnRecords("a", 100);
  EXPECT_EQ(watermarks.Merge(), kNoTimestamp) << "b may still have anything";
  watermarks.OnRecords("b", 40);
  EXPECT_EQ(watermarks.Merge(), 40);
  watermarks.OnRecords("b", 120);
  EXPECT_EQ(watermarks.Merge(), 100);
}

TEST(SplitWatermarksTest, NeverGoesBack) {
  SplitWatermarks watermarks(0);
  watermarks.OnRecords("a", 100);
  EXPECT_EQ(watermarks.Merge(), 100);
  watermarks.OnRecords("a", 90);
  EXPECT_EQ(watermarks.Merge(), 100);
  watermarks.AddSplit("b");
  EXPECT_EQ(watermarks.Merge(), 100);
  watermarks.OnRecords("b", 10);
  EXPECT_EQ(watermarks.Merge(), 100);
}

TEST(SplitWatermarksTest, ASplitAtItsEndHoldsNobodyBackAndWhatItSaidStays) {
  SplitWatermarks watermarks(0);
  watermarks.OnRecords("a", 100);
  watermarks.OnRecords("b", 40);
  watermarks.RemoveSplit("b");
  EXPECT_EQ(watermarks.Merge(), 100);
  watermarks.OnRecords("a", 200);
  watermarks.RemoveSplit("a");
  EXPECT_EQ(watermarks.Merge(), 200);
  EXPECT_FALSE(watermarks.idle()) << "a reader that waits for a split is not idle";
}

TEST(SplitWatermarksTest, QuietSplitsBecomeIdleAndAreLeftOut) {
  SplitWatermarks watermarks(1000);
  watermarks.AddSplit("a");
  watermarks.OnRecords("b", 50);
  watermarks.OnTimePassed(600);
  watermarks.OnRecords("b", 60);
  EXPECT_EQ(watermarks.Merge(), kNoTimestamp);
  watermarks.OnTimePassed(600);
  EXPECT_EQ(watermarks.Merge(), 60) << "a is idle, b is not";
  EXPECT_FALSE(watermarks.idle());
  watermarks.OnTimePassed(600);
  EXPECT_TRUE(watermarks.idle());
  EXPECT_EQ(watermarks.Merge(), 60);
  watermarks.OnRecords("a", 10);
  EXPECT_FALSE(watermarks.idle());
  EXPECT_EQ(watermarks.Merge(), 60) << "never goes back";
}

TEST(SplitWatermarksTest, WithoutAnIdlenessTimeNothingIsIdle) {
  SplitWatermarks watermarks(0);
  watermarks.AddSplit("a");
  watermarks.OnTimePassed(1'000'000'000);
  EXPECT_FALSE(watermarks.idle());
}

TEST(SplitWatermarksTest, SplitsBeyondALimitPauseAndComeBack) {
  SplitWatermarks watermarks(1000);
  watermarks.AddSplit("none yet");
  watermarks.OnRecords("a", 100);
  watermarks.OnRecords("b", 101);
  EXPECT_EQ(watermarks.Slowest(), 100);
  EXPECT_THAT(watermarks.PauseBeyond(100), ElementsAre("b"));
  EXPECT_THAT(watermarks.PauseBeyond(100), IsEmpty());
  watermarks.OnTimePassed(5000);
  EXPECT_EQ(watermarks.Slowest(), 101) << "what is paused does not become idle";
  EXPECT_THAT(watermarks.ResumeUpTo(100), IsEmpty());
  EXPECT_THAT(watermarks.ResumeUpTo(101), ElementsAre("b"));
}

}  // namespace
}  // namespace eagre
