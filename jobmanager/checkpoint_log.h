// The numbered log of a job's complete checkpoints: what makes a checkpoint complete, and who may say so.
//
// Each entry is a file that can be created only once. Whoever takes a job over first appends a *claim*; a JobManager
// that was thought dead and goes on finds the number that it wants to use taken, so it completes nothing any more. What
// counts is the highest claim, the complete checkpoints that it carried over, and those of the same writer behind it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "jobmanager/numbered_files.h"
#include "proto/checkpoint.pb.h"

namespace eagre {

// Waits for the disk. One thread.
class CheckpointLog {
 public:
  // Whether the writer may still take logs over and close them; ABORTED when another JobManager has its place.
  using Leads = std::function<Status()>;

  // `writer` is no other's, and part of file names. `files` outlives the log. Without `leads` there is no other
  // JobManager that could have the writer's place.
  CheckpointLog(FileSystem& files, std::string directory, std::string writer, Leads leads = nullptr);

  // Nothing was ever written to it, or all of it is gone.
  StatusOr<bool> IsEmpty() const;

  struct Claimed {
    std::vector<proto::CompletedCheckpoint> completions;  // the oldest first; their folders may be gone
    Status damage;  // why the newest entries cannot be read: there may have been newer ones

    int64_t newest_id() const;  // 0: there is none
  };
  // Makes the folder when there is none, and takes the log over. Before anything else.
  //
  // `marked` are complete too, whatever the log says; those that are newer than all that it has are taken over with it,
  // and make up for newest entries that cannot be read. Otherwise a log with such damage is taken over only if
  // `permits_loss` and there are older ones: a claim that knew nothing of them would hide the damage.
  StatusOr<Claimed> Claim(int64_t time_ms, const std::vector<proto::CompletedCheckpoint>& marked = {},
                          bool permits_loss = false);
  // The checkpoint is complete once this has returned OK. ABORTED when another has taken the log over: this one can
  // append nothing any more.
  Status Append(const proto::CompletedCheckpoint& completion, int64_t time_ms);
  // After a failed Append: its entry may stand in the log all the same, and be counted by a successor. So the
  // checkpoint must stay usable.
  bool may_stand() const { return may_stand_; }
  // Whether the log is still this writer's, and this writer leads; ABORTED when not. Appends an entry to find out,
  // after which no checkpoint counts any more.
  Status Close(int64_t time_ms);
  // Removes entries that no longer count, but the newest `kept`. What cannot be removed is tried again next time.
  void Trim(size_t kept);

 private:
  StatusOr<proto::CheckpointLogEntry> Read(uint64_t number) const;
  StatusOr<Claimed> ReadCompletions(const std::vector<uint64_t>& numbers) const;
  Status Create(uint64_t number, const proto::CheckpointLogEntry& entry);
  Status AppendEntry(const proto::CheckpointLogEntry& entry);

  FileSystem& files_;
  const NumberedFiles entries_;
  const std::string writer_;
  const Leads leads_;
  uint64_t claim_ = 0;  // the number of this writer's claim; 0: none
  uint64_t next_ = 1;
  bool lost_ = false;
  bool may_stand_ = false;
};

}  // namespace eagre
