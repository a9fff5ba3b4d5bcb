// Runs a graph in this process and waits for its end: one worker, one slot per subtask, no JobManager and no port.
//
// This is what ExecuteAndCollect and the tests use. `eagre run` without a cluster has a JobManager in the process,
// which adds restarts, cancelling and progress.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/status.h"
#include "runtime/stream_graph.h"

namespace eagre {

// Returns when the job finished or failed; the failure names the operator and the subtask. Runs user code on threads of
// its own. `accumulators`: what the job's have come to, as text by name.
Status RunLocally(std::unique_ptr<StreamGraph> graph, std::map<std::string, std::string>* accumulators = nullptr);

}  // namespace eagre
