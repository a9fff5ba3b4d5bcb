// Which files a task has written, and who refers to them: those that only aborted checkpoints had are removed while the
// job runs, and so are local copies that no restart can need. Of what a complete checkpoint refers to the copies alone
// are removed: its files are the JobManager's from then on (jobmanager/checkpoint_storage.h).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/file_system.h"

namespace eagre {

// On the slot's thread; removes on `io`, which may wait for the disk. Names are relative to the folders: "shared/...".
class TaskFiles {
 public:
  // `suffix`: how the names of this subtask's files end. Without a local folder there are no copies. `files` and `io`
  // outlive it.
  TaskFiles(FileSystem& files, Executor& io, std::string directory, std::string local_directory, std::string suffix);

  // What the task begins with, and stays a restart's until a checkpoint is complete. Removes the copies that earlier
  // attempts left besides.
  void OnRestored(std::set<std::string> files);
  void OnWritten(const std::string& file);
  void OnAcknowledged(int64_t checkpoint_id, std::set<std::string> files);
  // Those before it, of which nothing was heard, may be complete as well.
  void OnComplete(int64_t checkpoint_id);
  // It is in no log, and never will be.
  void OnAborted(int64_t checkpoint_id);
  // What became of the checkpoint is decided: without this task's part, if that was not acknowledged.
  bool decided(int64_t checkpoint_id) const { return checkpoint_id <= newest_decided_; }

  // Removes what neither `current`, what the next checkpoint builds on, nor a checkpoint refers to.
  void RemoveUnused(const std::set<std::string>& current);

 private:
  void Remove(const std::string& directory, std::vector<std::string> names) const;

  FileSystem& files_;
  Executor& io_;
  const std::string directory_;
  const std::string local_directory_;
  const std::string suffix_;
  std::set<std::string> own_;  // written by this attempt, and no complete checkpoint refers to them
  std::set<std::string> copies_;
  // The newest complete one, and those after it that are not known to be aborted; 0 is what the task began with.
  std::map<int64_t, std::set<std::string>> acknowledged_;
  int64_t newest_decided_ = 0;
};

}  // namespace eagre
