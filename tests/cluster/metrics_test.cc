// What Prometheus scrapes: Flink's names and labels, from both daemons.
#include <cmath>
#include <sstream>

#include "tests/cluster/cluster_fixture.h"
#include "tests/cluster/tcp_probe.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

using MetricsTest = ClusterTest;

TEST_F(MetricsTest, TheJobManagerShowsTheClusterAndItsJobs) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  const std::string job_id = Submit("endless", {}, {"-D", "pipeline.name=My Job"});
  ASSERT_TRUE(AwaitState(job_id, "RUNNING"));
  const std::string page = HttpGet(job_manager_metrics_port(), "/metrics");
  EXPECT_EQ(SampleValue(page, "flink_jobmanager_numRegisteredTaskManagers{"), 1);
  EXPECT_EQ(SampleValue(page, "flink_jobmanager_numRunningJobs{"), 1);
  EXPECT_EQ(SampleValue(page, "flink_jobmanager_taskSlotsTotal{"), 2);
  EXPECT_EQ(SampleValue(page, "flink_jobmanager_taskSlotsAvailable{"), 1);
  EXPECT_EQ(SampleValue(page, "flink_jobmanager_job_numRestarts{"), 0);
  EXPECT_GE(SampleValue(page, "flink_jobmanager_job_runningTime{"), 0);
  EXPECT_GT(SampleValue(page, "flink_jobmanager_Status_JVM_Memory_Heap_Used{"), 1 << 20);
  EXPECT_GT(SampleValue(page, "flink_jobmanager_Status_JVM_CPU_Time{"), 0);
  EXPECT_THAT(page, AllOf(HasSubstr("job_id=\"" + job_id + "\""), HasSubstr("job_name=\"My_Job\"")))
      << "characters that Flink's reporter filters must be filtered";
  EXPECT_THAT(page, HasSubstr("# TYPE flink_jobmanager_numRunningJobs gauge\n"));
}

TEST_F(MetricsTest, TaskManagersShowTheirWorkersTasksAndOperators) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  const std::string job_id = Submit("endless", {"--rate", "5000"}, {"-p", "2"});
  ASSERT_TRUE(AwaitState(job_id, "RUNNING"));
  std::string page;
  const auto scraped = [&](const char* sample) {
    page = HttpGet(task_manager_metrics_port(0), "/metrics");
    return SampleValue(page, sample);
  };
  ASSERT_TRUE(AwaitTrue([&] { return scraped("flink_taskmanager_job_task_numRecordsOut{") > 0; })) << page;
  EXPECT_TRUE(AwaitTrue([&] { return scraped("flink_taskmanager_job_task_numRecordsIn{") >= 0; })) << page;
  for (const char* name : {"numBytesIn",
                           "numBytesOut",
                           "busyTimeMsPerSecond",
                           "idleTimeMsPerSecond",
                           "backPressuredTimeMsPerSecond",
                           "currentInputWatermark",
                           "buffers_inputQueueLength",
                           "buffers_inPoolUsage",
                           "buffers_outputQueueLength",
                           "buffers_outPoolUsage",
                           "Shuffle_Netty_Input_Buffers_inputQueueLength",
                           "Shuffle_Netty_Input_Buffers_inPoolUsage",
                           "Shuffle_Netty_Output_Buffers_outputQueueLength",
                           "Shuffle_Netty_Output_Buffers_outputQueueSize",
                           "Shuffle_Netty_Output_Buffers_outPoolUsage",
                           "numRecordsInPerSecond",
                           "numBytesInPerSecond",
                           "numBytesOutPerSecond",
                           "accumulateBusyTimeMs",
                           "accumulateIdleTimeMs",
                           "accumulateBackPressuredTimeMs"}) {
    EXPECT_FALSE(std::isnan(SampleValue(page, std::string("flink_taskmanager_job_task_") + name + "{"))) << name << "\n"
                                                                                                         << page;
  }
  EXPECT_FALSE(std::isnan(SampleValue(page, "flink_taskmanager_job_task_operator_numRecordsOut{"))) << page;
  EXPECT_FALSE(std::isnan(SampleValue(page, "flink_taskmanager_job_task_operator_currentInputWatermark{"))) << page;
  EXPECT_TRUE(AwaitTrue([&] { return scraped("flink_taskmanager_job_task_operator_numRecordsOutPerSecond{") > 0; }));
  EXPECT_TRUE(AwaitTrue([&] { return scraped("flink_taskmanager_job_task_numRecordsOutPerSecond{") > 0; }));
  EXPECT_THAT(page, HasSubstr("# HELP flink_taskmanager_job_task_numRecordsOut numRecordsOut (scope: "
                              "taskmanager_job_task)\n"));
  EXPECT_GT(SampleValue(page, "flink_taskmanager_Status_JVM_Memory_Heap_Used{"), 1 << 20);
  for (const char* label : {"host=\"", "tm_id=\"", "job_name=\"endless\"", "task_id=\"", "task_name=\"",
                            "subtask_index=\"1\"", "task_attempt_num=\"0\"", "operator_id=\"", "operator_name=\""}) {
    EXPECT_THAT(page, HasSubstr(label));
  }
  for (const char* scope : {"flink_taskmanager_job_task_", "flink_taskmanager_job_task_operator_"}) {
    EXPECT_THAT(page, ContainsRegex(std::string(scope) + "numRecordsOut[{][^\n]*task_attempt_id=\"" + job_id +
                                    "_[0-9a-f]+_1_0\""))
        << "of subtask 1 in attempt 0";
  }
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
  ASSERT_TRUE(AwaitState(job_id, "CANCELED"));
  EXPECT_TRUE(AwaitTrue([&] {
    page = HttpGet(task_manager_metrics_port(0), "/metrics");
    return page.find("flink_taskmanager_job_task_") == std::string::npos;
  })) << "the metrics of a job that is gone are still shown";
}

// The value of a task's metric.
double TaskValue(const std::string& page, const std::string& name, const std::string& task) {
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("flink_taskmanager_job_task_" + name + "{") &&
        line.find("task_name=\"" + task + "\"") != std::string::npos) {
      return std::stod(line.substr(line.rfind(' ') + 1));
    }
  }
  return std::nan("");
}

TEST_F(MetricsTest, FullQueuesShowWhichTaskHoldsTheJobUp) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1, {"task.cancellation.timeout=200ms"}));
  const std::string job_id = Submit("stuck", {"--at", "100", "--blocking"}, {"-p", "1"});
  ASSERT_TRUE(AwaitState(job_id, "RUNNING"));
  std::string page;
  EXPECT_TRUE(AwaitTrue([&] {
    page = HttpGet(task_manager_metrics_port(0), "/metrics");
    return TaskValue(page, "buffers_outPoolUsage", "Numbers") == 1;
  })) << page;
  EXPECT_EQ(TaskValue(page, "buffers_outputQueueLength", "Numbers"), 8) << "taskmanager.network.queue-batches";
  EXPECT_EQ(TaskValue(page, "buffers_inputQueueLength", "spin"), 8);
  EXPECT_EQ(TaskValue(page, "buffers_inPoolUsage", "spin"), 1);
  EXPECT_EQ(TaskValue(page, "buffers_outputQueueLength", "spin"), 0) << "nothing waits behind it";
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
  ASSERT_TRUE(AwaitState(job_id, "CANCELED"));
}

TEST_F(MetricsTest, AFunctionsOwnMetricsAreShownUnderTheOperatorsScope) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  const std::string job_id = Submit("user_metrics", {}, {"-p", "1"});
  ASSERT_TRUE(AwaitState(job_id, "RUNNING")) << "the job's two slot sharing groups need a slot each";
  std::string page;
  const auto shows = [&](const std::string& sample) {
    page = HttpGet(task_manager_metrics_port(0), "/metrics");
    return SampleValue(page, "flink_taskmanager_job_task_operator_" + sample) > 0;
  };
  for (const char* sample : {"parity_numbers{", "last{", "mapped{", "digits_count{"}) {
    EXPECT_TRUE(AwaitTrue([&] { return shows(sample); })) << sample << "\n" << page;
  }
  EXPECT_THAT(page, ContainsRegex("operator_parity_numbers\\{[^}]*operator_name=\"measured\"[^}]*parity=\"even\""));
  EXPECT_THAT(page, ContainsRegex("operator_digits\\{[^}]*quantile=\"0\\.99\""));
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
}

}  // namespace
}  // namespace eagre
