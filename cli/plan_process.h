// Loads a job's library in a child process and brings its plan back, so that a library that crashes harms nobody.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/client.pb.h"

namespace eagre {

struct PlanRequest {
  std::string library;                        // path as the user gave it
  std::vector<std::string> args;              // the job's own arguments
  std::map<std::string, std::string> config;  // the client's -D and -p, and what the configuration file sets
};

// Runs `eagre plan` on the library and waits for it. Whatever the library prints goes to standard error. The failure
// says whether there is no such file, the library refused or threw (with its words), or died by a signal (with its
// name). A job that is asked for its arguments (`-- --help`) is CANCELLED with the text.
StatusOr<proto::JobPlan> PlanInChild(const PlanRequest& request);

// Loads the library in this process, which its code may end.
StatusOr<proto::JobPlan> PlanHere(const PlanRequest& request);

// The child's end of PlanInChild: plans here and writes the plan, or why there is none, to `result_fd`. Returns the
// exit status.
int WritePlanResult(const PlanRequest& request, int result_fd);

// "SIGSEGV (segmentation fault)".
std::string DescribeSignal(int signal_number);

}  // namespace eagre
