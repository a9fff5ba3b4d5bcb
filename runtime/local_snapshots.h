// Snapshots of the database below a slot's state, on the disk of its machine, from which the next attempt there begins
// without reading the state: execution.state-recovery.from-local.
//
// A snapshot is fuzzy, like a base: it is begun between two checkpoints, by writing back what the store does not have
// yet, and what changes before it is made may stand in it. All of that stands in the deltas after its beginning as
// well. So it takes the place of the segments that a state's chain had at its beginning, for every checkpoint whose
// barrier came after it was made, while the attempt that made it was still there; the deltas behind those segments are
// restored on top of it. When a new base has taken the place of these segments it cannot be used any more. An attempt
// that began with it goes on from there, so that it serves the checkpoints of that one as well.
//
// Layout: <directory>/<slot>-<attempt>-<n>/ has the database's files, and <same>.snapshot the message LocalSnapshot of
// proto/checkpoint.proto in the frame of a checkpoint's metadata. The latter comes last and says how long each file is;
// the database has checksums of its own. A snapshot is removed when a checkpoint is complete for which there is a newer
// one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "state/state_backend.h"

namespace eagre {

// On the slot's thread, but for Open.
class LocalSnapshots {
 public:
  // A task of the slot that has states in the database.
  class Member {
   public:
    virtual ~Member() = default;
    // A snapshot is to be made: as soon as it can, the member writes back what its states have, and calls
    // OnWrittenBack.
    virtual void OnWanted() = 0;
    // It has been made. Adds the states, and moves valid_from behind all checkpoints whose barrier has come.
    virtual void Describe(proto::LocalSnapshot& snapshot) = 0;
  };
  struct Options {
    FileSystem* files = nullptr;
    Executor* io = nullptr;  // may wait for the disk
    std::string directory;   // of the job's snapshots
    std::string slot;        // without '-'
    std::string job_id;
    int attempt = 0;
    // Runs `mail` on the slot's thread; any thread.
    std::function<void(std::function<Status()> mail)> post;
  };

  // `backend` outlives it.
  LocalSnapshots(Options options, StateBackend& backend);
  ~LocalSnapshots();
  LocalSnapshots(const LocalSnapshots&) = delete;
  LocalSnapshots& operator=(const LocalSnapshots&) = delete;

  // Looks for a snapshot to begin with, has the backend open it and removes the others. Before the slot begins; waits
  // for the disk. `restored`: the checkpoint of this job that is restored, taken by `restored_attempt`; null when it
  // is none.
  void Open(const proto::CheckpointMetadata* restored, int restored_attempt);
  // What the backend was opened with of a state; null: it is to be restored from the checkpoint alone.
  const proto::LocalSnapshotState* Find(const std::string& operator_id, int subtask, const std::string& state) const;

  void Join(Member& member) { members_.push_back({&member}); }
  // It has no states any more.
  void Leave(Member& member);
  // A new snapshot would be of use. Nothing while one is being made.
  void Request();
  void OnWrittenBack(Member& member);
  void OnCheckpointComplete(int64_t checkpoint_id);

 private:
  struct Joined {
    Member* member;
    bool written_back = false;
  };
  struct Kept {
    std::string path;
    int64_t valid_from;
  };
  enum class Phase : uint8_t { kIdle, kWritingBack, kMaking };

  void MakeWhenWrittenBack();
  void OnMade(const std::string& path, StatusOr<std::vector<StateBackend::SnapshotFile>> files);
  // Removes a snapshot, on the thread for files.
  void Remove(const std::string& path) const;
  // Keeps of a snapshot the states whose chains still begin with what it covers.
  static void DropOthers(proto::LocalSnapshot& snapshot, const proto::CheckpointMetadata& restored);

  const Options options_;
  StateBackend& backend_;
  proto::LocalSnapshot source_;
  std::vector<Joined> members_;
  std::vector<Kept> kept_;  // the oldest first
  Phase phase_ = Phase::kIdle;
  int made_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for mail
};

}  // namespace eagre
