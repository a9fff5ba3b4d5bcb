#include "cli/verb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class VerbTest : public testing::Test {
 protected:
  int Run(const std::vector<std::string>& words) {
    testing::internal::CaptureStderr();
    const int status = RunCommandLine(words, "1", "", [this](Verb& eagre) {
      Verb run = eagre.AddVerb("run", "Runs a job");
      run.Option("job", job_, "The job", {.required = true, .takes_job_args = true});
      run.Run([this](const Invocation& invocation) {
        job_args_ = invocation.job_args;
        return 7;
      });
      Verb list = eagre.AddVerb("list", "Lists jobs");
      list.Option("-n", count_, "How many", {.positive = true});
      list.Run([](const Invocation&) { return 0; });
      eagre.AddVerb("state", "Reads state").AddVerb("inspect", "Shows it").Run([](const Invocation&) { return 0; });
    });
    said_ = testing::internal::GetCapturedStderr();
    return status;
  }

  std::string job_;
  int count_ = 0;
  std::vector<std::string> job_args_;
  std::string said_;
};

TEST_F(VerbTest, AJobsArgumentsFollowTwoDashes) {
  EXPECT_EQ(Run({"run", "job.cc", "--", "--input", "file", "--", "-x"}), 7) << said_;
  EXPECT_EQ(job_, "job.cc");
  EXPECT_THAT(job_args_, ElementsAre("--input", "file", "--", "-x"));
}

TEST_F(VerbTest, WhoForgetsTheDashesIsTold) {
  EXPECT_EQ(Run({"run", "job.cc", "--input", "file"}), 1);
  EXPECT_THAT(said_, HasSubstr("eagre run: not expected: --input file\n"));
  EXPECT_THAT(said_, HasSubstr("A job's own arguments follow `--`, as in: eagre run job.cc -- --input FILE\n"));
  EXPECT_EQ(Run({"list", "--inptu"}), 1);
  EXPECT_THAT(said_, HasSubstr("eagre list: not expected: --inptu\n"));
  EXPECT_THAT(said_, Not(HasSubstr("own arguments")));
}

TEST_F(VerbTest, AWordThatIsNoVerbIsNamedAndWhatMayBeMeant) {
  EXPECT_EQ(Run({"rnu", "job.cc"}), 1);
  EXPECT_THAT(said_, HasSubstr("eagre: 'rnu' is no verb; did you mean 'run'?\nExpected one of: run, list, state\n"));
  EXPECT_EQ(Run({"state", "insepct"}), 1);
  EXPECT_THAT(said_, HasSubstr("eagre state: 'insepct' is no verb; did you mean 'inspect'?\n"));
  EXPECT_EQ(Run({"submission"}), 1);
  EXPECT_THAT(said_, HasSubstr("eagre: 'submission' is no verb\n"));
  EXPECT_EQ(Run({}), 1);
  EXPECT_THAT(said_, HasSubstr("eagre: a verb is missing; expected one of: run, list, state\n"));
}

TEST_F(VerbTest, ANumberThatMustBePositiveSaysSo) {
  for (const char* text : {"0", "-3", "two", "1.5", "99999999999"}) {
    EXPECT_EQ(Run({"list", "-n", text}), 1);
    EXPECT_THAT(said_, HasSubstr(std::string("expected a whole number of at least 1, not '") + text + "'"));
  }
  EXPECT_EQ(Run({"list", "-n", "3"}), 0);
}

}  // namespace
}  // namespace eagre
