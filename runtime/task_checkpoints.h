// The checkpoints of one task: seals its operators' states at the barrier, encodes what changed in slices between the
// task's steps, has it written by an I/O thread, and acknowledges with the chain of segments that makes up each state.
//
// A chain is a base and the deltas after it. When the deltas outgrow the base, a new base is encoded in the background;
// when they are many and small beside it, they are merged, so that what is written follows from what changes and not
// from how large the state is. What cannot be written is not lost for later: the task declines checkpoints until a new
// base has been written.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/control.pb.h"
#include "runtime/buffer_pool.h"
#include "runtime/in_flight.h"
#include "runtime/local_snapshots.h"
#include "runtime/restore_plan.h"
#include "runtime/task_files.h"
#include "state/checkpointed_state.h"

namespace eagre {

struct TaskCheckpointsOptions {
  FileSystem* files = nullptr;
  Executor* io = nullptr;  // may wait for the disk
  const Clock* clock = nullptr;
  std::string directory;                // of the job's checkpoints
  std::string local_directory;          // for copies of its files; empty: none are kept
  LocalSnapshots* snapshots = nullptr;  // of the slot; null: none are made
  // State that is smaller is restored quickly without a snapshot; more that is restored on top of one calls for
  // another.
  uint64_t smallest_snapshot_bytes = 16 << 20;
  uint64_t most_snapshot_delta_bytes = 64 << 20;
  int attempt = 0;
  int vertex = 0;
  int subtask = 0;
};

// On the slot's thread, which owns it. Outlives nothing: handlers may be called until it is destroyed.
class TaskCheckpoints final : private LocalSnapshots::Member {
 public:
  struct Handlers {
    // Runs `mail` on the slot's thread; any thread.
    std::function<void(std::function<Status()> mail)> post;
    // To the JobManager. On the slot's thread.
    std::function<void(proto::CheckpointReport report)> report;
  };

  TaskCheckpoints(TaskCheckpointsOptions options, Handlers handlers);
  ~TaskCheckpoints() override;

  // The states of the chain's next node. In the order of the nodes, before anything else.
  void AddOperator(std::string operator_id, std::vector<CheckpointedState*> states);
  // Brings all states back, from nothing when `plan` is null. May wait for the disk.
  Status Restore(const RestorePlan* plan, const RestorePlan::Position& position);

  // A barrier enters the chain, is handled by one node after another, and has passed the last.
  void Begin(int64_t checkpoint_id, int64_t trigger_ms, int64_t alignment_ms);
  void Seal(size_t node);
  void AllSealed();
  // What the barrier overtook before a node; between Begin and the end of the in-flight part.
  void AddInFlight(size_t node, InFlightEncoder::Stored stored);
  // After Begin: the checkpoint has a part in flight that is not known yet when all is sealed. It is not acknowledged
  // before OnInFlightKnown, and not at all after OnInFlightLost.
  void AwaitInFlight() { awaits_in_flight_ = true; }
  void OnInFlightKnown(int64_t alignment_ms);
  void OnInFlightLost();
  // A new barrier must wait: the states are still being encoded for the one before.
  bool sealing() const { return encoding_; }
  // Something acknowledged is not written yet.
  bool writing() const { return writing_ > 0; }
  // Files and local copies that nobody needs any more are removed. `may_be_complete`: the checkpoint was aborted, and
  // may stand in the log all the same.
  void OnComplete(int64_t checkpoint_id);
  void OnAborted(int64_t checkpoint_id, bool may_be_complete);

  // Encodes one slice; false when there was nothing to do (now). When a state has failed it fails the task, by mail.
  bool Step();

  // Tells the JobManager that this task cannot take part.
  void Decline(int64_t checkpoint_id, std::string reason);
  // What its checkpoints say of its operators from now on, as they do from ReportEnd on.
  void SetFinished() { ended_ = true; }
  void ReportEnd(bool awaits_commit);  // after the last acknowledgement

 private:
  struct Written {
    size_t state;
    proto::StateSegment segment;
    uint64_t key_bytes;
  };
  class File;
  class Merge;
  struct Run {  // what one checkpoint added to a chain, or a merge made of several of these
    size_t segments = 0;
    uint64_t bytes = 0;
    uint64_t index_bytes = 0;  // of a merge
  };
  struct Chain {
    CheckpointedState* state = nullptr;
    size_t node = 0;
    std::vector<proto::StateSegment> segments;
    uint64_t base_bytes = 0;
    uint64_t delta_bytes = 0;
    std::vector<Run> deltas;               // since the base
    size_t superseded = 0;                 // segments that the base under way takes the place of
    std::vector<proto::StateSegment> cut;  // what it had when the newest local snapshot was begun
  };
  struct InFlight {
    size_t node = 0;
    proto::StateSnapshot snapshot;
  };
  struct Checkpoint {
    int64_t id = 0;
    int64_t trigger_ms = 0;
    int64_t alignment_ms = 0;
    std::shared_ptr<File> file;  // null until there is something to write
    uint64_t bytes = 0;
    uint64_t in_flight_bytes = 0;  // of them
    std::vector<InFlight> in_flight;
    bool in_flight_lost = false;
  };

  static constexpr size_t kSliceBytes = 128 * 1024;  // encoded between two steps of the task
  static constexpr size_t kSegmentBytes = 4 << 20;   // handed to the disk at once
  static constexpr size_t kReservedBytes = kSegmentBytes + 2 * kSliceBytes;
  static constexpr uint64_t kMostUnwrittenBytes = 16 << 20;
  static constexpr uint64_t kSmallestBaseBytes = 4 << 20;
  static constexpr size_t kMostDeltas = 24, kFewestMerged = 8;
  bool broken() const { return lost_deltas_ != healed_deltas_; }
  std::string DeltaName() const;
  // More than a slice is there: it will be a whole segment.
  static void MakeRoom(StateEntryWriter& entries) {
    if (entries.bytes() > kSliceBytes) entries.Reserve(kReservedBytes);
  }
  bool Fails(const CheckpointedState& state);
  bool EncodeSlice();
  bool EncodeBaseSlice();
  void MaybeBeginBase();
  static void WantBase(Chain& chain);
  static size_t MergeableRuns(const Chain& chain);
  void BeginMerge(size_t chain, size_t runs);
  void OnMerged(const Merge& merge, StatusOr<std::vector<Written>> written);
  void Write(StateEntryWriter& entries, std::shared_ptr<File>& file, const std::string& what, size_t state);
  struct Content {  // of a segment
    std::string bytes;
    uint64_t entries = 0;
    uint64_t key_bytes = 0;
  };
  void Write(Content content, std::shared_ptr<File>& file, const std::string& what, size_t state);
  // `first`: what must have happened before, too.
  void FinishFile(std::shared_ptr<File> file, std::vector<std::function<Status()>> first,
                  std::function<void(StatusOr<std::vector<Written>>)> then);
  void OnDeltaWritten(Checkpoint checkpoint, StatusOr<std::vector<Written>> written);
  void OnBaseWritten(StatusOr<std::vector<Written>> written);
  void Acknowledge(const Checkpoint& checkpoint);
  bool WriteBackSlice();
  void MaybeBeginWriteBack();
  void MaybeRequestSnapshot();
  void OnWanted() override;
  void Describe(proto::LocalSnapshot& snapshot) override;
  std::set<std::string> FilesOfChains() const;
  void RemoveUnusedFiles() { files_.RemoveUnused(FilesOfChains()); }
  proto::CheckpointReport NewReport(int64_t checkpoint_id, proto::CheckpointReport::Kind kind) const;

  const TaskCheckpointsOptions options_;
  const Handlers handlers_;
  std::vector<std::string> operator_ids_;
  std::vector<Chain> chains_;
  StateEntryWriter delta_;  // what is encoded of the chain at next_chain_ and not handed to the disk yet
  StateEntryWriter base_;   // the same of next_base_

  Checkpoint checkpoint_;  // the newest
  bool encoding_ = false;
  bool awaits_in_flight_ = false;
  size_t next_chain_ = 0;  // being encoded
  int writing_ = 0;        // checkpoints whose file is not written yet

  bool base_running_ = false;  // from its beginning until it is written
  bool base_encoding_ = false;
  size_t next_base_ = 0;
  int bases_ = 0;
  std::shared_ptr<File> base_file_;
  bool merging_ = false;
  bool ended_ = false;
  bool failed_ = false;  // a state cannot be encoded, of which the task was told

  TaskFiles files_;
  bool snapshot_wanted_ = false;
  bool writing_back_ = false;
  size_t next_write_back_ = 0;
  bool base_since_cut_ = true;  // so that the newest snapshot, if there is one, is of no use any more
  uint64_t bytes_since_cut_ = 0;
  int64_t newest_begun_ = 0;
  // Deltas that could not be written. A base makes up for those lost before it began.
  int64_t lost_deltas_ = 0;
  int64_t lost_before_base_ = 0;  // of the base under way
  int64_t healed_deltas_ = 0;
  std::shared_ptr<std::atomic<uint64_t>> unwritten_bytes_;
  // New memory is dear: the system hands it out page by page, and each has to be cleared.
  std::shared_ptr<BufferPool> buffers_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for mail
};

}  // namespace eagre
