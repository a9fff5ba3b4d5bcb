#include "jobmanager/restore_check.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "state/checkpoint_metadata.h"
#include "state/state_schema.h"

namespace eagre {
namespace {

// Of the state that functions declare, as it is stored (state/keyed_state_core.h).
constexpr std::string_view kKeyedStateName = "keyed state";

struct Place {
  const proto::Vertex* vertex = nullptr;
  const proto::OperatorNode* node = nullptr;
};

std::map<std::string, Place> OperatorsOf(const proto::JobGraph& graph) {
  std::map<std::string, Place> places;
  for (const proto::Vertex& vertex : graph.vertices()) {
    for (const proto::OperatorNode& node : vertex.operators()) places[node.id()] = {&vertex, &node};
  }
  return places;
}

bool HasState(const proto::OperatorSnapshot& op) {
  return op.has_coordinator() ||
         std::any_of(op.subtasks().begin(), op.subtasks().end(), [](const proto::SubtaskSnapshot& subtask) {
           return std::any_of(subtask.states().begin(), subtask.states().end(),
                              [](const proto::StateSnapshot& state) { return !state.segments().empty(); });
         });
}

// What an operator that declares these states stores them as, in the form of a stored state; the key's type is not in
// the graph and taken to be the same.
std::string DeclaredSchema(const proto::OperatorNode& node, std::string_view stored_schema) {
  constexpr std::string_view kKey = "key: ";
  std::string schema;
  if (stored_schema.starts_with(kKey)) schema = stored_schema.substr(0, stored_schema.find('\n'));
  for (const proto::StateDeclaration& declared : node.states()) {
    if (!schema.empty()) schema += '\n';
    schema += fmt::format("{} {}: {}", declared.kind(), declared.name(), declared.schema());
  }
  return schema;
}

// State by state, each once. What is not declared in the graph (windows, timers) is compared when it is restored.
void CompareSchemas(const proto::OperatorSnapshot& op, const proto::OperatorNode& node,
                    std::vector<std::string>& differences) {
  std::set<std::string> seen;
  for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
    for (const proto::StateSnapshot& state : subtask.states()) {
      if (!seen.insert(state.name()).second) continue;
      if (state.name() != kKeyedStateName || node.states().empty()) continue;
      const Status compatible = CheckCompatible(state.schema(), DeclaredSchema(node, state.schema()));
      if (compatible.ok()) continue;
      differences.push_back(fmt::format("'{}': {}", node.name(), StatusMessage(compatible)));
    }
  }
}

std::string Lines(const std::vector<std::string>& differences) {
  std::string text;
  for (const std::string& difference : differences) text += fmt::format("\n  {}", difference);
  return text;
}

}  // namespace

StatusOr<proto::CheckpointMetadata> ReadRestorePoint(FileSystem& files, const std::string& path) {
  EAGRE_ASSIGN_OR_RETURN(proto::CheckpointMetadata metadata, ReadCheckpointMetadata(files, path));
  EAGRE_RETURN_IF_ERROR(CheckFilesOf(files, path, metadata));
  return metadata;
}

Status CheckFilesOf(FileSystem& files, const std::string& path, const proto::CheckpointMetadata& metadata) {
  std::map<std::string, uint64_t> lengths;
  for (const proto::OperatorSnapshot& op : metadata.operators()) {
    for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
      for (const proto::StateSnapshot& state : subtask.states()) {
        for (const proto::StateSegment& segment : state.segments()) {
          uint64_t& length = lengths[segment.file()];
          length = std::max(length, segment.offset() + segment.length());
        }
      }
    }
  }
  const std::string root = CheckpointFilesRoot(path, metadata);
  for (const auto& [name, length] : lengths) {
    const std::string file = JoinPath(root, name);
    const auto info = files.Stat(file);
    if (!info.ok() && absl::IsNotFound(info.status())) {
      return DataLoss("{} is incomplete: its file {} is missing", path, file);
    }
    EAGRE_RETURN_IF_ERROR(info.status());
    if (static_cast<uint64_t>(info->size) < length) {
      return DataLoss("{} is damaged: its file {} is cut off at {} of {} bytes", path, file, info->size, length);
    }
  }
  return OkStatus();
}

Status CheckRestore(const proto::JobGraph& graph, const proto::CheckpointMetadata& restored, const std::string& path,
                    bool allow_non_restored_state) {
  const std::map<std::string, Place> places = OperatorsOf(graph);
  std::vector<std::string> differences;
  bool has_unclaimed = false;
  for (const proto::OperatorSnapshot& op : restored.operators()) {
    if (!HasState(op)) continue;
    const auto place = places.find(op.operator_id());
    if (place == places.end()) {
      if (allow_non_restored_state) continue;
      has_unclaimed = true;
      differences.push_back(
          fmt::format("operator '{}' ({}) has state, but the job has no such operator", op.name(), op.operator_id()));
      continue;
    }
    const proto::Vertex& vertex = *place->second.vertex;
    if (op.max_parallelism() > 0 && vertex.parallelism() > op.max_parallelism()) {
      differences.push_back(fmt::format("'{}' has parallelism {}, its state can be divided among at most {}", op.name(),
                                        vertex.parallelism(), op.max_parallelism()));
    }
    CompareSchemas(op, *place->second.node, differences);
  }
  if (differences.empty()) return OkStatus();
  return FailedPrecondition("job '{}' cannot go on from {} (of job '{}'):{}{}", graph.name(), path, restored.job_name(),
                            Lines(differences),
                            has_unclaimed ? "\nGive operators their Uid() back, or drop their state by "
                                            "--allowNonRestoredState"
                                          : "");
}

}  // namespace eagre
