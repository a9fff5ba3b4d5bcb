// The output of `eagre list`, which scripts grep: Flink's headers and rows to the letter.
#pragma once

#include <string>

#include "proto/client.pb.h"

namespace eagre {

struct JobListScope {
  bool running = false;    // -r: running, restarting, or on their way out
  bool scheduled = false;  // -s: waiting for slots
  bool ended = false;      // -a: all of them
};

std::string RenderJobList(const proto::ListJobsReply& jobs, JobListScope scope);

}  // namespace eagre
