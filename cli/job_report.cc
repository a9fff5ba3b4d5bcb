#include "cli/job_report.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "cli/text.h"
#include "runtime/accumulator.h"

namespace eagre {
namespace {

constexpr int64_t kNoWatermark = std::numeric_limits<int64_t>::min();
constexpr int64_t kLineIntervalNs = 10'000'000'000;

// Operators that counted something they did not pass on.
int64_t LateDropped(const proto::VertexDetails& vertex) {
  int64_t sum = 0;
  for (const proto::OperatorReport& report : vertex.operators()) sum += report.late_records_dropped();
  return sum;
}

int64_t Skipped(const proto::VertexDetails& vertex) {
  int64_t sum = 0;
  for (const proto::OperatorReport& report : vertex.operators()) sum += report.records_skipped();
  return sum;
}

const proto::Vertex* FindVertex(const proto::JobDetails& job, const std::string& name) {
  for (const proto::Vertex& vertex : job.graph().vertices()) {
    if (vertex.name() == name) return &vertex;
  }
  return nullptr;
}

std::string Percentage(int64_t part, int64_t whole) {
  return whole <= 0 ? "-" : fmt::format("{:.0f}%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string StatusCounts(const proto::VertexDetails& vertex) {
  std::vector<std::pair<std::string, int32_t>> counts(vertex.status_counts().begin(), vertex.status_counts().end());
  std::sort(counts.begin(), counts.end());
  std::string text;
  for (const auto& [status, count] : counts) {
    if (count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, status);
  }
  return text.empty() ? "-" : text;
}

std::string RenderVertices(const proto::JobDetails& job) {
  constexpr size_t kNameColumns = 60;
  TextTable table(
      {"Vertex", "Parallelism", "Status", "Records in", "Records out", "Watermark", "Busy", "Backpressured"});
  for (int v = 0; v < job.vertices_size(); ++v) {
    const proto::VertexDetails& vertex = job.vertices(v);
    const int operators = vertex.operators_size();
    const int64_t in = operators == 0 ? 0 : vertex.operators(0).records_in();
    const int64_t out = operators == 0 ? 0 : vertex.operators(operators - 1).records_out();
    const int64_t time_ms = vertex.busy_ms() + vertex.idle_ms() + vertex.back_pressured_ms();
    table.Add({Shorten(vertex.name(), kNameColumns), fmt::format("{}", vertex.parallelism()), StatusCounts(vertex),
               FormatCount(in), FormatCount(out), FormatWatermark(vertex.watermark_ms()),
               Percentage(vertex.busy_ms(), time_ms), Percentage(vertex.back_pressured_ms(), time_ms)});
  }
  return table.Render();
}

std::string RenderCounters(const JobProgress& progress) {
  std::string text = fmt::format("Records in: {}\n", FormatCount(progress.records_in));
  for (const JobProgress::Sink& sink : progress.sinks) {
    text += fmt::format("Records to '{}': {}\n", sink.name, FormatCount(sink.records));
  }
  if (progress.late_dropped > 0) text += fmt::format("Late records dropped: {}\n", FormatCount(progress.late_dropped));
  if (progress.skipped > 0)
    text += fmt::format("Malformed or poisonous records skipped: {}\n", FormatCount(progress.skipped));
  return text;
}

std::string RenderAccumulators(const proto::JobDetails& job) {
  if (job.accumulators().empty()) return "";
  std::string text = "Accumulators:\n";
  for (const proto::Accumulator& accumulator : job.accumulators()) {
    text += fmt::format("  {}: {}\n", accumulator.name(), AccumulatorText(accumulator));
  }
  return text;
}

std::string RenderCheckpoints(const proto::CheckpointDetails& checkpoints) {
  std::string text = "\nCheckpoints: none are taken\n";
  if (!checkpoints.mode().empty()) {
    text = fmt::format(
        "\nCheckpoints ({}, {}): {} complete, {} failed, {} triggered\n", checkpoints.mode(),
        checkpoints.interval_ms() > 0 ? "every " + FormatDuration(checkpoints.interval_ms()) : "only when asked for",
        checkpoints.completed_count(), checkpoints.failed_count(), checkpoints.triggered());
  }
  if (checkpoints.has_latest()) {
    const proto::CompletedCheckpoint& latest = checkpoints.latest();
    const std::string in_flight = latest.in_flight_bytes() == 0
                                      ? ""
                                      : fmt::format(", {} of them in flight", FormatCount(latest.in_flight_bytes()));
    text += fmt::format("  Last complete: {} of {}, {} bytes ({} written for it{}), took {}\n    {}\n",
                        latest.checkpoint_id(), FormatIsoTime(latest.time_ms()), FormatCount(latest.state_bytes()),
                        FormatCount(latest.written_bytes()), in_flight, FormatDuration(latest.duration_ms()),
                        checkpoints.latest_path());
  }
  if (checkpoints.in_progress_id() != 0) text += fmt::format("  In progress: {}\n", checkpoints.in_progress_id());
  if (checkpoints.latest_failed_id() != 0) {
    text += fmt::format("  Last failure: {} at {}: {}\n", checkpoints.latest_failed_id(),
                        FormatIsoTime(checkpoints.latest_failure_ms()), checkpoints.latest_failure());
  }
  if (!checkpoints.latest_savepoint().empty()) {
    text += fmt::format("  Last savepoint: {}\n", checkpoints.latest_savepoint());
  }
  if (!checkpoints.restored_from().empty()) {
    text += fmt::format("  Restored at {} from {}\n", FormatIsoTime(checkpoints.restored_ms()),
                        checkpoints.restored_from());
  }
  return text;
}

}  // namespace

JobProgress ProgressOf(const proto::JobDetails& job) {
  JobProgress progress;
  progress.watermark_ms = std::numeric_limits<int64_t>::max();
  bool has_watermark = false;
  const int vertices = std::min(job.vertices_size(), job.graph().vertices_size());
  for (int v = 0; v < vertices; ++v) {
    const proto::Vertex& plan = job.graph().vertices(v);
    const proto::VertexDetails& seen = job.vertices(v);
    progress.late_dropped += LateDropped(seen);
    progress.skipped += Skipped(seen);
    for (int o = 0; o < std::min(plan.operators_size(), seen.operators_size()); ++o) {
      if (plan.operators(o).kind() == "source") progress.records_in += seen.operators(o).records_out();
      if (plan.operators(o).kind() == "sink") {
        progress.sinks.push_back({.name = plan.operators(o).name(), .records = seen.operators(o).records_in()});
      }
    }
    if (!plan.source() || vertices == 1) {
      has_watermark = true;
      progress.watermark_ms = std::min(progress.watermark_ms, seen.watermark_ms());
    }
  }
  if (!has_watermark) progress.watermark_ms = kNoWatermark;
  return progress;
}

bool IsTerminalState(const std::string& state) {
  return state == "FINISHED" || state == "FAILED" || state == "CANCELED";
}

std::string RenderFailure(const proto::JobDetails& job, const proto::FailureInfo& failure) {
  std::string place;
  if (!failure.operator_name().empty()) {
    place = fmt::format("in operator '{}'", failure.operator_name());
  } else if (!failure.vertex().empty()) {
    place = fmt::format("in '{}'", failure.vertex());
  }
  if (failure.subtask() >= 0 && !failure.vertex().empty()) {
    const proto::Vertex* vertex = FindVertex(job, failure.vertex());
    place += vertex == nullptr ? fmt::format(", subtask {}", failure.subtask() + 1)
                               : fmt::format(" ({}/{})", failure.subtask() + 1, vertex->parallelism());
  }
  if (!failure.host().empty()) place += fmt::format("{}on host {}", place.empty() ? "" : " ", failure.host());
  if (!failure.task_manager_id().empty()) {
    place += fmt::format("{}TaskManager {}", place.empty() ? "on " : ", ", failure.task_manager_id());
  }
  std::string text = fmt::format("  at {}{}{}\n", FormatIsoTime(failure.time_ms()), place.empty() ? "" : ", ", place);
  const auto append_lines = [&text](std::string_view lines) {
    while (!lines.empty()) {
      const size_t end = lines.find('\n');
      text += fmt::format("    {}\n", lines.substr(0, end));
      lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    }
  };
  append_lines(failure.message());
  append_lines(failure.stack());
  return text;
}

std::string RenderJobInfo(const proto::JobDetails& job, int64_t now_ms) {
  const proto::JobSummary& summary = job.summary();
  const bool ended = summary.end_time_ms() != 0;
  std::string text =
      fmt::format("Job:       {}\nJob ID:    {}\nState:     {}\n", summary.name(), summary.job_id(), summary.state());
  if (!job.waiting_for().empty()) text += fmt::format("Waiting:   for {}\n", job.waiting_for());
  text += fmt::format("Started:   {}\n", FormatIsoTime(summary.start_time_ms()));
  if (ended) text += fmt::format("Ended:     {}\n", FormatIsoTime(summary.end_time_ms()));
  text += fmt::format("Duration:  {}\n",
                      FormatDuration((ended ? summary.end_time_ms() : now_ms) - summary.start_time_ms()));
  text += fmt::format("Restarts:  {}\n", summary.restarts());
  if (job.task_managers_size() > 0) {
    text += "Runs on:\n";
    for (const std::string& task_manager : job.task_managers()) text += fmt::format("  {}\n", task_manager);
  }
  if (job.vertices_size() > 0) text += fmt::format("\n{}", RenderVertices(job));
  text += fmt::format("\n{}", RenderCounters(ProgressOf(job)) + RenderAccumulators(job));
  if (job.has_checkpoints()) text += RenderCheckpoints(job.checkpoints());
  for (int f = 0; f < job.failures_size(); ++f) {
    const bool root_cause = f == 0 && summary.state() == "FAILED";
    text += root_cause                                          ? "\nRoot cause:\n"
            : f == 0 || (f == 1 && summary.state() == "FAILED") ? "\nEarlier failures:\n"
                                                                : "";
    text += RenderFailure(job, job.failures(f));
  }
  return text;
}

std::string RenderJobResult(const proto::JobDetails& job) {
  const proto::JobSummary& summary = job.summary();
  std::string text;
  if (summary.state() == "FINISHED") {
    text = fmt::format("Program execution finished\nJob with JobID {} has finished.\n", summary.job_id());
  } else if (summary.state() == "CANCELED") {
    text = fmt::format("Job with JobID {} was cancelled.\n", summary.job_id());
  } else {
    text = fmt::format("Job with JobID {} has failed.\n", summary.job_id());
  }
  text += fmt::format("Job Runtime: {} ms\n", std::max<int64_t>(0, summary.end_time_ms() - summary.start_time_ms()));
  text += RenderCounters(ProgressOf(job)) + RenderAccumulators(job);
  if (summary.restarts() > 0) text += fmt::format("Restarts: {}\n", summary.restarts());
  if (summary.state() == "FAILED" && job.failures_size() > 0) {
    text += "Root cause:\n" + RenderFailure(job, job.failures(0));
  }
  return text;
}

bool PrintsToTerminal(const proto::JobGraph& graph, bool output_is_terminal) {
  for (const proto::Vertex& vertex : graph.vertices()) {
    for (const proto::OperatorNode& node : vertex.operators()) {
      if (node.prints_to() == proto::STANDARD_ERROR) return true;
      if (node.prints_to() == proto::STANDARD_OUTPUT && output_is_terminal) return true;
    }
  }
  return false;
}

ProgressReporter::ProgressReporter(std::FILE* out, int columns, const Clock& clock)
    : out_(out), columns_(columns), clock_(clock) {}

std::string ProgressReporter::Line(const proto::JobDetails& job, const JobProgress& progress, int64_t now_ns) {
  if (last_at_ns_ != 0 && now_ns > last_at_ns_) {
    // After a restart the counters begin again, which is no negative speed.
    const int64_t delta = std::max<int64_t>(0, progress.records_in - last_records_in_);
    records_per_second_ = static_cast<double>(delta) * 1e9 / static_cast<double>(now_ns - last_at_ns_);
  }
  last_at_ns_ = now_ns;
  last_records_in_ = progress.records_in;
  std::string line = job.summary().state();
  if (!job.waiting_for().empty()) return line + fmt::format(", waiting for {}", job.waiting_for());
  line += fmt::format(" | {} records in, {}/s | watermark {}", FormatCount(progress.records_in),
                      FormatCount(static_cast<int64_t>(records_per_second_)), FormatWatermark(progress.watermark_ms));
  for (const JobProgress::Sink& sink : progress.sinks)
    line += fmt::format(" | {} {}", sink.name, FormatCount(sink.records));
  if (job.summary().restarts() > 0) line += fmt::format(" | {} restarts", job.summary().restarts());
  return line;
}

void ProgressReporter::Update(const proto::JobDetails& job) {
  if (IsTerminalState(job.summary().state())) return;  // the result tells
  const int64_t now_ns = clock_.MonotonicNs();
  const std::string state = job.summary().state() + job.waiting_for();
  if (columns_ == 0 && state == shown_state_ && now_ns - shown_at_ns_ < kLineIntervalNs) return;
  shown_state_ = state;
  shown_at_ns_ = now_ns;
  const std::string line = Line(job, ProgressOf(job), now_ns);
  if (columns_ == 0) {
    fmt::print(out_, "{}\n", line);
  } else {
    fmt::print(out_, "\r{}\x1b[K", Shorten(line, static_cast<size_t>(columns_ - 1)));
    line_open_ = true;
  }
  std::fflush(out_);
}

void ProgressReporter::Finish() {
  if (!line_open_) return;
  fmt::print(out_, "\r\x1b[K");
  std::fflush(out_);
  line_open_ = false;
}

}  // namespace eagre
