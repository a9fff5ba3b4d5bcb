// Which configuration keys are those of the daemons, and not of jobs, and what they must be together.
#pragma once

#include <string_view>

#include "base/config.h"
#include "base/status.h"

namespace eagre {

// Of a TaskManager, and of a process that runs a job by itself; a slot is a thread.
inline constexpr int kMostSlots = 4096;

// Each daemon has its own value of such a key: a client does not send it with a job, nor a JobManager to workers.
bool IsDaemonOption(std::string_view key);

// Of a daemon that starts: values that are right by themselves and cannot work together.
Status CheckDaemonOptions(const Configuration& config);

}  // namespace eagre
