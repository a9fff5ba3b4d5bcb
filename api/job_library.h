// Loads a job's library and runs its entry point, which builds the StreamGraph.
//
// This runs the user's code: in `eagre plan` (a child process of the client), in workers, and in local runs; never in a
// JobManager or TaskManager. A library stays loaded for the life of the process.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/control.pb.h"
#include "runtime/stream_graph.h"

namespace eagre {

struct JobRequest {
  std::string library_path;
  std::vector<std::string> args;              // what follows `--`
  std::map<std::string, std::string> config;  // effective configuration, over the defaults
};

// Failures name the library and say what is wrong with it: it does not exist, is no shared library, is no job, was
// built for another build of Eagre (what differs), or its entry point threw or rejected its arguments. A failure of the
// stamp is FAILED_PRECONDITION: trying again cannot help. With `--help` among the arguments of a job that knows no such
// one, CANCELLED with the text that describes its arguments.
StatusOr<std::unique_ptr<StreamGraph>> LoadJob(const JobRequest& request);

// The same for a worker.
StatusOr<std::unique_ptr<StreamGraph>> LoadJob(const proto::DeployWorker& deploy);

}  // namespace eagre
