#include "jobmanager/restore_check.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/stream_graph.h"
#include "state/checkpoint_metadata.h"
#include "state/state_schema.h"

namespace eagre {
namespace {

// As the states are stored (state/keyed_state_core.h, runtime/watermark_state.h, api/operator_state.cc).
constexpr std::string_view kKeyedStateName = "keyed state";
constexpr std::string_view kWatermarkName = "watermark";
constexpr std::string_view kOperatorStateKinds[] = {"list ", "union list ", "broadcast "};

// Where an operator of the job runs, and what it stores.
struct Place {
  const proto::Vertex* vertex = nullptr;
  const proto::OperatorForm* form = nullptr;  // null: not known
};

std::map<std::string, Place> OperatorsOf(const proto::SubmitJobHeader& header) {
  std::map<std::string, Place> places;
  for (const proto::Vertex& vertex : header.graph().vertices()) {
    for (const proto::OperatorNode& node : vertex.operators()) places[node.id()].vertex = &vertex;
  }
  for (const proto::OperatorForm& form : header.forms()) places[form.operator_id()].form = &form;
  std::erase_if(places, [](const auto& entry) { return entry.second.vertex == nullptr; });
  return places;
}

bool HasEntries(const proto::StateSnapshot& state) {
  return std::any_of(state.segments().begin(), state.segments().end(),
                     [](const proto::StateSegment& segment) { return segment.entries() > 0; });
}

// Whether something is lost when the state is not restored. A watermark alone only decides what is late.
bool IsWorthKeeping(const proto::StateSnapshot& state) {
  return state.name() != kWatermarkName && HasEntries(state);
}

bool HasState(const proto::OperatorSnapshot& op) {
  return op.has_coordinator() ||
         std::any_of(op.subtasks().begin(), op.subtasks().end(), [](const proto::SubtaskSnapshot& subtask) {
           return std::any_of(subtask.states().begin(), subtask.states().end(), IsWorthKeeping);
         });
}

bool HasKeyedState(const proto::OperatorSnapshot& op) {
  return std::any_of(op.subtasks().begin(), op.subtasks().end(), [](const proto::SubtaskSnapshot& subtask) {
    return std::any_of(subtask.states().begin(), subtask.states().end(), [](const proto::StateSnapshot& state) {
      return state.distribution() == proto::STATE_KEYED && !state.has_in_flight() && !state.segments().empty();
    });
  });
}

// Empty: the number of key groups is that of the state, or there is no state by key.
std::string KeyGroupDifference(const proto::OperatorSnapshot& op, const proto::Vertex& vertex) {
  if (op.max_parallelism() == vertex.max_parallelism() || !HasKeyedState(op)) return "";
  if (!vertex.derived_max_parallelism()) {
    return fmt::format(
        "'{}' has state in {} key groups, but a maximum parallelism of {} is set for it (pipeline.max-parallelism or "
        "SetMaxParallelism): set {}, or none",
        op.name(), op.max_parallelism(), vertex.max_parallelism(), op.max_parallelism());
  }
  return fmt::format(
      "'{}' has state in {} key groups, but runs in the task '{}' with state in {}: part them by StartNewChain()",
      op.name(), op.max_parallelism(), vertex.name(), vertex.max_parallelism());
}

struct Findings {
  std::vector<std::string> differences;  // nothing makes them fit
  std::vector<std::string> left;         // what would be lost
};

// The "list" of "list held"; empty when it is no state that a function declares for its operator.
std::string_view OperatorStateKind(std::string_view name) {
  for (const std::string_view kind : kOperatorStateKinds) {
    if (name.starts_with(kind)) return kind.substr(0, kind.size() - 1);
  }
  return "";
}

// An operator and the one of the job that goes on with its state.
class OperatorComparison {
 public:
  OperatorComparison(const proto::OperatorSnapshot& op, const proto::OperatorForm& form, Findings& findings)
      : op_(op), form_(form), findings_(findings) {}

  void Compare() {
    if (op_.has_coordinator() && !form_.has_coordinator()) Leave("the positions of a source");
    for (const proto::SubtaskSnapshot& subtask : op_.subtasks()) {
      for (const proto::StateSnapshot& state : subtask.states()) {
        if (state.has_in_flight()) continue;
        const proto::StateForm* now = Find(state.name());
        if (now != nullptr && !now->schema().empty()) CompareForms(state, *now);
        if (now == nullptr) Miss(state);
      }
    }
  }

 private:
  const proto::StateForm* Find(std::string_view name) const {
    const auto found = std::find_if(form_.states().begin(), form_.states().end(),
                                    [&](const proto::StateForm& state) { return state.name() == name; });
    return found == form_.states().end() ? nullptr : &*found;
  }

  // All subtasks have their part of a state, which is told of once.
  void Differ(std::string_view text) {
    std::string line = fmt::format("'{}': ", op_.name());
    for (const char c : text) line += c == '\n' ? "\n  " : std::string(1, c);
    Add(std::move(line), findings_.differences);
  }
  void Leave(std::string_view what) {
    Add(fmt::format("'{}' has stored {}, but the job has no such state", op_.name(), what), findings_.left);
  }
  static void Add(std::string line, std::vector<std::string>& lines) {
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
  }

  void CompareForms(const proto::StateSnapshot& state, const proto::StateForm& now) {
    if (state.schema() == now.schema()) return;
    if (const Status fits = CheckCompatible(state.schema(), now.schema()); !fits.ok()) {
      Differ(fmt::format("{}: {}", state.name(), StatusMessage(fits)));
    }
    const auto stored = StateSchema::Parse(state.schema());
    const auto current = StateSchema::Parse(now.schema());
    if (!stored.ok() || !current.ok()) return;
    for (const std::string& label : now.exact()) {
      const StateSchema::Part* before = stored->Find(label);
      const StateSchema::Part* after = current->Find(label);
      if (before == nullptr || after == nullptr || before->type_text == after->type_text) continue;
      Differ(fmt::format("{}: '{}' was {} and is {} now, and must stay as it is", state.name(), label,
                         before->type_text, after->type_text));
    }
    if (state.name() == kKeyedStateName && HasEntries(state)) LeaveParts(*stored, &*current);
  }

  void Miss(const proto::StateSnapshot& state) {
    if (const std::string_view kind = OperatorStateKind(state.name()); !kind.empty()) {
      const std::string_view own_name = std::string_view(state.name()).substr(kind.size() + 1);
      for (const std::string_view other : kOperatorStateKinds) {
        if (Find(fmt::format("{}{}", other, own_name)) == nullptr) continue;
        return Differ(
            fmt::format("state '{}' was a {} and is a {} now", own_name, kind, other.substr(0, other.size() - 1)));
      }
    }
    if (!IsWorthKeeping(state)) return;
    const auto stored = StateSchema::Parse(state.schema());
    if (state.name() == kKeyedStateName && stored.ok()) return LeaveParts(*stored, nullptr);
    Leave(fmt::format("'{}'", state.name()));
  }

  // The states of a function that are not among those it declares now. One of the same name is of another kind, which
  // is a difference.
  void LeaveParts(const StateSchema& stored, const StateSchema* current) {
    const auto name_of = [](std::string_view label) { return label.substr(label.find(' ') + 1); };
    for (const StateSchema::Part& part : stored.parts()) {
      if (&part == stored.parts().data()) continue;  // the key
      const bool named = current != nullptr && std::any_of(current->parts().begin() + 1, current->parts().end(),
                                                           [&](const StateSchema::Part& now) {
                                                             return name_of(now.label) == name_of(part.label);
                                                           });
      if (!named) Leave(fmt::format("'{}'", part.label));
    }
  }

  const proto::OperatorSnapshot& op_;
  const proto::OperatorForm& form_;
  Findings& findings_;
};

std::string Lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += fmt::format("\n  {}", line);
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

void TakeStoredMaxParallelism(const proto::CheckpointMetadata& restored, proto::JobGraph& graph) {
  std::map<std::string, const proto::OperatorSnapshot*> stored;
  for (const proto::OperatorSnapshot& op : restored.operators()) {
    if (HasState(op) || HasKeyedState(op)) stored[op.operator_id()] = &op;
  }
  std::map<std::string, int> of_vertices;
  for (const proto::Vertex& vertex : graph.vertices()) {
    bool is_keyed = false;
    for (const proto::OperatorNode& node : vertex.operators()) {
      const auto found = stored.find(node.id());
      if (found == stored.end() || found->second->max_parallelism() < vertex.parallelism()) continue;
      // State by key cannot do with another one.
      if (is_keyed || (of_vertices.contains(vertex.id()) && !HasKeyedState(*found->second))) continue;
      is_keyed = HasKeyedState(*found->second);
      of_vertices[vertex.id()] = found->second->max_parallelism();
    }
  }
  OverrideMaxParallelism(graph, of_vertices);
}

StatusOr<std::vector<std::string>> CheckRestore(const proto::SubmitJobHeader& header,
                                                const proto::CheckpointMetadata& restored) {
  const std::map<std::string, Place> places = OperatorsOf(header);
  Findings findings;
  for (const proto::OperatorSnapshot& op : restored.operators()) {
    const bool has_state = HasState(op);
    const auto place = places.find(op.operator_id());
    if (place == places.end()) {
      if (!has_state) continue;
      findings.left.push_back(
          fmt::format("operator '{}' ({}) has state, but the job has no such operator", op.name(), op.operator_id()));
      continue;
    }
    const proto::Vertex& vertex = *place->second.vertex;
    if (has_state && op.max_parallelism() > 0 && vertex.parallelism() > op.max_parallelism()) {
      findings.differences.push_back(fmt::format(
          "'{}' has parallelism {}, its state can be divided among at most {} (the maximum parallelism that it was "
          "stored with): lower its parallelism",
          op.name(), vertex.parallelism(), op.max_parallelism()));
    } else if (std::string difference = KeyGroupDifference(op, vertex); !difference.empty()) {
      findings.differences.push_back(std::move(difference));
    }
    if (place->second.form != nullptr) OperatorComparison(op, *place->second.form, findings).Compare();
  }
  const bool refuses_left = !findings.left.empty() && !header.allow_non_restored_state();
  if (findings.differences.empty() && !refuses_left) return findings.left;
  return FailedPrecondition("job '{}' cannot go on from {} (of job '{}'):{}{}{}", header.graph().name(),
                            header.restore_from(), restored.job_name(), Lines(findings.differences),
                            refuses_left ? Lines(findings.left) : "",
                            refuses_left ? "\nGive operators their Uid() and states their names back, or drop what is "
                                           "stored for them by --allowNonRestoredState"
                                         : "");
}

}  // namespace eagre
