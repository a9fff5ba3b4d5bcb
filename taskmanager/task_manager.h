// The supervisor of one machine's slots: it registers with the JobManager, starts a worker for every attempt that is
// deployed here, carries messages between the two, and tells how each worker ended.
//
// A state machine on one Executor. It knows links, a launcher and a fetcher, nothing of sockets, processes or files, so
// the simulator runs it as it is.
//
// When the JobManager's stream breaks, workers that run stay and run on, and the TaskManager registers anew, saying
// which it has. The JobManager adopts those of attempts that go on and has the others killed. What was not running yet,
// or was being stopped, is killed at once, and is gone before the TaskManager registers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/link.h"
#include "base/status.h"
#include "proto/control.pb.h"
#include "taskmanager/artifact_fetcher.h"
#include "taskmanager/worker_launcher.h"

namespace eagre {

struct TaskManagerOptions {
  std::string id;  // new with every start of the process
  std::string host = "localhost";
  std::string version;
  int64_t pid = 0;
  int slots = 1;
  int64_t slot_memory_bytes = 0;      // for the state of each; 0: what the job's configuration says
  std::string local_state_directory;  // in which each job has a folder for copies of its state; empty: none are kept
  int64_t heartbeat_interval_ms = 10'000;
  int64_t heartbeat_timeout_ms = 50'000;
  int64_t deployment_timeout_ms = 60'000;      // from a worker's launch to its first message; 0: any time
  int64_t cancellation_timeout_ms = 180'000;   // from CancelWorker to the worker's exit
  int64_t worker_exit_timeout_ms = 10'000;     // from a worker's broken link to its exit
  int64_t registration_timeout_ms = 300'000;   // without a JobManager, before giving up; 0: never
  int64_t reconnect_initial_backoff_ms = 100;  // doubles with every failure up to the next
  int64_t reconnect_max_backoff_ms = 5'000;
};

// What a TaskManager needs of the outside; all of it outlives the TaskManager.
struct TaskManagerEnvironment {
  Executor* executor = nullptr;
  // A new link to the JobManager, not started. A failure to connect is reported by the link's on_closed.
  std::function<std::unique_ptr<Link>()> connect;
  WorkerLauncher* launcher = nullptr;
  ArtifactFetcher* artifacts = nullptr;
  // Sends the output files of a job's workers to the JobManager. May be empty.
  std::function<void(const proto::CollectLogs&)> collect_logs;
  // Deletes the output files of a job. May be empty.
  std::function<void(const std::string& job_id)> delete_logs;
  // Deletes the output files of all other jobs. May be empty.
  std::function<void(const std::set<std::string>& job_ids)> delete_other_logs;
  // Deletes the copies of a job's state, and those of all jobs but these. May be empty.
  std::function<void(const std::string& job_id)> delete_local_state;
  std::function<void(const std::set<std::string>& job_ids)> delete_other_local_state;
  // The JobManager refused this TaskManager, or was not found in time: it does nothing any more. May be empty.
  std::function<void(Status reason)> on_give_up;
};

// Everything is called on the executor.
class TaskManager {
 public:
  TaskManager(TaskManagerOptions options, TaskManagerEnvironment environment);
  ~TaskManager();  // kills all workers without waiting for them
  TaskManager(const TaskManager&) = delete;
  TaskManager& operator=(const TaskManager&) = delete;

  // Begins to connect. Once.
  void Start();
  // Leaves the JobManager, kills all workers and calls `on_stopped` when the last is gone. Once.
  void Stop(std::function<void()> on_stopped);

  bool registered() const { return registered_; }
  const std::string& cluster_id() const { return cluster_id_; }
  int slots() const { return options_.slots; }
  int used_slots() const;

 private:
  using AttemptKey = std::pair<std::string, int32_t>;  // job id, attempt
  struct Run;

  // The JobManager's side.
  void Connect();
  void RegisterWhenClean();
  void HandleJobManagerMessage(std::string_view bytes);
  void LoseJobManager(const Status& reason);
  void TellUnreachable(std::string_view reason);
  void DropJobManagerLink();
  void ScheduleReconnect();
  void ScheduleHeartbeat();
  void HandleRegistered(const proto::Registered& registered);
  void HandleRetain(const proto::RetainArtifacts& retain);
  void HandleAdopt(const proto::AdoptWorker& adopt);
  void GiveUp(Status reason);
  void SendToJobManager(proto::TaskManagerToJobManager message);

  // Attempts.
  void HandleDeploy(proto::DeployWorker deploy);
  Status CheckSlots(const proto::DeployWorker& deploy) const;
  void Launch(Run& run, StatusOr<std::string> library);
  void HandleStart(const proto::StartWorker& start);
  void HandleCheckpoint(const proto::CheckpointCommand& command);
  void HandleCancel(const proto::CancelWorker& cancel);
  void HandleWorkerMessage(Run& run, std::string_view bytes);
  void HandleWorkerLinkClosed(Run& run, const Status& reason);
  void HandleWorkerExit(Run& run, WorkerExit exit);
  // Gives the worker its time to load the library, or ends that time: it has loaded it, or another deadline counts.
  void AwaitReady(Run& run);
  void StopAwaitingReady(Run& run);
  // Kills the worker when it has not exited by then.
  void KillAfter(Run& run, int64_t delay_ms, std::string reason);
  void Kill(Run& run, std::string reason);
  void KillAllRuns();
  // Those that cannot be handed over to another JobManager.
  void KillUnstartedRuns();
  // Kills the worker; nothing about it is reported. One without a process is forgotten, and true returned.
  bool Abandon(Run& run);
  // Reports the exit and forgets the run.
  void Conclude(Run& run);
  void RefuseDeploy(const proto::AttemptId& attempt, const Status& reason);
  void ReportExit(proto::WorkerExited exited);
  proto::FailureInfo Stamp(proto::FailureInfo failure) const;
  Run* Find(const proto::AttemptId& attempt);

  const TaskManagerOptions options_;
  const TaskManagerEnvironment env_;
  std::unique_ptr<Link> job_manager_;
  std::map<AttemptKey, std::unique_ptr<Run>> runs_;
  std::vector<proto::WorkerExited> unreported_exits_;  // while there is no JobManager
  bool registered_ = false;
  bool register_sent_ = false;
  bool stopping_ = false;
  std::string cluster_id_;
  std::function<void()> on_stopped_;
  int64_t backoff_ms_ = 0;
  int64_t last_heard_ns_ = 0;  // of the JobManager
  int64_t unregistered_since_ns_ = 0;
  int64_t told_unreachable_ns_ = -1;
  std::string unreachable_reason_;
  TimerId heartbeat_timer_ = 0;
  TimerId reconnect_timer_ = 0;
  // Callbacks of links, launcher and fetcher may come late: they hold a weak reference and do nothing once it is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace eagre
