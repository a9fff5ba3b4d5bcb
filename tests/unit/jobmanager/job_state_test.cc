#include "jobmanager/job_state.h"

#include <gtest/gtest.h>

namespace eagre {
namespace {

TEST(JobStateTest, NothingFollowsATerminalState) {
  for (int from = 0; from < kJobStates; ++from) {
    for (int to = 0; to < kJobStates; ++to) {
      if (IsTerminal(static_cast<JobState>(from))) {
        EXPECT_FALSE(IsLegalTransition(static_cast<JobState>(from), static_cast<JobState>(to)));
      }
    }
  }
  EXPECT_TRUE(IsTerminal(JobState::kFinished));
  EXPECT_TRUE(IsTerminal(JobState::kFailed));
  EXPECT_TRUE(IsTerminal(JobState::kCanceled));
  EXPECT_FALSE(IsTerminal(JobState::kRestarting));
}

TEST(JobStateTest, AJobEndsOnlyThroughTheStateThatStopsItsWorkers) {
  EXPECT_FALSE(IsLegalTransition(JobState::kRunning, JobState::kFailed));
  EXPECT_FALSE(IsLegalTransition(JobState::kRunning, JobState::kCanceled));
  EXPECT_FALSE(IsLegalTransition(JobState::kRestarting, JobState::kFinished));
  EXPECT_TRUE(IsLegalTransition(JobState::kFailing, JobState::kFailed));
  EXPECT_TRUE(IsLegalTransition(JobState::kCancelling, JobState::kCanceled));
}

TEST(JobStateTest, NamesAreFlinks) {
  EXPECT_EQ(JobStateName(JobState::kCanceled), "CANCELED");
  EXPECT_EQ(JobStateName(JobState::kCancelling), "CANCELLING");
}

}  // namespace
}  // namespace eagre
