#include "jobmanager/job_progress.h"

#include <algorithm>
#include <limits>

#include "runtime/accumulator.h"

namespace eagre {
namespace {

bool HasEnded(const proto::SubtaskReport& subtask) {
  return subtask.status() == "FINISHED" || subtask.status() == "FAILED" || subtask.status() == "CANCELED";
}

void AddOperators(const proto::SubtaskReport& subtask, proto::VertexDetails& details) {
  const int operators = std::min(subtask.operators_size(), details.operators_size());
  for (int i = 0; i < operators; ++i) {
    const proto::OperatorReport& from = subtask.operators(i);
    proto::OperatorReport& to = *details.mutable_operators(i);
    to.set_records_in(to.records_in() + from.records_in());
    to.set_records_out(to.records_out() + from.records_out());
    to.set_late_records_dropped(to.late_records_dropped() + from.late_records_dropped());
    to.set_records_skipped(to.records_skipped() + from.records_skipped());
  }
}

}  // namespace

JobProgress::JobProgress(const proto::JobGraph& graph) : graph_(graph) {
  Reset();
}

void JobProgress::Reset() {
  subtasks_.assign(graph_.vertices_size(), {});
  for (int v = 0; v < graph_.vertices_size(); ++v) {
    proto::SubtaskReport empty;
    empty.set_vertex(v);
    empty.set_status("CREATED");
    empty.set_watermark_ms(std::numeric_limits<int64_t>::min());
    subtasks_[v].assign(graph_.vertices(v).parallelism(), empty);
  }
}

void JobProgress::Update(const proto::WorkerReport& report) {
  for (const proto::SubtaskReport& subtask : report.subtasks()) {
    const auto vertex = static_cast<size_t>(subtask.vertex());
    const auto index = static_cast<size_t>(subtask.subtask());
    if (vertex < subtasks_.size() && index < subtasks_[vertex].size()) subtasks_[vertex][index] = subtask;
  }
}

void JobProgress::SetStatus(const std::vector<int32_t>& job_slots, std::string_view status) {
  for (int v = 0; v < graph_.vertices_size(); ++v) {
    for (const int32_t slot : job_slots) {
      const auto subtask = static_cast<size_t>(slot - graph_.vertices(v).slot_offset());  // wraps when there is none
      if (subtask < subtasks_[v].size() && !HasEnded(subtasks_[v][subtask])) {
        subtasks_[v][subtask].set_status(std::string(status));
      }
    }
  }
}

void JobProgress::MarkFailed(std::string_view vertex, int32_t subtask) {
  for (int v = 0; v < graph_.vertices_size(); ++v) {
    if (graph_.vertices(v).name() == vertex && subtask >= 0 && static_cast<size_t>(subtask) < subtasks_[v].size()) {
      subtasks_[v][subtask].set_status("FAILED");
    }
  }
}

bool JobProgress::AnyCommitting() const {
  return std::any_of(subtasks_.begin(), subtasks_.end(), [](const std::vector<proto::SubtaskReport>& vertex) {
    return std::any_of(vertex.begin(), vertex.end(), [](const auto& subtask) { return subtask.committing(); });
  });
}

void JobProgress::Fill(proto::JobDetails& details) const {
  std::vector<proto::Accumulator> accumulators;
  for (int v = 0; v < graph_.vertices_size(); ++v) {
    proto::VertexDetails& vertex = *details.add_vertices();
    vertex.set_name(graph_.vertices(v).name());
    vertex.set_parallelism(graph_.vertices(v).parallelism());
    for (int i = 0; i < graph_.vertices(v).operators_size(); ++i) vertex.add_operators();
    int64_t watermark_ms = std::numeric_limits<int64_t>::max();
    for (const proto::SubtaskReport& subtask : subtasks_[v]) {
      ++(*vertex.mutable_status_counts())[subtask.status()];
      AddOperators(subtask, vertex);
      watermark_ms = std::min(watermark_ms, subtask.watermark_ms());
      vertex.set_busy_ms(vertex.busy_ms() + subtask.busy_ms());
      vertex.set_idle_ms(vertex.idle_ms() + subtask.idle_ms());
      vertex.set_back_pressured_ms(vertex.back_pressured_ms() + subtask.back_pressured_ms());
      for (const proto::Accumulator& accumulator : subtask.accumulators()) MergeAccumulator(accumulator, accumulators);
    }
    vertex.set_watermark_ms(watermark_ms);
  }
  std::sort(accumulators.begin(), accumulators.end(), [](const auto& a, const auto& b) { return a.name() < b.name(); });
  details.mutable_accumulators()->Assign(accumulators.begin(), accumulators.end());
}

}  // namespace eagre
