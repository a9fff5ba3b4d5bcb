// What the command line says about one job: its details as text, its result, and the line of progress of an attached
// run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "base/clock.h"
#include "proto/client.pb.h"

namespace eagre {

// The figures that a user watches, taken from one snapshot of a job.
struct JobProgress {
  struct Sink {
    std::string name;
    int64_t records = 0;
  };
  int64_t records_in = 0;    // emitted by all sources
  int64_t watermark_ms = 0;  // the lowest of the vertices that have inputs; INT64_MIN when none has come
  int64_t late_dropped = 0;
  int64_t skipped = 0;
  std::vector<Sink> sinks;  // in the graph's order
};
JobProgress ProgressOf(const proto::JobDetails& job);

// FINISHED, FAILED, CANCELED: the job does not change any more.
bool IsTerminalState(const std::string& state);

// Everything about a job: state, times, a table of vertices, failures. `eagre info`.
std::string RenderJobInfo(const proto::JobDetails& job, int64_t now_ms);

// One failure with its place, message and stack, indented. Ends with a newline.
std::string RenderFailure(const proto::JobDetails& job, const proto::FailureInfo& failure);

// The last words of an attached run, in Flink's form, with counters and, when it failed, the root cause.
std::string RenderJobResult(const proto::JobDetails& job);

// Whether a sink of a job that runs in this process prints to the terminal of standard error, where it would tear a
// line that is rewritten: it prints there, or to standard output where that is the terminal too.
bool PrintsToTerminal(const proto::JobGraph& graph, bool output_is_terminal);

// Shows the progress of an attached run on `out`: on a terminal one line that is rewritten, elsewhere a line when the
// state changes and then every ten seconds. One thread at a time.
class ProgressReporter {
 public:
  // `columns`: width of the terminal, 0 when `out` is none. `out` and `clock` outlive the reporter.
  ProgressReporter(std::FILE* out, int columns, const Clock& clock);
  void Update(const proto::JobDetails& job);
  // Takes the rewritten line away, so that what follows starts on a clean one.
  void Finish();

 private:
  std::string Line(const proto::JobDetails& job, const JobProgress& progress, int64_t now_ns);

  std::FILE* const out_;
  const int columns_;
  const Clock& clock_;
  std::string shown_state_;
  int64_t shown_at_ns_ = 0;
  int64_t last_records_in_ = 0;
  int64_t last_at_ns_ = 0;
  double records_per_second_ = 0;
  bool line_open_ = false;
};

}  // namespace eagre
