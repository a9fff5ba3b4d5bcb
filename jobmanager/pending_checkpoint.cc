#include "jobmanager/pending_checkpoint.h"

#include <fmt/format.h>

#include <string_view>

namespace eagre {
namespace {

constexpr std::string_view kSourceKind = "source";
constexpr std::string_view kSharedPrefix = "shared/";

// A checkpoint refers only to files of its own job, which the JobManager may delete.
Status CheckFiles(const proto::SubtaskSnapshot& snapshot) {
  for (const proto::StateSnapshot& state : snapshot.states()) {
    for (const proto::StateSegment& segment : state.segments()) {
      const std::string_view file = segment.file();
      if (!file.starts_with(kSharedPrefix) || file.find('/', kSharedPrefix.size()) != std::string_view::npos) {
        return InvalidArgument("state '{}' refers to the file '{}', which is not in the job's folder shared/",
                               state.name(), file);
      }
    }
  }
  return OkStatus();
}

}  // namespace

PendingCheckpoint::PendingCheckpoint(const proto::JobGraph& graph, int64_t checkpoint_id, int64_t time_ms)
    : graph_(graph), id_(checkpoint_id), time_ms_(time_ms) {
  for (int v = 0; v < graph.vertices_size(); ++v) {
    const proto::Vertex& vertex = graph.vertices(v);
    first_operator_.push_back(operators_.size());
    for (int subtask = 0; subtask < vertex.parallelism(); ++subtask) missing_subtasks_.emplace(v, subtask);
    for (const proto::OperatorNode& node : vertex.operators()) {
      proto::OperatorSnapshot& snapshot = operators_.emplace_back();
      snapshot.set_operator_id(node.id());
      snapshot.set_name(node.name());
      snapshot.set_parallelism(vertex.parallelism());
      snapshot.set_max_parallelism(vertex.max_parallelism());
      for (int subtask = 0; subtask < vertex.parallelism(); ++subtask) snapshot.add_subtasks()->set_subtask(subtask);
      if (node.kind() == kSourceKind) missing_coordinators_.insert(node.id());
    }
  }
}

proto::OperatorSnapshot* PendingCheckpoint::Find(int vertex, const std::string& operator_id) {
  const size_t end =
      vertex + 1 < graph_.vertices_size() ? first_operator_[static_cast<size_t>(vertex) + 1] : operators_.size();
  for (size_t i = first_operator_[static_cast<size_t>(vertex)]; i < end; ++i) {
    if (operators_[i].operator_id() == operator_id) return &operators_[i];
  }
  return nullptr;
}

Status PendingCheckpoint::Add(const proto::CheckpointReport& report) {
  const int vertex = report.vertex();
  if (vertex < 0 || vertex >= graph_.vertices_size()) return InvalidArgument("the job has no vertex {}", vertex);
  return report.kind() == proto::CheckpointReport::COORDINATOR ? AddCoordinator(report) : AddSubtask(report);
}

Status PendingCheckpoint::AddSubtask(const proto::CheckpointReport& report) {
  const proto::Vertex& vertex = graph_.vertices(report.vertex());
  if (report.subtask() < 0 || report.subtask() >= vertex.parallelism()) {
    return InvalidArgument("'{}' has no subtask {}", vertex.name(), report.subtask());
  }
  for (const proto::SubtaskOperatorSnapshot& op : report.operators()) {
    if (Find(report.vertex(), op.operator_id()) == nullptr) {
      return InvalidArgument("'{}' has no operator {}", vertex.name(), op.operator_id());
    }
    EAGRE_RETURN_IF_ERROR(CheckFiles(op.snapshot()));
  }
  if (missing_subtasks_.erase({report.vertex(), report.subtask()}) == 0) return OkStatus();
  for (const proto::SubtaskOperatorSnapshot& op : report.operators()) {
    proto::SubtaskSnapshot& subtask = *Find(report.vertex(), op.operator_id())->mutable_subtasks(report.subtask());
    subtask = op.snapshot();
    subtask.set_subtask(report.subtask());
  }
  state_bytes_ += report.state_bytes();
  written_bytes_ += report.written_bytes();
  in_flight_bytes_ += report.in_flight_bytes();
  return OkStatus();
}

void PendingCheckpoint::MarkFinished(int vertex, int subtask) {
  if (missing_subtasks_.erase({vertex, subtask}) == 0) return;
  for (const proto::OperatorNode& node : graph_.vertices(vertex).operators()) {
    Find(vertex, node.id())->mutable_subtasks(subtask)->set_finished(true);
  }
}

Status PendingCheckpoint::AddCoordinator(const proto::CheckpointReport& report) {
  for (const proto::SubtaskOperatorSnapshot& op : report.operators()) {
    proto::OperatorSnapshot* snapshot = Find(report.vertex(), op.operator_id());
    if (snapshot == nullptr) {
      return InvalidArgument("'{}' has no operator {}", graph_.vertices(report.vertex()).name(), op.operator_id());
    }
    if (snapshot->has_coordinator()) continue;
    snapshot->set_coordinator(op.coordinator());
    snapshot->set_has_coordinator(true);
    missing_coordinators_.erase(op.operator_id());
  }
  return OkStatus();
}

std::string PendingCheckpoint::DescribeMissing() const {
  if (missing_subtasks_.empty()) {
    return fmt::format("{} coordinators of sources have not acknowledged", missing_coordinators_.size());
  }
  int subtasks = 0;
  for (const proto::Vertex& vertex : graph_.vertices()) subtasks += vertex.parallelism();
  const auto [vertex, subtask] = *missing_subtasks_.begin();
  return fmt::format("{} of {} subtasks have not acknowledged, the first is '{}' ({}/{})", missing_subtasks_.size(),
                     subtasks, graph_.vertices(vertex).name(), subtask + 1, graph_.vertices(vertex).parallelism());
}

}  // namespace eagre
