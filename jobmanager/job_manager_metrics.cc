#include "jobmanager/job_manager_metrics.h"

#include <fmt/format.h>

#include <string_view>

#include "jobmanager/job_execution.h"
#include "jobmanager/task_manager_registry.h"

namespace eagre {
namespace {

constexpr size_t kClusterMetricBytes = 8 << 10;
// A job's name is in each of its labels; what is not used costs no memory.
constexpr size_t kJobMetricBytes = 1 << 20;

Gauge& AddClusterGauge(MetricRegistry& registry, std::string_view name, const std::string& host) {
  return registry.AddGauge(fmt::format("flink_jobmanager_{}", name), {{"host", host}});
}

Gauge& AddJobGauge(MetricRegistry& registry, std::string_view name, const MetricLabels& labels) {
  return registry.AddGauge(fmt::format("flink_jobmanager_job_{}", name), labels);
}

}  // namespace

ClusterMetrics::ClusterMetrics(const std::string& host)
    : registry_(kClusterMetricBytes),
      task_managers_(AddClusterGauge(registry_, "numRegisteredTaskManagers", host)),
      running_jobs_(AddClusterGauge(registry_, "numRunningJobs", host)),
      slots_available_(AddClusterGauge(registry_, "taskSlotsAvailable", host)),
      slots_total_(AddClusterGauge(registry_, "taskSlotsTotal", host)) {}

void ClusterMetrics::Update(const TaskManagerRegistry& task_managers, int running_jobs) {
  task_managers_.Set(task_managers.count());
  running_jobs_.Set(running_jobs);
  slots_available_.Set(task_managers.slots_free());
  slots_total_.Set(task_managers.slots_total());
}

JobMetrics::JobMetrics(const MetricLabels& labels)
    : registry_(kJobMetricBytes),
      restarts_(AddJobGauge(registry_, "numRestarts", labels)),
      uptime_(AddJobGauge(registry_, "uptime", labels)),
      downtime_(AddJobGauge(registry_, "downtime", labels)),
      created_time_(AddJobGauge(registry_, "createdTime", labels)),
      running_time_(AddJobGauge(registry_, "runningTime", labels)),
      restarting_time_(AddJobGauge(registry_, "restartingTime", labels)),
      failing_time_(AddJobGauge(registry_, "failingTime", labels)),
      cancelling_time_(AddJobGauge(registry_, "cancellingTime", labels)),
      last_checkpoint_id_(AddJobGauge(registry_, "lastCompletedCheckpointId", labels)),
      last_checkpoint_duration_(AddJobGauge(registry_, "lastCheckpointDuration", labels)),
      last_checkpoint_size_(AddJobGauge(registry_, "lastCheckpointSize", labels)),
      last_checkpoint_in_flight_(AddJobGauge(registry_, "lastCheckpointPersistedData", labels)),
      last_checkpoint_full_size_(AddJobGauge(registry_, "lastCheckpointFullSize", labels)),
      last_checkpoint_metadata_size_(AddJobGauge(registry_, "lastCheckpointMetadataSize", labels)),
      last_checkpoint_completed_(AddJobGauge(registry_, "lastCheckpointCompletedTimestamp", labels)),
      last_checkpoint_restored_(AddJobGauge(registry_, "lastCheckpointRestoreTimestamp", labels)),
      checkpoints_in_progress_(AddJobGauge(registry_, "numberOfInProgressCheckpoints", labels)),
      checkpoints_completed_(AddJobGauge(registry_, "numberOfCompletedCheckpoints", labels)),
      checkpoints_failed_(AddJobGauge(registry_, "numberOfFailedCheckpoints", labels)),
      checkpoints_total_(AddJobGauge(registry_, "totalNumberOfCheckpoints", labels)) {}

void JobMetrics::Update(const JobExecution& job, int64_t now_ms) {
  const auto time_in = [&](JobState state) {
    return job.state() == state ? static_cast<double>(now_ms - job.state_entered_ms(state)) : 0.0;
  };
  restarts_.Set(job.restarts());
  uptime_.Set(time_in(JobState::kRunning));
  downtime_.Set(time_in(JobState::kRestarting) + time_in(JobState::kFailing));
  created_time_.Set(time_in(JobState::kCreated));
  running_time_.Set(time_in(JobState::kRunning));
  restarting_time_.Set(time_in(JobState::kRestarting));
  failing_time_.Set(time_in(JobState::kFailing));
  cancelling_time_.Set(time_in(JobState::kCancelling));
  UpdateCheckpoints(job);
}

void JobMetrics::UpdateCheckpoints(const JobExecution& job) {
  const proto::CheckpointDetails none;
  const proto::CheckpointDetails& details = job.checkpoints() == nullptr ? none : job.checkpoints()->details();
  const proto::CompletedCheckpoint& latest = details.latest();
  const auto of_latest = [&](int64_t value) { return details.has_latest() ? static_cast<double>(value) : -1.0; };
  const auto since_epoch = [](int64_t time_ms) { return time_ms == 0 ? -1.0 : static_cast<double>(time_ms); };
  last_checkpoint_id_.Set(of_latest(latest.checkpoint_id()));
  last_checkpoint_duration_.Set(of_latest(latest.duration_ms()));
  last_checkpoint_size_.Set(of_latest(latest.written_bytes()));
  last_checkpoint_in_flight_.Set(of_latest(latest.in_flight_bytes()));
  last_checkpoint_full_size_.Set(of_latest(latest.state_bytes()));
  last_checkpoint_metadata_size_.Set(of_latest(latest.metadata_bytes()));
  last_checkpoint_completed_.Set(since_epoch(details.latest_completed_ms()));
  last_checkpoint_restored_.Set(since_epoch(details.restored_ms()));
  checkpoints_in_progress_.Set(details.in_progress_id() == 0 ? 0 : 1);
  checkpoints_completed_.Set(static_cast<double>(details.completed_count()));
  checkpoints_failed_.Set(static_cast<double>(details.failed_count()));
  checkpoints_total_.Set(static_cast<double>(details.triggered()));
}

}  // namespace eagre
