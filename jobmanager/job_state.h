// The states of a job, Flink's, and the table of what may follow what.
#pragma once

#include <cstdint>
#include <string_view>

namespace eagre {

enum class JobState : uint8_t {
  kCreated,     // accepted; waits for slots
  kRunning,     // an attempt is deployed
  kFailing,     // failed for good; what is left of the attempt is being stopped
  kFailed,      // terminal
  kCancelling,  // what is left of the attempt is being stopped
  kCanceled,    // terminal
  kFinished,    // terminal
  kRestarting,  // failed, to be tried again: stops what is left, waits for the delay, then for slots
};
inline constexpr int kJobStates = 8;

// As users and scripts know them: "CREATED", "CANCELED" (one L, as in Flink), ...
std::string_view JobStateName(JobState state);

// No worker of the job exists any more, and none will.
bool IsTerminal(JobState state);

bool IsLegalTransition(JobState from, JobState to);

}  // namespace eagre
