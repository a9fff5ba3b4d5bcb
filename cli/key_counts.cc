#include "cli/key_counts.h"

#include <string_view>
#include <unordered_map>

#include "runtime/key_groups.h"
#include "state/checkpoint_metadata.h"
#include "state/state_entry.h"
#include "state/state_file.h"

namespace eagre {
namespace {

// Adds what is left when the state's segments are applied in order.
Status CountState(FileSystem& files, const std::string& root, const proto::StateSnapshot& state,
                  std::vector<int64_t>& counts) {
  std::unordered_map<std::string, uint64_t> hashes;  // of the entries, by key
  for (const proto::StateSegment& segment : state.segments()) {
    EAGRE_ASSIGN_OR_RETURN(const std::string bytes, ReadStateSegment(files, root, segment));
    StateEntryReader reader(bytes);
    for (StateEntry entry;;) {
      EAGRE_ASSIGN_OR_RETURN(const bool found, reader.Next(entry));
      if (!found) break;
      std::string key(entry.key);
      if (entry.erased) {
        hashes.erase(key);
      } else {
        hashes[std::move(key)] = entry.hash;
      }
    }
  }
  for (const auto& [key, hash] : hashes) ++counts[KeyGroupOf(hash, static_cast<int>(counts.size()))];
  return OkStatus();
}

Status VerifyState(FileSystem& files, const std::string& root, const proto::StateSnapshot& state) {
  for (const proto::StateSegment& segment : state.segments()) {
    EAGRE_RETURN_IF_ERROR(ReadStateSegment(files, root, segment).status());
  }
  return OkStatus();
}

}  // namespace

StatusOr<KeyCounts> VerifyAndCountKeys(FileSystem& files, const std::string& path,
                                       const proto::CheckpointMetadata& metadata) {
  KeyCounts all;
  const std::string root = CheckpointFilesRoot(path, metadata);
  for (const proto::OperatorSnapshot& op : metadata.operators()) {
    for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
      for (const proto::StateSnapshot& state : subtask.states()) {
        if (state.distribution() != proto::STATE_KEYED || op.max_parallelism() <= 0) {
          EAGRE_RETURN_IF_ERROR(VerifyState(files, root, state));
          continue;
        }
        std::vector<int64_t>& counts = all[{op.operator_id(), state.name()}];
        counts.resize(static_cast<size_t>(op.max_parallelism()));
        EAGRE_RETURN_IF_ERROR(CountState(files, root, state, counts));
      }
    }
  }
  return all;
}

}  // namespace eagre
