// What a checkpoint sees of a state, whatever it holds and wherever it lies.
//
// A checkpoint costs what changed and stops nobody for long. The barrier only *seals* the entries that have changed
// since the one before, which are then encoded in slices while the stream goes on: a state encodes an entry of the
// sealed set at the latest before it changes it again. What comes out is a *delta*. Now and then the runtime asks for a
// *base*, a copy of everything, also in slices; it may mix older and newer entries, since each change since its
// beginning stands in a later delta as well. A state is restored from the last base and the deltas after it.
//
// A state that is small (the positions of a source, what a sink is about to commit) is simply encoded whole at every
// barrier: see WholeState.
//
// All calls come from the slot's thread, in this order: { BeginRestore, Restore* } for each stored part, FinishRestore,
// then any number of
// { Seal, EncodeSealed until it returns true }, with BeginBase / EncodeBase in between, never two of a kind at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "state/state_entry.h"

namespace eagre {

enum class StateDistribution : uint8_t { kKeyed, kSplit, kUnion, kBroadcast };  // as in proto/checkpoint.proto

// The name of the state of a sink that commits in two phases: what is committed when the checkpoint is complete.
inline constexpr char kCommittablesStateName[] = "committables";

class CheckpointedState {
 public:
  virtual ~CheckpointedState() = default;

  // Unique within its operator and the same in every version of the job: the state's address.
  virtual const std::string& name() const = 0;
  virtual StateDistribution distribution() const = 0;
  // What the entries encode, to be compared when they are restored.
  virtual std::string schema() const = 0;
  // Whether EncodeSealed gives only what changed. False: it gives everything, and there are no bases.
  virtual bool incremental() const = 0;

  // Fixes what EncodeSealed will give: what has changed since the last Seal (or the beginning), as it is now. Takes no
  // time that grows with the state.
  virtual void Seal() = 0;
  // Appends entries until the writer has grown by about `max_bytes`, as much work was done as a slice may take, or all
  // are given; true in the last case.
  virtual bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) = 0;

  // Why nothing is encoded any more, when EncodeSealed, EncodeBase or WriteBack have given up.
  virtual Status error() const { return OkStatus(); }
  // EncodeBase and WriteBack can do nothing before the store takes writes again, for which the task is woken.
  virtual bool waits() const { return false; }

  // What else must have happened before what was sealed counts, such as the sync of files that it names; may be empty.
  // Taken after Seal, called once on a thread that may wait for the disk.
  virtual std::function<Status()> TakeBeforeAcknowledge() { return nullptr; }

  // Where a state lies in a store of the slot's database, of which local snapshots are made
  // (state/database_snapshot.h): which store, the epoch up to which changes may stand in it, and how many entries it
  // has, about.
  struct StorePart {
    uint32_t store = 0;
    uint32_t epoch = 0;
    int64_t entries = 0;
  };
  virtual std::optional<StorePart> store_part() const { return std::nullopt; }
  // Before a snapshot is made the store must have everything from before it: BeginWriteBack, then WriteBack, which does
  // a slice, until it is true. Not during a base.
  virtual void BeginWriteBack() {}
  virtual bool WriteBack() { return true; }
  // Between BeginRestore and the first entry: the store was opened with what a snapshot has of this state, and the
  // segments that stand in it are not restored. FinishRestore(true) must follow.
  virtual Status AdoptStore(const StorePart& part) {
    static_cast<void>(part);
    return Internal("state '{}' lies in no store", name());
  }

  virtual void BeginBase() {}
  virtual bool EncodeBase(StateEntryWriter&, size_t) { return true; }

  // Before the entries of a part that was stored under a schema, which may be that of an older version of the program.
  // FAILED_PRECONDITION, listing what differs, when they cannot be read.
  virtual Status BeginRestore(const std::string& stored_schema) {
    if (stored_schema == schema()) return OkStatus();
    return FailedPrecondition("state '{}' was stored as '{}' and is '{}' now", name(), stored_schema, schema());
  }
  // Applies one entry. Keyed: only those of this subtask's key groups come. DATA_LOSS when it is malformed.
  virtual Status Restore(const StateEntry& entry) = 0;
  // `inherited`: the segments restored from stay the beginning of this state's chain, so nothing counts as changed.
  // They must be of this schema. Otherwise everything restored counts as changed, and the next delta has it all.
  virtual Status FinishRestore(bool inherited) {
    static_cast<void>(inherited);
    return OkStatus();
  }
};

// A small state that is encoded whole, by functions of its owner.
class WholeState final : public CheckpointedState {
 public:
  struct Functions {
    std::function<void(StateEntryWriter&)> encode;
    std::function<Status(const StateEntry&)> restore;
    std::function<std::function<Status()>()> before_acknowledge = nullptr;  // see TakeBeforeAcknowledge
  };
  WholeState(std::string name, StateDistribution distribution, std::string schema, Functions functions)
      : name_(std::move(name)),
        distribution_(distribution),
        schema_(std::move(schema)),
        functions_(std::move(functions)) {}

  const std::string& name() const override { return name_; }
  StateDistribution distribution() const override { return distribution_; }
  std::string schema() const override { return schema_; }
  bool incremental() const override { return false; }
  void Seal() override { functions_.encode(sealed_); }
  bool EncodeSealed(StateEntryWriter& out, size_t) override {
    out.Append(sealed_);
    return true;
  }
  Status Restore(const StateEntry& entry) override { return functions_.restore(entry); }
  std::function<Status()> TakeBeforeAcknowledge() override {
    return functions_.before_acknowledge ? functions_.before_acknowledge() : nullptr;
  }

 private:
  const std::string name_;
  const StateDistribution distribution_;
  const std::string schema_;
  const Functions functions_;
  StateEntryWriter sealed_;
};

}  // namespace eagre
