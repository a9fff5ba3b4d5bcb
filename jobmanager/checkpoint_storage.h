// The folder of one job's checkpoints: makes checkpoints complete, makes savepoints, and deletes what nobody needs.
//
//   <directory>/log/            what is complete (jobmanager/checkpoint_log.h)
//   <directory>/chk-<n>/        the metadata of checkpoint n, and a mark (jobmanager/checkpoint_folders.h)
//   <directory>/shared/         the files of state, which the workers write
//
// Files are shared between checkpoints; one is deleted when no retained checkpoint refers to it and none to come can:
// it was begun for a checkpoint before the newest complete one, or by an earlier attempt. What an aborted checkpoint of
// an attempt that runs had alone, its tasks delete (runtime/task_files.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "jobmanager/checkpoint_folders.h"
#include "jobmanager/checkpoint_log.h"
#include "jobmanager/restore_check.h"
#include "jobmanager/restore_points.h"
#include "proto/checkpoint.pb.h"

namespace eagre {

// What must be in the folder when a job is taken up, by what was stored elsewhere of its last attempt.
struct ExpectedCheckpoints {
  std::string directory;  // the attempt's; empty: nothing is known, and none may be there
  int64_t newest_id = 0;  // complete when the attempt began; 0: none was
  // An older checkpoint may be taken although sinks may have committed with the newest.
  bool permits_duplicates = false;
};

// Waits for the disk. One thread. `files` outlives it.
class CheckpointStorage {
 public:
  // `writer` is no other JobManager's nor job's; `retained` complete checkpoints are kept.
  CheckpointStorage(FileSystem& files, std::string directory, std::string writer, size_t retained,
                    CheckpointLog::Leads leads = nullptr);

  struct Opened {
    int64_t next_checkpoint_id = 1;    // higher than any in use
    int next_attempt = 0;              // the same
    std::vector<RestorePoint> points;  // what is complete, the oldest first; one that is lost is not usable
  };
  // Makes the folders and takes the job's checkpoints over. Before anything else, and again when it fails. DATA_LOSS
  // when all that is expected is gone; then nothing is made.
  StatusOr<Opened> Open(int64_t time_ms, const ExpectedCheckpoints& expected = {});

  struct Request {
    proto::CheckpointMetadata metadata;     // all its files are written and synced
    proto::CompletedCheckpoint completion;  // metadata_bytes is filled in here
    std::string savepoint_path;             // a folder to be made with a copy of everything; empty: none
    int64_t time_ms = 0;
  };
  // Nothing is left of a checkpoint, nor of its savepoint, that could not be completed, unless its entry may be found
  // in the log: then a successor may go on from it. ABORTED when another JobManager has taken the job over.
  StatusOr<RestorePoint> Complete(Request request);
  // After a failed Complete: the checkpoint's entry may stand in the log.
  bool may_stand() const { return log_.may_stand(); }
  // Whether the checkpoint or savepoint in the folder `path` is there with all its files. NOT_FOUND and DATA_LOSS say
  // what is missing.
  Status CheckWhole(const std::string& path) const { return ReadRestorePoint(files_, path).status(); }
  // The checkpoint turned out to be damaged: it takes no older one's place among the retained, and goes with the next
  // DeleteUnused.
  void Drop(int64_t checkpoint_id);
  // Deletes checkpoints beyond the retained ones and files that nobody needs. Failures are logged and tried again next
  // time.
  void DeleteUnused();
  // Deletes what earlier attempts left and no checkpoint refers to. `attempt` runs, with workers of its own: nothing
  // that comes after it, under whichever JobManager, builds on anything else of theirs.
  void DeleteLeftBefore(int attempt);
  // Deletes everything, unless another JobManager has taken the job over, or this one could not.
  void DeleteAll(int64_t time_ms);

  const std::string& directory() const { return directory_; }

 private:
  struct Retained {
    proto::CompletedCheckpoint completion;
    std::set<std::string> files;
    bool damaged = false;
  };

  std::string PathOf(int64_t checkpoint_id) const;
  // The highest attempt (-1: none) and checkpoint id that a file in the folder has in its name.
  struct InUse {
    int64_t attempt = -1;
    int64_t checkpoint_id = 0;
  };
  StatusOr<InUse> HighestInUse() const;
  // DATA_LOSS that says what to do: the log is empty, although it was in use.
  Status DescribeMissing(const ExpectedCheckpoints& expected, const std::vector<CheckpointFolder>& folders);
  // A complete checkpoint that is newer than all that the log has, and why it cannot be used.
  std::optional<RestorePoint> FindLost(const CheckpointLog::Claimed& claimed, const ExpectedCheckpoints& expected,
                                       const std::vector<CheckpointFolder>& folders);
  // With what can be read of each.
  StatusOr<std::vector<RestorePoint>> ReadPoints(std::vector<proto::CompletedCheckpoint> completions);
  Status WriteSavepoint(const proto::CheckpointMetadata& metadata, const std::string& path);
  bool IsRetained(const std::string& file) const;
  void DeleteUnusedCheckpoints(int64_t newest_id);
  // `released`: files of checkpoints that are no longer retained.
  void DeleteUnusedFiles(const proto::CompletedCheckpoint& newest, const std::set<std::string>& released);

  FileSystem& files_;
  const std::string directory_;
  const std::string writer_;
  const size_t retained_count_;
  CheckpointLog log_;
  std::vector<Retained> retained_;   // the oldest first
  bool all_readable_ = true;         // of what was retained when it was opened
  std::set<std::string> may_stand_;  // files of checkpoints that may be complete, and behind them none is
  bool appended_ = false;            // a checkpoint of this writer is complete: what is older is its own
};

}  // namespace eagre
