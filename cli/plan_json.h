// A job's graph as readable JSON: what `eagre plan job.so` and `eagre info job.so` print.
//
// Fields that Flink's REST plan has carry Flink's names (nodes, id, parallelism, description, inputs, ship_strategy);
// what Eagre adds (operators with uid and state, digest) stands beside them.
#pragma once

#include <string>

#include "proto/graph.pb.h"

namespace eagre {

std::string RenderPlanJson(const proto::JobGraph& graph);

// Flink's word for how records reach the next vertex: FORWARD, HASH, REBALANCE, BROADCAST.
std::string ShipStrategyName(proto::Partitioning partitioning);

}  // namespace eagre
