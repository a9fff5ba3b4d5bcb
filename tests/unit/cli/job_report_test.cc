#include "cli/job_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <string>

namespace eagre {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SteppedClock final : public Clock {
 public:
  int64_t NowMs() const override { return now_ns / 1'000'000; }
  int64_t MonotonicNs() const override { return now_ns; }
  int64_t now_ns = 1'000'000'000;
};

// A source and a chain "count -> out" behind it.
proto::JobDetails SampleJob(const std::string& state) {
  proto::JobDetails job;
  job.mutable_summary()->set_job_id("0123456789abcdef0123456789abcdef");
  job.mutable_summary()->set_name("spend");
  job.mutable_summary()->set_state(state);
  job.mutable_summary()->set_start_time_ms(1'000);
  proto::Vertex* source = job.mutable_graph()->add_vertices();
  source->set_name("Source: payments");
  source->set_parallelism(1);
  source->set_source(true);
  source->add_operators()->set_kind("source");
  proto::Vertex* chain = job.mutable_graph()->add_vertices();
  chain->set_name("count -> out");
  chain->set_parallelism(4);
  chain->add_operators()->set_kind("window");
  proto::OperatorNode* sink = chain->add_operators();
  sink->set_kind("sink");
  sink->set_name("out");
  proto::VertexDetails* source_details = job.add_vertices();
  source_details->set_name(source->name());
  source_details->set_parallelism(1);
  source_details->set_watermark_ms(std::numeric_limits<int64_t>::min());
  source_details->add_operators()->set_records_out(12'000);
  proto::VertexDetails* chain_details = job.add_vertices();
  chain_details->set_name(chain->name());
  chain_details->set_parallelism(4);
  chain_details->set_watermark_ms(60'000);
  chain_details->set_busy_ms(30);
  chain_details->set_idle_ms(70);
  (*chain_details->mutable_status_counts())["RUNNING"] = 4;
  proto::OperatorReport* count = chain_details->add_operators();
  count->set_records_in(12'000);
  count->set_late_records_dropped(3);
  chain_details->add_operators()->set_records_in(40);
  return job;
}

void Fail(proto::JobDetails& job) {
  job.mutable_summary()->set_state("FAILED");
  job.mutable_summary()->set_end_time_ms(3'500);
  proto::FailureInfo* failure = job.add_failures();
  failure->set_message("worker died of SIGSEGV\naddress 0x0");
  failure->set_vertex("count -> out");
  failure->set_operator_name("count");
  failure->set_subtask(1);
  failure->set_host("node-7");
  failure->set_task_manager_id("tm1");
  failure->set_stack("#0 Count\n#1 Step\n");
  failure->set_time_ms(3'400);
}

// What a reporter wrote to its stream.
template <typename Action>
std::string Written(int columns, const Clock& clock, Action action) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* out = open_memstream(&text, &size);
  {
    ProgressReporter reporter(out, columns, clock);
    action(reporter);
  }
  std::fclose(out);
  std::string result(text, size);
  std::free(text);
  return result;
}

TEST(JobReportTest, ProgressCountsSourcesOutAndSinksIn) {
  const JobProgress progress = ProgressOf(SampleJob("RUNNING"));
  EXPECT_EQ(progress.records_in, 12'000);
  EXPECT_EQ(progress.watermark_ms, 60'000);
  EXPECT_EQ(progress.late_dropped, 3);
  ASSERT_EQ(progress.sinks.size(), 1u);
  EXPECT_EQ(progress.sinks[0].name, "out");
  EXPECT_EQ(progress.sinks[0].records, 40);
}

TEST(JobReportTest, InfoShowsWhatARunningJobDoes) {
  const std::string text = RenderJobInfo(SampleJob("RUNNING"), 6'000);
  EXPECT_THAT(text, HasSubstr("State:     RUNNING\n"));
  EXPECT_THAT(text, HasSubstr("Duration:  5.0 s\n"));
  EXPECT_THAT(text, HasSubstr("4 RUNNING"));
  EXPECT_THAT(text, HasSubstr("30%"));
  EXPECT_THAT(text, HasSubstr("1970-01-01T00:01:00.000Z"));
  EXPECT_THAT(text, Not(HasSubstr("Root cause")));
}

TEST(JobReportTest, InfoSaysWhatAJobWaitsFor) {
  proto::JobDetails job = SampleJob("CREATED");
  job.set_waiting_for("4 slots; 2 of 2 registered are in use");
  EXPECT_THAT(RenderJobInfo(job, 6'000), HasSubstr("Waiting:   for 4 slots; 2 of 2 registered are in use\n"));
}

TEST(JobReportTest, RootCauseNamesOperatorSubtaskHostMessageAndStack) {
  proto::JobDetails job = SampleJob("RUNNING");
  Fail(job);
  EXPECT_THAT(RenderJobInfo(job, 6'000),
              HasSubstr("Root cause:\n"
                        "  at 1970-01-01T00:00:03.400Z, in operator 'count' (2/4) on host node-7, TaskManager tm1\n"
                        "    worker died of SIGSEGV\n"
                        "    address 0x0\n"
                        "    #0 Count\n"
                        "    #1 Step\n"));
}

TEST(JobReportTest, ResultsUseFlinksWords) {
  proto::JobDetails job = SampleJob("FINISHED");
  job.mutable_summary()->set_end_time_ms(3'500);
  const std::string finished = RenderJobResult(job);
  EXPECT_THAT(finished, HasSubstr("Program execution finished\n"
                                  "Job with JobID 0123456789abcdef0123456789abcdef has finished.\n"
                                  "Job Runtime: 2500 ms\n"));
  EXPECT_THAT(finished, HasSubstr("Records in: 12,000\n"));
  EXPECT_THAT(finished, HasSubstr("Records to 'out': 40\n"));
  Fail(job);
  EXPECT_THAT(RenderJobResult(job), HasSubstr("has failed.\n"));
  EXPECT_THAT(RenderJobResult(job), HasSubstr("Root cause:\n"));
}

TEST(ProgressReporterTest, OnlyWhatPrintsToItsTerminalIsInTheWay) {
  proto::JobDetails job = SampleJob("RUNNING");
  proto::OperatorNode& sink = *job.mutable_graph()->mutable_vertices(1)->mutable_operators(1);
  sink.set_name("Print");  // a name says nothing
  EXPECT_FALSE(PrintsToTerminal(job.graph(), /*output_is_terminal=*/true));
  sink.set_prints_to(proto::STANDARD_OUTPUT);
  EXPECT_TRUE(PrintsToTerminal(job.graph(), /*output_is_terminal=*/true));
  EXPECT_FALSE(PrintsToTerminal(job.graph(), /*output_is_terminal=*/false))
      << "a file, while progress has the terminal";
  sink.set_prints_to(proto::STANDARD_ERROR);
  EXPECT_TRUE(PrintsToTerminal(job.graph(), /*output_is_terminal=*/false));
}

TEST(ProgressReporterTest, ATerminalGetsOneRewrittenLineThatIsTakenAwayAtTheEnd) {
  SteppedClock clock;
  const std::string text = Written(200, clock, [&](ProgressReporter& reporter) {
    proto::JobDetails job = SampleJob("RUNNING");
    reporter.Update(job);
    clock.now_ns += 500'000'000;
    job.mutable_vertices(0)->mutable_operators(0)->set_records_out(22'000);
    reporter.Update(job);
    reporter.Finish();
  });
  EXPECT_THAT(text, HasSubstr("\rRUNNING | 22,000 records in, 20,000/s | watermark 1970-01-01T00:01:00.000Z | out 40"));
  EXPECT_THAT(text, Not(HasSubstr("\n")));
  EXPECT_TRUE(text.ends_with("\r\x1b[K"));
}

TEST(ProgressReporterTest, ElsewhereALineComesWithAStateAndThenEveryTenSeconds) {
  SteppedClock clock;
  const std::string text = Written(0, clock, [&](ProgressReporter& reporter) {
    reporter.Update(SampleJob("CREATED"));
    for (int i = 0; i < 24; ++i) {
      reporter.Update(SampleJob("RUNNING"));
      clock.now_ns += 500'000'000;
    }
    reporter.Finish();
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);  // CREATED, RUNNING, RUNNING after ten seconds
  EXPECT_THAT(text, Not(HasSubstr("\r")));
}

TEST(ProgressReporterTest, ARestartIsNoNegativeSpeed) {
  SteppedClock clock;
  const std::string text = Written(200, clock, [&](ProgressReporter& reporter) {
    proto::JobDetails job = SampleJob("RUNNING");
    reporter.Update(job);
    clock.now_ns += 500'000'000;
    job.mutable_vertices(0)->mutable_operators(0)->set_records_out(10);
    job.mutable_summary()->set_restarts(1);
    reporter.Update(job);
  });
  EXPECT_THAT(text, HasSubstr("10 records in, 0/s"));
  EXPECT_THAT(text, HasSubstr("1 restarts"));
}

}  // namespace
}  // namespace eagre
