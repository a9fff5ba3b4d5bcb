#include "eagre/job_args.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eagre {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

JobArgs Args(const std::vector<std::string>& words) {
  StatusOr<JobArgs> args = JobArgs::Parse(words);
  EXPECT_TRUE(args.ok()) << args.status();
  return *std::move(args);
}

TEST(JobArgsTest, ValuesHaveTheirTypes) {
  const JobArgs args = Args({"--input", "a b", "--rate=1000", "--small", "-7", "--ratio", "0.25", "--limit", "12.50",
                             "--since", "2024-05-01T12:30:00Z", "--bound", "5 min", "--fast", "--slow=false"});
  EXPECT_EQ(args.Required<std::string>("input"), "a b");
  EXPECT_EQ(args.Required<uint32_t>("rate"), 1000u);
  EXPECT_EQ(args.Optional<int16_t>("small", 1), -7);
  EXPECT_EQ(args.Optional<double>("ratio", 1), 0.25);
  EXPECT_EQ(args.Optional<Decimal>("limit", Decimal()), Decimal::FromUnits(125'000));
  EXPECT_EQ(args.Required<Timestamp>("since").ToString(), "2024-05-01T12:30:00Z");
  EXPECT_EQ(args.Optional<std::chrono::milliseconds>("bound", 1s), 5min);
  EXPECT_TRUE(args.Optional<bool>("fast", false));
  EXPECT_FALSE(args.GetBool("slow", true));
  EXPECT_EQ(args.Optional<std::chrono::milliseconds>("other", 90s), 90s);
  EXPECT_TRUE(args.error().ok()) << args.error();
}

TEST(JobArgsTest, AMistakeNamesTheArgumentAndWhatWasExpected) {
  const struct {
    const char* value;
    void (*read)(const JobArgs&);
    const char* message;
  } kCases[] = {
      {"x", [](const JobArgs& args) { args.Required<int>("arg"); }, "--arg: expected a whole number, found 'x'"},
      {"300", [](const JobArgs& args) { args.Required<int8_t>("arg"); }, "--arg: expected a whole number, found '300'"},
      {"-1", [](const JobArgs& args) { args.Required<uint8_t>("arg"); }, "expected a whole number from 0, found '-1'"},
      {"1,5", [](const JobArgs& args) { args.GetDouble("arg", 0); }, "expected a number, found '1,5'"},
      {"yes", [](const JobArgs& args) { args.GetBool("arg"); }, "expected true or false, found 'yes'"},
      {"soon", [](const JobArgs& args) { args.Required<Timestamp>("arg"); }, "expected a time as ISO 8601"},
      {"long", [](const JobArgs& args) { args.Required<std::chrono::milliseconds>("arg"); }, "expected a duration"},
  };
  for (const auto& bad : kCases) {
    const JobArgs args = Args({std::string("--arg=") + bad.value});
    bad.read(args);
    EXPECT_THAT(std::string(StatusMessage(args.error())), HasSubstr(bad.message));
  }
  const JobArgs missing = Args({});
  missing.Required<int>("count");
  EXPECT_THAT(std::string(StatusMessage(missing.error())), HasSubstr("the job needs the argument --count"));
  EXPECT_THAT(std::string(StatusMessage(Args({"--typo", "1"}).error())),
              HasSubstr("the job does not know the argument --typo; `-- --help` lists those that it knows"));
}

TEST(JobArgsTest, HelpListsArgumentsWithTypesDefaultsAndWords) {
  const JobArgs args = Args({"--help"});
  args.Required<std::string>("input", "file or folder of payments");
  args.Optional<int>("rate", 100, "records per second");
  args.Optional<std::chrono::milliseconds>("bound", 30s);
  EXPECT_TRUE(args.wants_help());
  EXPECT_EQ(args.HelpText(),
            "Arguments of the job, after `--`:\n"
            "  --input  file or folder of payments\n"
            "      text; must be given\n"
            "  --rate  records per second\n"
            "      a whole number; default '100'\n"
            "  --bound\n"
            "      a duration such as '90 s' or '5 min'; default '30 s'\n");
  EXPECT_FALSE(Args({}).wants_help());
  EXPECT_EQ(Args({"--help"}).HelpText(), "The job takes no arguments.\n");
}

TEST(JobArgsTest, AJobMayHaveAHelpOfItsOwn) {
  const JobArgs args = Args({"--help", "me"});
  EXPECT_EQ(args.Get("help"), "me");
  EXPECT_FALSE(args.wants_help());
}

}  // namespace
}  // namespace eagre
