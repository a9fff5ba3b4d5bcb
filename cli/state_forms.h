// What the operators of a job store in checkpoints, found out without running any.
#pragma once

#include "base/status.h"
#include "proto/client.pb.h"
#include "runtime/stream_graph.h"

namespace eagre {

// Adds the forms of all operators of `chained`, which was built from `graph`. Makes each of them once, and so copies
// the job's functions, which is user code: what it throws is the failure.
Status AddStateForms(const StreamGraph& graph, const ChainedGraph& chained, proto::JobPlan& plan);

}  // namespace eagre
