#include "tests/sim/simulate_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string ErrorOf(const std::vector<std::string_view>& arguments) {
  const auto options = ParseSimulateOptions(arguments);
  EXPECT_FALSE(options.ok());
  return std::string(StatusMessage(options.status()));
}

TEST(SimulateOptionsTest, RangesAndSingleSeeds) {
  const auto range = ParseSimulateOptions({"--seeds", "5..9", "--mode", "switching", "--processes", "3", "--trace"});
  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_EQ(range->first, 5u);
  EXPECT_EQ(range->seeds, 5u);
  EXPECT_EQ(range->processes, 3u);
  EXPECT_EQ(range->mode, "switching");
  EXPECT_TRUE(range->trace);
  const auto last = ParseSimulateOptions({"--seeds", "18446744073709551615..18446744073709551615"});
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->seeds, 1u);
  EXPECT_EQ(ParseSimulateOptions({"--seeds", "7"})->seeds, 1u);
}

TEST(SimulateOptionsTest, WhatCannotBeRunIsRefusedByName) {
  EXPECT_THAT(ErrorOf({"--mode", "foo"}), AllOf(HasSubstr("--mode foo"), HasSubstr("aligned, unaligned, switching")));
  EXPECT_THAT(ErrorOf({"--seeds", "5..3"}), HasSubstr("--seeds 5..3: the range is empty"));
  EXPECT_THAT(ErrorOf({"--seeds", "0..18446744073709551615"}), HasSubstr("at most 100000000 seeds"));
  for (const std::string_view seeds : {"", "..", "1..", "..3", "x", "-1", "1..18446744073709551616"}) {
    EXPECT_THAT(ErrorOf({"--seeds", seeds}), HasSubstr("expected a seed or a range such as 1..200"));
  }
  EXPECT_THAT(ErrorOf({"--processes", "0"}), HasSubstr("from 1 to 1000"));
  EXPECT_THAT(ErrorOf({"--break", "things"}), HasSubstr("alignment, completion-before-sync"));
  EXPECT_THAT(ErrorOf({"--log", "loud"}), HasSubstr("--log"));
  EXPECT_EQ(ErrorOf({"--seed", "1"}), "there is no option --seed");
  EXPECT_EQ(ErrorOf({"--seeds"}), "--seeds needs a value");
}

}  // namespace
}  // namespace eagre
