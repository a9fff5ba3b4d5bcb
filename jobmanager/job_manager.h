// The JobManager: accepts jobs, gives them slots, starts and stops their workers through the TaskManagers, restarts
// what failed, and answers what users ask.
//
// It is a state machine on one Executor. It knows links and closures, nothing of gRPC, threads or files, so the
// simulator runs it as it is, and `eagre local` runs it beside its TaskManager. Its network face is rpc_server.h;
// job_manager_server.h puts the pieces of a daemon together.
//
// Scheduling: jobs wait in the order of their submission, a restarting job at its old place. Whenever something
// changed, every waiting job that fits into the free slots is started, the oldest first; a smaller job may so overtake
// a larger one that does not fit. A job gets all its slots at once or none, so two jobs never hold halves of what both
// need.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "base/executor.h"
#include "base/file_system.h"
#include "base/link.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/status.h"
#include "jobmanager/artifact.h"
#include "jobmanager/job_execution.h"
#include "jobmanager/job_history.h"
#include "jobmanager/job_manager_metrics.h"
#include "jobmanager/log_collector.h"
#include "jobmanager/task_manager_registry.h"
#include "proto/client.pb.h"
#include "proto/control.pb.h"

namespace eagre {

class JobStore;

struct JobManagerOptions {
  std::string version;             // of this build; a TaskManager of another one is refused
  std::string host = "localhost";  // label of the metrics
  Configuration config;            // the cluster's; under it lie the job's own settings and the client's
  Executor* io = nullptr;          // may wait for the disk; null: the JobManager's own executor
  FileSystem* files = nullptr;     // where checkpoints are; null: the machine's
  JobStore* store = nullptr;       // used on `io`, which it outlives; null: jobs are in memory only
  // Another JobManager uses the store now: this one is to end. It says nothing of its jobs any more.
  std::function<void(const Status& reason)> on_replaced;
  int64_t log_silence_timeout_ms = 10'000;
  size_t max_active_jobs = 10'000;  // waiting and running ones together
  size_t max_watchers = 1'000;
};

// Everything is called on the executor, which outlives it, as does `random`. Callbacks are called on the executor too,
// never from within the call that was given them.
class JobManager {
 public:
  // `last` comes with a job's terminal state and is the end of the watch.
  using JobWatcher = std::function<void(const proto::JobDetails& details, bool last)>;

  JobManager(Executor& executor, Random& random, JobManagerOptions options);
  ~JobManager();  // closes all links; workers die with the link of their TaskManager
  JobManager(const JobManager&) = delete;
  JobManager& operator=(const JobManager&) = delete;

  // A stream from a TaskManager, not started yet.
  void OnTaskManagerConnected(std::unique_ptr<Link> link);

  // Returns the new job's id. INVALID_ARGUMENT says what is wrong with graph or configuration, FAILED_PRECONDITION why
  // the job does not take `restored`, the metadata of header.restore_from, which must be given when that is set.
  StatusOr<std::string> SubmitJob(proto::SubmitJobHeader header, std::shared_ptr<const StoredArtifact> artifact,
                                  const std::optional<proto::CheckpointMetadata>& restored = std::nullopt);
  // The same; `done` is called when the job is in the store as well. Where that fails the job is cancelled.
  void SubmitJobDurably(const proto::SubmitJobHeader& header, std::shared_ptr<const StoredArtifact> artifact,
                        const std::optional<proto::CheckpointMetadata>& restored,
                        std::function<void(StatusOr<std::string>)> done);
  // Takes a job up again that a JobManager before this one had stored, with its newest attempt, and one that had ended.
  Status RecoverJob(const proto::StoredJob& job, const std::optional<proto::StoredAttempt>& attempt,
                    std::shared_ptr<const StoredArtifact> artifact);
  void RecoverResult(proto::JobDetails details);
  // TaskManagers can connect. So long jobs that were taken up wait for theirs without a limit.
  void OnListening();
  // Ended jobs that are still known, then the others, each in the order of submission or end.
  proto::ListJobsReply ListJobs() const;
  StatusOr<proto::JobDetails> GetJob(const std::string& job_id) const;
  // Tells the present state first, then every change of state, and progress each `interval_ms`.
  StatusOr<uint64_t> WatchJob(const std::string& job_id, int64_t interval_ms, JobWatcher watcher);
  // Unknown ids are ignored.
  void StopWatching(uint64_t watch);
  // OK says that the job is being cancelled; watch it to see the end.
  Status CancelJob(const std::string& job_id);
  // `done` is called once, when the checkpoint or savepoint is complete or why it is not; at the latest when the
  // JobManager is destroyed.
  void TriggerCheckpoint(const std::string& job_id, CheckpointCoordinator::Done done);
  struct SavepointOrder {
    std::string
        directory;  // where to make the savepoint's folder; empty: the job's execution.checkpointing.savepoint-dir
    // `done` is called at once, with the path alone when the savepoint was accepted; what became of it is in the job's
    // details.
    bool detached = false;
  };
  void TriggerSavepoint(const std::string& job_id, const SavepointOrder& order, CheckpointCoordinator::Done done);
  // `done` is called when the job has ended behind its savepoint.
  void StopJob(const std::string& job_id, const SavepointOrder& order, bool drain, CheckpointCoordinator::Done done);
  proto::ClusterDetails GetCluster() const;

  // Output of the job's workers. Returns the id for StopLogs.
  StatusOr<uint64_t> GetLogs(const std::string& job_id, LogSink sink);
  void StopLogs(uint64_t request) { logs_.Stop(request); }
  // A piece that a TaskManager pushed; see LogCollector::OnPart.
  void OnLogPart(const proto::LogPart& part, std::function<void(Status)> consumed);

  std::vector<MetricSample> CollectMetrics();
  const std::string& cluster_id() const { return cluster_id_; }

 private:
  struct Job {
    std::unique_ptr<JobExecution> execution;
    std::unique_ptr<JobMetrics> metrics;
  };
  struct Watch {
    std::string job_id;
    int64_t interval_ms = 0;
    JobWatcher watcher;
    TimerId timer = 0;
  };

  JobExecution* FindActive(const std::string& job_id) const;
  // The job, when it is active; else why it can take neither checkpoint nor savepoint.
  StatusOr<JobExecution*> FindRunning(const std::string& job_id) const;
  StatusOr<std::string> NewSavepointPath(const JobExecution& job, const std::string& directory);
  Status UnknownJob(const std::string& job_id) const;
  // `submitted_ms` and the last `attempt`, if there was one: of a job that is taken up.
  Status AddJob(const std::string& id, const proto::SubmitJobHeader& header,
                std::shared_ptr<const StoredArtifact> artifact, std::optional<int64_t> submitted_ms = std::nullopt,
                const std::optional<proto::StoredAttempt>& attempt = std::nullopt);
  void WatchLeadership();
  void OnReplaced(const Status& reason);
  // UNAVAILABLE when another has this one's place: a client asks again, and finds that one.
  Status CheckNotReplaced() const;
  void AddToHistory(EndedJob ended, proto::JobManagerToTaskManager& forget);
  Executor& io() const { return options_.io != nullptr ? *options_.io : executor_; }
  StatusOr<Configuration> EffectiveConfig(const proto::SubmitJobHeader& header) const;
  std::map<std::string, std::string> WorkerConfig(const proto::SubmitJobHeader& header) const;
  JobExecution::Handlers HandlersOf(const std::string& job_id);

  void OnTaskManagerRegistered(const std::string& task_manager_id, const proto::RegisterTaskManager& registration);
  // Tells a TaskManager that has just registered what known jobs still need of what it may hold.
  void SendRetainArtifacts(const std::string& task_manager_id);
  void OnTaskManagerMessage(const std::string& task_manager_id, const proto::TaskManagerToJobManager& message);
  void OnTaskManagerLost(const std::string& task_manager_id, const std::string& host, const std::string& reason);

  // Whatever changes asks for one pass, which runs when the executor comes to it: changes that come together are
  // handled together, and nothing is destroyed or told to users from within a job's own methods.
  void RequestPass();
  void Pass();
  void StartWaitingJobs();
  void TellWatchers();
  void ArchiveEndedJobs();
  void ScheduleProgress(uint64_t watch_id);

  Executor& executor_;
  Random& random_;
  const JobManagerOptions options_;
  const std::string cluster_id_;
  TaskManagerRegistry task_managers_;
  LogCollector logs_;
  ClusterMetrics metrics_;
  std::vector<Job> jobs_;  // active ones, in the order of submission
  JobHistory history_;
  std::map<uint64_t, Watch> watches_;
  uint64_t next_watch_ = 1;
  std::set<std::string> changed_jobs_;
  bool pass_requested_ = false;
  TimerId leadership_timer_ = 0;
  Status replaced_;  // not OK: by whom it was replaced
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace eagre
