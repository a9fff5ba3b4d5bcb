#include "jobmanager/job_state.h"

#include <initializer_list>

namespace eagre {
namespace {

constexpr std::string_view kJobStateNames[kJobStates] = {"CREATED",    "RUNNING",  "FAILING",  "FAILED",
                                                         "CANCELLING", "CANCELED", "FINISHED", "RESTARTING"};

constexpr uint32_t Next(std::initializer_list<JobState> states) {
  uint32_t bits = 0;
  for (JobState state : states) bits |= 1u << static_cast<int>(state);
  return bits;
}

// Row: from. The terminal states lead nowhere.
constexpr uint32_t kLegalNext[kJobStates] = {
    /* kCreated */ Next({JobState::kRunning, JobState::kFailing, JobState::kCancelling}),
    /* kRunning */ Next({JobState::kFinished, JobState::kFailing, JobState::kRestarting, JobState::kCancelling}),
    /* kFailing */ Next({JobState::kFailed, JobState::kCancelling}),
    /* kFailed */ Next({}),
    /* kCancelling */ Next({JobState::kCanceled}),
    /* kCanceled */ Next({}),
    /* kFinished */ Next({}),
    /* kRestarting */ Next({JobState::kRunning, JobState::kFailing, JobState::kCancelling}),
};

}  // namespace

std::string_view JobStateName(JobState state) {
  return kJobStateNames[static_cast<int>(state)];
}

bool IsTerminal(JobState state) {
  return kLegalNext[static_cast<int>(state)] == 0;
}

bool IsLegalTransition(JobState from, JobState to) {
  return (kLegalNext[static_cast<int>(from)] & (1u << static_cast<int>(to))) != 0;
}

}  // namespace eagre
