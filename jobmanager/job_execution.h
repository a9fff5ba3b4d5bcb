// One job from submission to its end: its state, its attempts, and the workers of the current attempt.
//
// An attempt is over only when every worker of it is gone: its TaskManager said WorkerExited, or is lost itself.
// Nothing of the next attempt starts before (crash-only: a restart stops what is left and takes the ordinary start
// path), and a job reaches a terminal state only then. So slots are never used twice, and whoever still speaks for an
// older attempt is recognised by the number in its messages.
//
// A job that was taken over from a JobManager that is gone may have an attempt whose workers still run. It waits for
// their TaskManagers to come back, for a bounded time, and adopts the attempt when all its workers are there. Else
// those that are there are killed, and the job begins anew.
//
// Workers that have finished stay until all have, since others may still read what they sent; then all are told to go.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "jobmanager/artifact.h"
#include "jobmanager/checkpoint_coordinator.h"
#include "jobmanager/checkpoint_log.h"
#include "jobmanager/failure_log.h"
#include "jobmanager/job_progress.h"
#include "jobmanager/job_state.h"
#include "jobmanager/poison_hunt.h"
#include "jobmanager/restart_strategy.h"
#include "jobmanager/slot_assignment.h"
#include "proto/client.pb.h"
#include "proto/control.pb.h"

namespace eagre {

// The attempt that a message is about; null for messages that concern no job.
const proto::AttemptId* AttemptOf(const proto::TaskManagerToJobManager& message);

// What a job is, fixed at its submission.
struct JobSpec {
  std::string id;
  proto::JobGraph graph;
  std::shared_ptr<const StoredArtifact> artifact;
  std::vector<std::string> args;
  std::map<std::string, std::string> config;  // effective, for the workers
  CheckpointOptions checkpoints;
  std::string restore_from;      // folder of the savepoint or checkpoint that it begins with; empty: none
  bool taken_up = false;         // from a JobManager before this one
  int64_t submitted_ms = 0;      // when the first of them was given it, since the epoch
  ExpectedCheckpoints expected;  // by what is stored of its last attempt
};

struct JobExecutionOptions {
  size_t max_failed_attempts = 16;            // whose failures are kept
  int64_t slot_request_timeout_ms = 300'000;  // a job that waits longer for slots fails; 0: it waits for ever
  std::string version;                        // of Eagre
  // Of jobs that take checkpoints; both outlive the job.
  Executor* io = nullptr;         // may wait for the disk
  FileSystem* files = nullptr;    // where checkpoints are
  std::string checkpoint_writer;  // no other JobManager's
  CheckpointLog::Leads leads;     // on `io`
  int64_t reconciliation_timeout_ms = 5'000;
  int64_t isolate_after_failures = 0;  // see PoisonHunt; 0: never
};

// A state machine on the JobManager's executor. It owns no slots and no links: it asks for both by the handlers.
class JobExecution {
 public:
  // Called from within the job's methods. They must not destroy the job or call it back.
  struct Handlers {
    std::function<void(const std::string& task_manager_id, const proto::JobManagerToTaskManager&)> send;
    // The state changed, or what the job waits for.
    std::function<void()> on_change;
    // WantsSlots() became true. Not called for a new job.
    std::function<void()> on_wants_slots;
    // A worker's process is gone; its TaskManager lives and has its slots free again.
    std::function<void(const std::string& task_manager_id, int slots)> on_slots_free;
    // Keeps an attempt in the store before it is deployed; `done` is called later, on the executor. Empty: there is no
    // store.
    std::function<void(const proto::StoredAttempt& attempt, std::function<void(Status)> done)> store_attempt;
    // The same of how the job ends, before anybody hears of it.
    std::function<void(const proto::JobDetails& details, std::function<void(Status)> done)> store_result;
    // Another JobManager has this one's place: the job is no longer its business. Empty: that cannot be.
    std::function<void(const Status& reason)> on_replaced;
  };

  JobExecution(Executor& executor, JobSpec spec, std::unique_ptr<RestartStrategy> restart_strategy,
               const JobExecutionOptions& options, Handlers handlers);
  ~JobExecution();

  const std::string& id() const { return spec_.id; }
  const JobSpec& spec() const { return spec_; }
  JobState state() const { return state_; }
  int restarts() const { return restarts_; }
  int attempt() const { return attempt_; }  // -1 before the first
  int required_slots() const { return required_slots_; }
  // By job slot, where its state may have been kept from the attempt before; empty when that is not to be.
  std::vector<SlotHome> SlotHomes() const;
  // Every TaskManager that ran a worker of this job, "id" -> "host", for its output files.
  const std::vector<std::pair<std::string, std::string>>& task_managers_used() const { return task_managers_used_; }
  // Time at which each state was last entered, in ms since the epoch; 0: never.
  int64_t state_entered_ms(JobState state) const { return entered_ms_[static_cast<int>(state)]; }

  // True while nothing but slots is missing to start an attempt.
  bool WantsSlots() const;
  // Starts the next attempt. `hosts` are for users, by group.
  void Deploy(const std::vector<SlotGroup>& groups, const std::vector<std::string>& hosts, std::string token);
  // The newest attempt of the JobManager before this one, whose workers may run on. Right after construction.
  void Reconcile(const proto::StoredAttempt& attempt);
  // Their TaskManagers can connect: from now on they are waited for no longer than reconciliation_timeout_ms.
  void LimitReconciling();
  // A TaskManager has registered, and a worker runs there already. False when it is of no attempt that goes on: it must
  // go.
  bool OnWorkerFound(const std::string& task_manager_id, const proto::RunningWorker& running);
  // It has registered, and all that runs there was told.
  void OnTaskManagerRegistered(const std::string& task_manager_id);
  // Says what slots the cluster has, for waiting_for.
  void ExplainWait(int slots_free, int slots_total);

  // A message of a TaskManager about this job. False when it speaks for another attempt than the current one, or for a
  // worker that this attempt does not have there.
  bool OnMessage(const std::string& task_manager_id, const proto::TaskManagerToJobManager& message);
  void OnTaskManagerLost(const std::string& task_manager_id, const std::string& host, const std::string& reason);

  // A checkpoint, or a savepoint in the folder `path`, which is made. `done` is called once, perhaps at once.
  void TriggerCheckpoint(CheckpointCoordinator::Done done);
  void TriggerSavepoint(const std::string& path, CheckpointCoordinator::Done done);
  // A savepoint behind which the job ends, FINISHED; `drain`: as if its input had ended. `done` is called when the job
  // has ended. When the savepoint fails the job goes on.
  void StopWithSavepoint(const std::string& path, bool drain, CheckpointCoordinator::Done done);

  // Asks the job to stop. FAILED_PRECONDITION when it has ended already; OK, again, while it is being cancelled.
  Status Cancel();

  proto::JobSummary Summary() const;
  proto::JobDetails Details() const;
  // Deletes what is not to be retained of a job that has ended. Once, when its end is known to whoever must know:
  // without its checkpoints it would begin anew.
  void ReleaseCheckpoints();
  // Null for a job that takes no checkpoints.
  const CheckpointCoordinator* checkpoints() const { return checkpoints_.get(); }

 private:
  enum class Phase : uint8_t { kDeploying, kReady, kRunning, kFinished };
  struct Worker {
    std::string task_manager_id;
    std::string host;
    std::vector<int32_t> job_slots;
    std::string data_address;
    Phase phase = Phase::kDeploying;
    bool gone = false;
    bool awaited = false;  // of an attempt to be adopted; its TaskManager has not said yet that it runs
  };

  // A savepoint behind which the job is coming to its end.
  struct Stop {
    CheckpointCoordinator::Completed savepoint;
    CheckpointCoordinator::Done done;
  };

  void OpenCheckpoints();
  void FailFromCheckpoints(const std::string& reason, bool retryable);
  Status CheckTakesCheckpoints() const;
  void OnStopSavepoint(CheckpointCoordinator::Completed savepoint, CheckpointCoordinator::Done done);
  void AwaitStop();
  void AnswerStop();
  void OnAllWorkersFinished();

  void Transition(JobState to);
  // To a terminal state, once that is stored.
  void End(JobState as);
  void EndWhenAnswered();
  void StoreEnd();
  Worker* FindWorker(const std::string& task_manager_id);
  void SendDeployments(const std::string& token);
  void AdoptWhenAllFound();
  void GiveUpReconciling(const std::string& reason);
  // The attempt will not be adopted: nobody waits for workers that were not found.
  void EndReconciling();
  bool OnMessageWhileReconciling(Worker& worker, const proto::TaskManagerToJobManager& message);
  proto::DeployWorker DeployMessage(size_t worker_index, const std::string& token) const;

  void OnReady(Worker& worker, const proto::WorkerReady& ready);
  void OnFinished(Worker& worker);
  void OnExited(Worker& worker, const proto::WorkerExited& exited);
  void StartWhenAllReady();

  void WaitForSlots();
  void OnSlotTimeout();
  void Fail(proto::FailureInfo failure);
  void DecideRestart(const proto::FailureInfo& cause);
  void CancelWorkers(bool at_once = false);
  void OnWorkerGone(Worker& worker);
  void OnAllWorkersGone();
  bool AllWorkersGone() const;
  bool AllWorkersFinished() const;
  std::string WaitingFor() const;

  Executor& executor_;
  const JobSpec spec_;
  const std::unique_ptr<RestartStrategy> restart_strategy_;
  const JobExecutionOptions options_;
  const Handlers handlers_;
  const int required_slots_;

  JobState state_ = JobState::kCreated;
  int64_t entered_ms_[kJobStates] = {};
  int attempt_ = -1;
  int restarts_ = 0;
  TimerId restart_timer_ = 0;  // set while the restart's delay runs
  TimerId slot_timer_ = 0;     // set while WantsSlots()
  bool reconciling_ = false;
  TimerId reconciliation_timer_ = 0;  // set while a bounded wait for their TaskManagers runs
  int64_t known_checkpoint_id_ = 0;   // the highest that a worker to be adopted was told of
  int64_t restart_delay_ms_ = 0;
  std::string missing_slots_;
  std::vector<Worker> workers_;  // of the current attempt, by worker index
  std::vector<std::pair<std::string, std::string>> task_managers_used_;
  JobProgress progress_;
  FailureLog failures_;
  PoisonHunt poison_hunt_;
  std::optional<JobState> ends_as_;  // set when its end is decided
  bool ending_ = false;              // and is being stored
  std::string why_not_stored_;
  TimerId store_timer_ = 0;
  std::optional<Stop> stop_;
  TimerId stop_timer_ = 0;                              // set while the workers end behind a savepoint
  std::unique_ptr<CheckpointCoordinator> checkpoints_;  // null: the job takes none
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace eagre
