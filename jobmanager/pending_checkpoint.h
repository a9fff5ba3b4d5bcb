// One checkpoint while it is being taken: who has still to acknowledge, and what those who did have reported.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/control.pb.h"
#include "proto/graph.pb.h"

namespace eagre {

// Lives on the JobManager's executor; `graph` outlives it.
class PendingCheckpoint {
 public:
  // Every subtask of the graph must acknowledge, and every source's coordinator.
  PendingCheckpoint(const proto::JobGraph& graph, int64_t checkpoint_id, int64_t time_ms);

  int64_t id() const { return id_; }
  int64_t time_ms() const { return time_ms_; }

  // An ACKNOWLEDGE or COORDINATOR of this checkpoint; one that came before is ignored. INVALID_ARGUMENT when it is of
  // something that the job does not have, or refers to files that no checkpoint may refer to.
  Status Add(const proto::CheckpointReport& report);
  // The subtask has ended and reports nothing more: it takes part as one that has done all its work.
  void MarkFinished(int vertex, int subtask);
  bool complete() const { return missing_subtasks_.empty() && missing_coordinators_.empty(); }
  // For users: "3 of 8 subtasks have not acknowledged, the first is 'window' (2/4)".
  std::string DescribeMissing() const;

  // What was reported, in the graph's order.
  const std::vector<proto::OperatorSnapshot>& operators() const { return operators_; }
  int64_t state_bytes() const { return state_bytes_; }
  int64_t written_bytes() const { return written_bytes_; }
  int64_t in_flight_bytes() const { return in_flight_bytes_; }

 private:
  proto::OperatorSnapshot* Find(int vertex, const std::string& operator_id);
  Status AddSubtask(const proto::CheckpointReport& report);
  Status AddCoordinator(const proto::CheckpointReport& report);

  const proto::JobGraph& graph_;
  const int64_t id_;
  const int64_t time_ms_;
  std::vector<proto::OperatorSnapshot> operators_;
  std::vector<size_t> first_operator_;              // of each vertex, in operators_
  std::set<std::pair<int, int>> missing_subtasks_;  // vertex, subtask
  std::set<std::string> missing_coordinators_;      // operator ids
  int64_t state_bytes_ = 0;
  int64_t written_bytes_ = 0;
  int64_t in_flight_bytes_ = 0;
};

}  // namespace eagre
