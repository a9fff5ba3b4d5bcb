#include "runtime/restore_plan.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
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

// Of what is the same in all subtasks: the part of `preferred`, or where that had finished and has none, another's.
const proto::SubtaskSnapshot* BroadcastPart(const proto::OperatorSnapshot& op, int preferred, const std::string& name) {
  const proto::SubtaskSnapshot* part = nullptr;
  for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
    if (FindState(subtask, name) == nullptr) continue;
    if (part == nullptr || subtask.subtask() == preferred) part = &subtask;
  }
  return part;
}

}  // namespace

RestorePlan::RestorePlan(FileSystem& files, const std::string& directory, const std::string& job_directory,
                         proto::CheckpointMetadata metadata, std::string local_directory)
    : files_(files),
      root_(metadata.files_root() == ".." ? ParentPath(directory) : JoinPath(directory, metadata.files_root())),
      own_files_(root_ == job_directory && !metadata.drained()),
      local_root_(own_files_ ? std::move(local_directory) : ""),
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
                            const LocalSnapshots* local, std::vector<proto::StateSegment>& inherited) const {
  const StateDistribution distribution = state.distribution();
  inherited.clear();
  const bool same_division = op.parallelism() == position.parallelism;
  const bool broadcast = distribution == StateDistribution::kBroadcast;
  const bool own_only = same_division && distribution != StateDistribution::kUnion && !broadcast;
  const proto::SubtaskSnapshot* const broadcast_part =
      broadcast ? BroadcastPart(op, same_division ? position.subtask : 0, state.name()) : nullptr;
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
  const auto restore = [&](const StateEntry& entry) { return is_mine(entry) ? state.Restore(entry) : OkStatus(); };
  for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
    if (own_only && subtask.subtask() != position.subtask) continue;
    if (broadcast && &subtask != broadcast_part) continue;
    const proto::StateSnapshot* stored = FindState(subtask, state.name());
    if (stored == nullptr) continue;
    if (distribution == StateDistribution::kKeyed && !stored->segments().empty() &&
        op.max_parallelism() != position.max_parallelism) {
      return FailedPrecondition(
          "operator '{}' was stored with a maximum parallelism of {} and now has {}: keyed state cannot be divided "
          "anew; set the maximum parallelism of the job to {}",
          op.name(), op.max_parallelism(), position.max_parallelism, op.max_parallelism());
    }
    // A chain of segments has one schema.
    if (stored->schema() != state.schema()) inherits = false;
    if (const Status fits = state.BeginRestore(stored->schema()); !fits.ok()) {
      return WithContext(fits, fmt::format("operator '{}'", op.name()));
    }
    int covered = 0;
    if (const auto* snapshot =
            local == nullptr ? nullptr : local->Find(op.operator_id(), position.subtask, state.name())) {
      if (!inherits)
        return Internal("a local snapshot has state '{}', which is not this subtask's as it is", state.name());
      covered = snapshot->covered_size();
      EAGRE_RETURN_IF_ERROR(state.AdoptStore({snapshot->store(), snapshot->epoch(), snapshot->entries()}));
    }
    for (int i = 0; i < stored->segments_size(); ++i) {
      const proto::StateSegment& segment = stored->segments(i);
      if (i >= covered) EAGRE_RETURN_IF_ERROR(ForEachEntry(segment, restore));
      if (inherits) inherited.push_back(segment);
    }
  }
  return state.FinishRestore(inherits);
}

Status RestorePlan::ForEachEntry(const proto::StateSnapshot& state, const EntryVisitor& visit) const {
  for (const proto::StateSegment& segment : state.segments()) EAGRE_RETURN_IF_ERROR(ForEachEntry(segment, visit));
  return OkStatus();
}

StatusOr<std::string> RestorePlan::ReadSegment(const proto::StateSegment& segment) const {
  if (!local_root_.empty()) {
    StatusOr<std::string> bytes = ReadStateSegment(files_, local_root_, segment);
    if (bytes.ok()) {
      if (!read_local_.exchange(true)) EAGRE_LOG_INFO("restoring state from local copies in {}", local_root_);
      return bytes;
    }
    // It has no copy where the subtask did not run when the file was written.
    if (!absl::IsNotFound(bytes.status())) {
      EAGRE_LOG_WARN("reading the checkpoint's file, since its local copy cannot be used: {}",
                     StatusMessage(bytes.status()));
    }
  }
  return ReadStateSegment(files_, root_, segment);
}

Status RestorePlan::ForEachEntry(const proto::StateSegment& segment, const EntryVisitor& visit) const {
  const StatusOr<std::string> bytes = ReadSegment(segment);
  if (!bytes.ok()) return MarkDamagedCheckpoint(bytes.status());
  StateEntryReader reader(*bytes);
  StateEntry entry;
  while (true) {
    EAGRE_ASSIGN_OR_RETURN(const bool found, reader.Next(entry));
    if (!found) return OkStatus();
    EAGRE_RETURN_IF_ERROR(visit(entry));
  }
}

}  // namespace eagre
