// `eagre run --watch job.cc`: runs the job in a child process, and compiles and starts it anew when a file of it is
// saved.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "cli/job_compiler.h"

namespace eagre {

// `command` is what the child runs: this binary's arguments, for a single run. Comes back only when watching fails.
// SIGINT and SIGTERM cancel the job, and end this process when the job has stopped; whatever else ends this process
// ends the child.
Status WatchAndRun(JobCompiler& compiler, const std::string& source, const std::vector<std::string>& command);

}  // namespace eagre
