// The JobManager's metrics under Flink's names: flink_jobmanager_* and, per job, flink_jobmanager_job_*.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "jobmanager/job_state.h"

namespace eagre {

class JobExecution;
class TaskManagerRegistry;

// flink_jobmanager_{numRegisteredTaskManagers,numRunningJobs,taskSlotsAvailable,taskSlotsTotal}. Lives on the
// JobManager's executor.
class ClusterMetrics {
 public:
  explicit ClusterMetrics(const std::string& host);
  void Update(const TaskManagerRegistry& task_managers, int running_jobs);
  std::vector<MetricSample> Collect() const { return registry_.Collect(); }

 private:
  MetricRegistry registry_;
  Gauge& task_managers_;
  Gauge& running_jobs_;
  Gauge& slots_available_;
  Gauge& slots_total_;
};

// flink_jobmanager_job_{numRestarts,uptime,downtime} and <state>Time: milliseconds since the job entered the state, 0
// in any other. lastCheckpoint{Duration,Size,FullSize,MetadataSize,CompletedTimestamp,RestoreTimestamp},
// lastCompletedCheckpointId, numberOf{InProgress,Completed,Failed}Checkpoints, totalNumberOfCheckpoints: milliseconds
// and bytes, -1 where there is none. One per job, gone with it. Lives on the JobManager's executor.
class JobMetrics {
 public:
  // Labels host, job_id and job_name.
  explicit JobMetrics(const MetricLabels& labels);
  void Update(const JobExecution& job, int64_t now_ms);
  std::vector<MetricSample> Collect() const { return registry_.Collect(); }

 private:
  void UpdateCheckpoints(const JobExecution& job);

  MetricRegistry registry_;
  Gauge& restarts_;
  Gauge& uptime_;
  Gauge& downtime_;
  Gauge& created_time_;
  Gauge& running_time_;
  Gauge& restarting_time_;
  Gauge& failing_time_;
  Gauge& cancelling_time_;
  Gauge& last_checkpoint_id_;
  Gauge& last_checkpoint_duration_;
  Gauge& last_checkpoint_size_;
  Gauge& last_checkpoint_in_flight_;
  Gauge& last_checkpoint_full_size_;
  Gauge& last_checkpoint_metadata_size_;
  Gauge& last_checkpoint_completed_;
  Gauge& last_checkpoint_restored_;
  Gauge& checkpoints_in_progress_;
  Gauge& checkpoints_completed_;
  Gauge& checkpoints_failed_;
  Gauge& checkpoints_total_;
};

}  // namespace eagre
