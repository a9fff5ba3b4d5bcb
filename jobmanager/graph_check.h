// Whether a submitted graph can be run at all. The JobManager cannot load the job to compare: it only protects itself.
#pragma once

#include "base/status.h"
#include "proto/graph.pb.h"

namespace eagre {

// INVALID_ARGUMENT naming what does not hold.
Status CheckGraph(const proto::JobGraph& graph);

}  // namespace eagre
