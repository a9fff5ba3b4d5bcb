// The checkpoints of one job: when they are triggered, what becomes of them, and which is the one to restart from.
//
// One checkpoint is taken at a time. It is complete when every subtask and every source's coordinator has acknowledged
// and the storage has written its metadata and won its entry of the log; only then do the workers hear of it and sinks
// commit. A checkpoint that fails, or is not complete in time, is aborted; the workers go on. When too many fail in a
// row, the job fails.
//
// When all subtasks of a job have come to their end and some wait for a commit, a last checkpoint is triggered at once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/executor.h"
#include "base/status.h"
#include "jobmanager/checkpoint_options.h"
#include "jobmanager/checkpoint_storage.h"
#include "jobmanager/job_state.h"
#include "jobmanager/pending_checkpoint.h"
#include "jobmanager/restore_points.h"
#include "proto/client.pb.h"
#include "proto/control.pb.h"

namespace eagre {

// What the coordinator needs to know of its job; all of it outlives the coordinator.
struct CheckpointedJob {
  std::string id;
  const proto::JobGraph* graph = nullptr;
  std::string version;       // of Eagre
  std::string restore_from;  // folder of what the job begins with; empty: nothing
  // It ran before. So its checkpoints are waited for when they cannot be read now, as on a disk that is full or away.
  bool taken_up = false;
  ExpectedCheckpoints expected;  // when it ran before
};

// A state machine on the JobManager's executor. Whatever waits for the disk runs on `io`.
class CheckpointCoordinator {
 public:
  // Called from within the coordinator's methods, as their last act.
  struct Handlers {
    // To every worker of the attempt.
    std::function<void(const proto::JobManagerToTaskManager&)> send_to_workers;
    std::function<void(const std::string& reason, bool retryable)> fail_job;
    // Another JobManager has taken the job over. Empty: the job then fails.
    std::function<void(const Status& reason)> on_replaced = nullptr;
    // idle() became true.
    std::function<void()> on_idle;
    // Something in details() has changed.
    std::function<void()> on_change;
  };
  struct Completed {
    int64_t checkpoint_id = 0;
    std::string path;  // of the savepoint, when one was asked for
  };
  using Done = std::function<void(StatusOr<Completed>)>;

  // Begins to open the storage at once. `executor` and `io` outlive the coordinator; `storage` is used on `io` alone.
  CheckpointCoordinator(Executor& executor, Executor& io, std::shared_ptr<CheckpointStorage> storage,
                        CheckpointedJob job, const CheckpointOptions& options, Handlers handlers);
  ~CheckpointCoordinator();  // tells those who wait that they do so in vain

  // The storage is open and nothing is on its way to the disk: restore_from() holds. No attempt begins before.
  bool idle() const { return opened_ && !completing_ && !checking_; }
  // Behind a savepoint that is complete.
  bool stopping() const { return running_ && suspended_; }
  // One is on its way to the disk, and whoever asked for it is not answered yet.
  bool completing() const { return completing_; }
  // What the next attempt begins with: the newest complete checkpoint, else what the job was submitted with.
  const std::string& restore_from() const { return restore_from_; }
  // Its number, where it is the job's own; else 0.
  int64_t restore_id() const { return points_.newest() == nullptr ? 0 : points_.newest()->completion.checkpoint_id(); }
  // Which attempt took it, where it is the job's own; else -1.
  int restore_attempt() const { return points_.newest() == nullptr ? -1 : points_.newest()->completion.attempt(); }
  // Higher than that of any attempt before this JobManager's.
  int first_attempt() const { return first_attempt_; }
  const std::string& directory() const { return directory_; }
  const CheckpointOptions& options() const { return options_; }
  // Why the storage is not open yet, when it was tried; else empty.
  const std::string& why_not_open() const { return why_not_open_; }

  // The attempt's workers have been deployed; reports of others are not handed in.
  void OnDeployed(int attempt);
  // All of them run.
  void OnRunning();
  // Workers run that another JobManager had started, and go on in this attempt; instead of the two above.
  // `highest_known_id`: of the checkpoints that one of them was told of. What had become of the last one is told to all
  // once more: not all of them may have heard it.
  void OnAdopted(int attempt, int64_t highest_known_id);
  // It stops, for whatever reason. A checkpoint on its way to the disk may still become complete.
  void OnStopping(std::string_view reason);
  void OnReport(const proto::CheckpointReport& report);
  // What the attempt was to begin with turned out to be damaged. OK when restore_from() is an older one now; else why
  // there is none. Once for each attempt; the rest is OK.
  Status OnDamagedCheckpoint(const std::string& damage);
  // A worker did not find all of what the attempt was to begin with. When it is not whole seen from here either, it is
  // damaged, and the job fails where there is no older one; else the next attempt begins with it again. Not idle()
  // until that is known.
  void OnMissingCheckpoint(const std::string& damage);
  // The job has ended; deletes what is not to be retained.
  void OnJobEnded(JobState state);

  // `done` is called once, at the latest by the destructor. FAILED_PRECONDITION while the job does not run.
  void TriggerCheckpoint(Done done);
  // `after` is what the sources do behind the savepoint. `path` is a folder to be made.
  void TriggerSavepoint(std::string path, proto::CheckpointCommand::After after, Done done);

  // For users.
  const proto::CheckpointDetails& details() const { return details_; }

 private:
  struct Request {
    std::string savepoint_path;  // empty: a checkpoint
    proto::CheckpointCommand::After after = proto::CheckpointCommand::CONTINUE;
    Done done;
  };

  void Ask(Request request);
  void Open();
  void OnOpened(StatusOr<CheckpointStorage::Opened> opened);
  void Schedule();
  void Trigger(std::optional<Request> request);
  void OnTimeout();
  void Complete();
  // `may_stand`: it failed, and may be found complete by a successor.
  void OnCompleted(StatusOr<RestorePoint> completed, bool may_stand);
  void UseNewestPoint();
  void OnChecked(const Status& whole, const std::string& damage);
  // Ends the pending checkpoint without success. `counts`: against
  // execution.checkpointing.tolerable-failed-checkpoints.
  void FailPending(const Status& reason, bool counts, bool may_be_complete = false);
  void AnswerAll(const Status& reason);
  void SendCommand(int64_t checkpoint_id, proto::CheckpointCommand::Kind kind, bool may_be_complete = false);
  bool AllEnded() const;
  bool AnyAwaitsCommit() const;
  void OnEnded(const proto::CheckpointReport& report);
  int64_t MonotonicMs() const;

  Executor& executor_;
  Executor& io_;
  const std::shared_ptr<CheckpointStorage> storage_;
  const CheckpointedJob job_;
  const CheckpointOptions options_;
  const Handlers handlers_;
  const std::string directory_;
  size_t subtasks_ = 0;

  bool opened_ = false;
  std::string why_not_open_;
  TimerId open_timer_ = 0;
  int64_t next_id_ = 1;
  int first_attempt_ = 0;
  std::string restore_from_;
  RestorePoints points_;
  int damaged_attempt_ = -1;      // which found its checkpoint damaged
  int missing_attempt_ = -1;      // which did not find all of it
  bool checking_ = false;         // whether the one that was not found is whole
  bool found_latest_ = false;     // details_.latest is of a JobManager before this one
  int64_t found_highest_id_ = 0;  // of what was complete when the storage was opened, whether it can be used or not

  int attempt_ = -1;
  bool running_ = false;
  bool suspended_ = false;  // the sources have stopped for good behind a savepoint
  // Subtasks (vertex, subtask) that have ended, and whether they still await a commit. Those that do not acknowledge no
  // more.
  std::map<std::pair<int, int>, bool> ended_;
  bool last_taken_ = false;  // a checkpoint triggered after all had ended is complete

  std::optional<PendingCheckpoint> pending_;
  std::optional<Request> request_;  // of the pending checkpoint
  proto::CheckpointCommand::After after_ = proto::CheckpointCommand::CONTINUE;
  int64_t pending_since_ms_ = 0;  // monotonic
  bool pending_is_last_ = false;  // triggered after all subtasks had ended
  bool completing_ = false;       // on its way to the disk; the attempt may be over
  std::deque<Request> requests_;  // wait for their turn
  TimerId timeout_ = 0;
  TimerId next_trigger_ = 0;
  int64_t triggered_ms_ = 0;  // monotonic, the last one of this attempt or its start
  int64_t resolved_ms_ = 0;   // monotonic, when the last one ended
  int64_t failures_in_a_row_ = 0;
  bool last_failed_ = false;

  proto::CheckpointDetails details_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace eagre
