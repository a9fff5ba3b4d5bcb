#include "jobmanager/restore_points.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "state/checkpointed_state.h"

namespace eagre {

bool HasCommittables(const proto::CheckpointMetadata& metadata) {
  for (const proto::OperatorSnapshot& op : metadata.operators()) {
    for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
      for (const proto::StateSnapshot& state : subtask.states()) {
        if (state.name() == kCommittablesStateName && !state.segments().empty()) return true;
      }
    }
  }
  return false;
}

Status RestorePoints::Open(std::vector<RestorePoint> points) {
  points_ = std::move(points);
  while (!points_.empty() && !points_.back().usable.ok()) {
    const Status damage = points_.back().usable;
    EAGRE_RETURN_IF_ERROR(DropNewest(damage));
  }
  return OkStatus();
}

void RestorePoints::Add(RestorePoint point) {
  points_.push_back(std::move(point));
  if (points_.size() > retained_) points_.erase(points_.begin());
}

Status RestorePoints::DropNewest(const Status& damage) {
  if (points_.empty()) return damage;
  const RestorePoint damaged = std::move(points_.back());
  points_.pop_back();
  const std::string what = fmt::format("the newest checkpoint{}{} cannot be used: {}", damaged.path.empty() ? "" : " ",
                                       damaged.path, StatusMessage(damage));
  // Those that are no longer whole are stepped over one by one.
  const auto older =
      std::find_if(points_.rbegin(), points_.rend(), [](const auto& point) { return point.usable.ok(); });
  if (older == points_.rend()) {
    return DataLoss(
        "{}; there is no older one (execution.checkpointing.num-retained); start the job anew, with -s and a "
        "savepoint, or without from the beginning",
        what);
  }
  if (damaged.commits && !permits_duplicates_) {
    return DataLoss(
        "{}; {} is older and whole, but sinks may have committed what came after it, and would write it twice: to "
        "permit "
        "that, set execution.checkpointing.recover-with-duplicates, or start the job anew with -s {}",
        what, older->path, older->path);
  }
  EAGRE_LOG_WARN("{}; going back to an older one{}", what,
                 damaged.commits ? ", so that sinks may write some records twice" : "");
  return OkStatus();
}

}  // namespace eagre
