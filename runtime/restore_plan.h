// What the subtasks of a restarted job take from a checkpoint, at whatever parallelism they run now.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "state/checkpointed_state.h"

namespace eagre {

// Immutable; any thread.
class RestorePlan {
 public:
  struct Position {
    int subtask = 0;
    int parallelism = 1;
    int max_parallelism = 128;
  };

  // `directory` is the folder that `metadata` was read from, `job_directory` where this job's own checkpoints are.
  RestorePlan(FileSystem& files, const std::string& directory, const std::string& job_directory,
              proto::CheckpointMetadata metadata);

  const proto::CheckpointMetadata& metadata() const { return metadata_; }
  // Null when the checkpoint knows no such operator.
  const proto::OperatorSnapshot* Find(const std::string& operator_id) const;

  // Gives the state of an operator all entries that are this subtask's. The segments that the state's chain may begin
  // with are left in `inherited`: all that was read, when it lies among this job's own files and the division of the
  // state has not changed; else none.
  Status Restore(const proto::OperatorSnapshot& op, const Position& position, CheckpointedState& state,
                 std::vector<proto::StateSegment>& inherited) const;
  // Visits the entries of one stored part, in order, until one fails.
  Status ForEachEntry(const proto::StateSnapshot& state, const std::function<Status(const StateEntry&)>& visit) const;
  // True when every subtask of the operator had come to its end.
  static bool AllFinished(const proto::OperatorSnapshot& op);

 private:
  FileSystem& files_;
  const std::string root_;  // of the segments' files
  const bool own_files_;
  const proto::CheckpointMetadata metadata_;
};

}  // namespace eagre
