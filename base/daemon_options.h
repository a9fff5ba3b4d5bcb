// Which configuration keys are those of the daemons, and not of jobs.
#pragma once

#include <string_view>

namespace eagre {

// Each daemon has its own value of such a key: a client does not send it with a job, nor a JobManager to workers.
bool IsDaemonOption(std::string_view key);

}  // namespace eagre
