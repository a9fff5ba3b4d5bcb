#include "cli/prometheus_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cluster/tcp_probe.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

std::vector<MetricSample> SampleMetrics() {
  const auto task = [](const char* subtask) { return MetricLabels{{"host", "h"}, {"subtask_index", subtask}}; };
  return {
      {.name = "flink_taskmanager_job_task_numRecordsIn",
       .labels = task("0"),
       .help = "numRecordsIn (scope: taskmanager_job_task)",
       .kind = MetricKind::kCounter,
       .value = 7},
      {.name = "flink_taskmanager_Status_JVM_Threads_Count", .labels = {{"host", "h"}}, .help = "", .value = 3},
      {.name = "flink_taskmanager_job_task_numRecordsIn",
       .labels = task("1"),
       .help = "numRecordsIn (scope: taskmanager_job_task)",
       .kind = MetricKind::kCounter,
       .value = 9},
  };
}

TEST(PrometheusEndpointTest, ScrapesShowOneFamilyPerNameAllAsGauges) {
  auto endpoint = PrometheusEndpoint::Listen("localhost", {.first = 0, .last = 0}, SampleMetrics);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const std::string text = HttpGet((*endpoint)->port(), "/metrics");
  EXPECT_THAT(text,
              HasSubstr("# HELP flink_taskmanager_job_task_numRecordsIn numRecordsIn (scope: taskmanager_job_task)\n"
                        "# TYPE flink_taskmanager_job_task_numRecordsIn gauge\n"
                        "flink_taskmanager_job_task_numRecordsIn{host=\"h\",subtask_index=\"0\"} 7\n"
                        "flink_taskmanager_job_task_numRecordsIn{host=\"h\",subtask_index=\"1\"} 9\n"));
  EXPECT_THAT(text, HasSubstr("flink_taskmanager_Status_JVM_Threads_Count{host=\"h\"} 3\n"));
}

TEST(PrometheusEndpointTest, AHistogramIsOneSummaryPerSetOfLabels) {
  MetricRegistry registry;
  for (const char* subtask : {"0", "1"}) {
    Histogram& amounts = registry.AddHistogram("op_amount", {{"subtask_index", subtask}});
    for (int i = 1; i <= 3; ++i) amounts.Update(i * (*subtask == '0' ? 1 : 10));
  }
  registry.UpdateViews(1);
  auto endpoint = PrometheusEndpoint::Listen("localhost", {.first = 0, .last = 0}, [&] {
    std::vector<MetricSample> samples = registry.Collect();
    // A broken worker's.
    samples.push_back({.name = "op_other", .labels = {{"quantile", "many"}}, .kind = MetricKind::kSummaryQuantile});
    return samples;
  });
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const std::string text = HttpGet((*endpoint)->port(), "/metrics");
  EXPECT_THAT(text, HasSubstr("# TYPE op_amount summary\n"
                              "op_amount_count{subtask_index=\"0\"} 3\n"
                              "op_amount_sum{subtask_index=\"0\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("op_amount{subtask_index=\"0\",quantile=\"0.5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("op_amount_sum{subtask_index=\"1\"} 60\n"));
  EXPECT_THAT(text, HasSubstr("op_amount{subtask_index=\"1\",quantile=\"0.5\"} 20\n"));
  EXPECT_EQ(text.find("op_other"), std::string::npos);
}

TEST(PrometheusEndpointTest, ASecondDaemonTakesTheNextPortOfTheRange) {
  auto first = PrometheusEndpoint::Listen("localhost", {.first = 0, .last = 0}, SampleMetrics);
  ASSERT_TRUE(first.ok()) << first.status();
  const int taken = (*first)->port();
  auto refused = PrometheusEndpoint::Listen("localhost", {.first = taken, .last = taken}, SampleMetrics);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(StatusMessage(refused.status())), HasSubstr("metrics.reporter.prom.port"));
  auto second = PrometheusEndpoint::Listen("localhost", {.first = taken, .last = taken + 20}, SampleMetrics);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_GT((*second)->port(), taken);
}

}  // namespace
}  // namespace eagre
