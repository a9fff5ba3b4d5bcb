// What the subtasks of a restarted job take from a checkpoint, at whatever parallelism they run now.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "runtime/local_snapshots.h"
#include "state/checkpointed_state.h"

namespace eagre {

// Immutable; any thread.
class RestorePlan {
 public:
  using EntryVisitor = std::function<Status(const StateEntry&)>;
  struct Position {
    int subtask = 0;
    int parallelism = 1;
    int max_parallelism = 128;
  };

  // `directory` is the folder that `metadata` was read from, `job_directory` where this job's own checkpoints are. What
  // has a copy in `local_directory` is read there; empty: nothing has.
  RestorePlan(FileSystem& files, const std::string& directory, const std::string& job_directory,
              proto::CheckpointMetadata metadata, std::string local_directory = "");

  const proto::CheckpointMetadata& metadata() const { return metadata_; }
  // It is one of this job's own checkpoints, and states go on with its files.
  bool own_files() const { return own_files_; }
  // Event time had ended before it. Nothing is inherited then: of an entry that was emitted only the watermark that is
  // given up tells.
  bool drained() const { return metadata_.drained(); }
  // Null when the checkpoint knows no such operator.
  const proto::OperatorSnapshot* Find(const std::string& operator_id) const;

  // Gives the state of an operator all entries that are this subtask's. The segments that the state's chain may begin
  // with are left in `inherited`: all that was read, when it lies among this job's own files and the division of the
  // state has not changed; else none. Those that a snapshot in `local` has, which may be null, are not read.
  Status Restore(const proto::OperatorSnapshot& op, const Position& position, CheckpointedState& state,
                 const LocalSnapshots* local, std::vector<proto::StateSegment>& inherited) const;
  // Visits the entries of one stored part, in order, until one fails.
  Status ForEachEntry(const proto::StateSnapshot& state, const EntryVisitor& visit) const;
  // True when every subtask of the operator had come to its end.
  static bool AllFinished(const proto::OperatorSnapshot& op);

 private:
  Status ForEachEntry(const proto::StateSegment& segment, const EntryVisitor& visit) const;
  StatusOr<std::string> ReadSegment(const proto::StateSegment& segment) const;

  FileSystem& files_;
  const std::string root_;  // of the segments' files
  const bool own_files_;
  const std::string local_root_;
  mutable std::atomic<bool> read_local_ = false;  // that copies are used was said
  const proto::CheckpointMetadata metadata_;
};

}  // namespace eagre
