#include "cli/job_list.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace eagre {
namespace {

class JobListTest : public ::testing::Test {
 protected:
  JobListTest() {
    setenv("TZ", "UTC", 1);
    tzset();
  }
  void Add(const std::string& id, const std::string& name, const std::string& state, int64_t start_time_ms) {
    proto::JobSummary* job = reply_.add_jobs();
    job->set_job_id(id);
    job->set_name(name);
    job->set_state(state);
    job->set_start_time_ms(start_time_ms);
  }
  proto::ListJobsReply reply_;
};

TEST_F(JobListTest, SaysWhenThereIsNothing) {
  EXPECT_EQ(RenderJobList(reply_, {.running = true, .scheduled = true}), "No running jobs.\nNo scheduled jobs.\n");
  EXPECT_EQ(RenderJobList(reply_, {.running = true}), "No running jobs.\n");
}

TEST_F(JobListTest, RowsAndHeadersAreFlinks) {
  Add("b2", "later", "RESTARTING", 1'764'019'800'000);
  Add("a1", "spend per user", "RUNNING", 1'764'019'773'000);
  Add("c3", "waits", "CREATED", 1'764'019'900'000);
  Add("d4", "old", "FINISHED", 1'764'000'000'000);
  EXPECT_EQ(RenderJobList(reply_, {.running = true, .scheduled = true, .ended = true}),
            "------------------ Running/Restarting Jobs -------------------\n"
            "24.11.2025 21:29:33 : a1 : spend per user (RUNNING)\n"
            "24.11.2025 21:30:00 : b2 : later (RESTARTING)\n"
            "--------------------------------------------------------------\n"
            "----------------------- Scheduled/Initializing Jobs -----------------------\n"
            "24.11.2025 21:31:40 : c3 : waits (CREATED)\n"
            "--------------------------------------------------------------\n"
            "---------------------- Terminated Jobs -----------------------\n"
            "24.11.2025 16:00:00 : d4 : old (FINISHED)\n"
            "--------------------------------------------------------------\n");
}

TEST_F(JobListTest, EndedJobsAreShownOnlyWhenAskedFor) {
  Add("d4", "old", "FAILED", 1'764'000'000'000);
  EXPECT_EQ(RenderJobList(reply_, {.running = true, .scheduled = true}), "No running jobs.\nNo scheduled jobs.\n");
}

}  // namespace
}  // namespace eagre
