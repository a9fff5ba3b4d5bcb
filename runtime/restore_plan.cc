#include "runtime/restore_plan.h"

#include <algorithm>
#include <utility>

#include "runtime/key_groups.h"
#include "state/checkpoint_metadata.h"
#include "state/state_file.h"

namespace eagre {
namespace {

const proto::StateSnapshot* FindState(const proto::SubtaskSnapshot& subtask, const std::string& name) {
  for (const proto::StateSnapshot& state : subtask.states()) {
    if (state.name() == name && !state.has_in_flight()) return &state;
  }
  return nullptr;
}

}  // namespace

RestorePlan::RestorePlan(FileSystem& files, const std::string& directory, const std::string& job_directory,
                         proto::CheckpointMetadata metadata)
    : files_(files),
      root_(metadata.files_root() == ".." ? ParentPath(directory) : JoinPath(directory, metadata.files_root())),
      own_files_(root_ == job_directory),
      metadata_(std::move(metadata)) {}

const proto::OperatorSnapshot* RestorePlan::Find(const std::string& operator_id) const {
  for (const proto::OperatorSnapshot& op : metadata_.operators()) {
    if (op.operator_id() == operator_id) return &op;
  }
  return nullptr;
}

bool RestorePlan::AllFinished(const proto::OperatorSnapshot& op) {
  return op.subtasks_size() > 0 && std::all_of(op.subtasks().begin(), op.subtasks().end(),
                                               [](const auto& subtask) { return subtask.finished(); });
}

Status RestorePlan::Restore(const proto::OperatorSnapshot& op, const Position& position, CheckpointedState& state,
                            std::vector<proto::StateSegment>& inherited) const {
  const StateDistribution distribution = state.distribution();
  if (distribution == StateDistribution::kKeyed && op.max_parallelism() != position.max_parallelism) {
    return FailedPrecondition(
        "operator '{}' was stored with a maximum parallelism of {} and now has {}: keyed state cannot be divided anew; "
        "set the maximum parallelism of the job to {}",
        op.name(), op.max_parallelism(), position.max_parallelism, op.max_parallelism());
  }
  inherited.clear();
  const bool same_division = op.parallelism() == position.parallelism;
  const bool own_only = same_division && distribution != StateDistribution::kUnion;
  bool inherits = own_only && own_files_ && state.incremental();
  int64_t entry_number = 0;
  const auto is_mine = [&](const StateEntry& entry) {
    switch (distribution) {
      case StateDistribution::kKeyed:
        return same_division || SubtaskOfKeyGroup(KeyGroupOf(entry.hash, position.max_parallelism),
                                                  position.parallelism, position.max_parallelism) == position.subtask;
      case StateDistribution::kSplit: return same_division || entry_number++ % position.parallelism == position.subtask;
      case StateDistribution::kUnion:
      case StateDistribution::kBroadcast: return true;
    }
    return true;
  };
  for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
    if (own_only && subtask.subtask() != position.subtask) continue;
    if (distribution == StateDistribution::kBroadcast && !own_only && subtask.subtask() != 0) continue;
    const proto::StateSnapshot* stored = FindState(subtask, state.name());
    if (stored == nullptr) continue;
    // A chain of segments has one schema.
    if (stored->schema() != state.schema()) inherits = false;
    if (const Status fits = state.BeginRestore(stored->schema()); !fits.ok()) {
      return WithContext(fits, fmt::format("operator '{}'", op.name()));
    }
    EAGRE_RETURN_IF_ERROR(ForEachEntry(
        *stored, [&](const StateEntry& entry) { return is_mine(entry) ? state.Restore(entry) : OkStatus(); }));
    if (inherits) inherited.insert(inherited.end(), stored->segments().begin(), stored->segments().end());
  }
  return state.FinishRestore(inherits);
}

Status RestorePlan::ForEachEntry(const proto::StateSnapshot& state,
                                 const std::function<Status(const StateEntry&)>& visit) const {
  for (const proto::StateSegment& segment : state.segments()) {
    const StatusOr<std::string> bytes = ReadStateSegment(files_, root_, segment);
    if (!bytes.ok()) return MarkDamagedCheckpoint(bytes.status());
    StateEntryReader reader(*bytes);
    StateEntry entry;
    while (true) {
      EAGRE_ASSIGN_OR_RETURN(const bool found, reader.Next(entry));
      if (!found) break;
      EAGRE_RETURN_IF_ERROR(visit(entry));
    }
  }
  return OkStatus();
}

}  // namespace eagre
