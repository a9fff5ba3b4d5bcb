// Where a job can be restarted from: its complete checkpoints, and which of them to take when the newest is damaged.
//
// An older one is taken only when that does no harm: when no two-phase sink can have committed with those after it,
// since what was committed would be made and committed once more. The job's configuration may permit that.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/checkpoint.pb.h"

namespace eagre {

struct RestorePoint {
  proto::CompletedCheckpoint completion;
  std::string path;     // empty: not known, of one whose entry in the log is damaged
  bool commits = true;  // a two-phase sink may have committed with it
  Status usable;        // why it is not: its metadata or its entry cannot be read, or files are missing
};

// Whether a two-phase sink has something to commit when this checkpoint is complete.
bool HasCommittables(const proto::CheckpointMetadata& metadata);

// One thread.
class RestorePoints {
 public:
  // `retained` of them are kept.
  RestorePoints(size_t retained, bool permits_duplicates)
      : retained_(retained), permits_duplicates_(permits_duplicates) {}

  // The oldest first. The failure says why there is none to take.
  Status Open(std::vector<RestorePoint> points);
  void Add(RestorePoint point);
  // The newest turned out to be damaged. OK when there is an older one to take; else the failure says why not.
  Status DropNewest(const Status& damage);

  // The one to restart from; null: none was ever complete.
  const RestorePoint* newest() const { return points_.empty() ? nullptr : &points_.back(); }

 private:
  const size_t retained_;
  const bool permits_duplicates_;
  std::vector<RestorePoint> points_;  // the oldest first; the newest is usable as far as is known
};

}  // namespace eagre
