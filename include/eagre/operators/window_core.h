// The part of window operators that is blind to record types: which slices are open, what is late, what fires next.
//
// Windows whose end is the same for all keys keep one table per open slice, which is fired by walking it and dropped
// whole. There is no timer per key, and the common record finds its slice without a look-up.
//
// With a backend that has a store, segments of the tables are evicted to it when the slot holds too much, those of
// windows that nothing was added to lately first. Until then nothing costs more than in memory.
//
// In checkpoints an entry is what one key has in one window: its key is the window's start (int64) and the encoded
// record key. Nothing is ever erased: what the watermark of the checkpoint has passed was fired.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eagre/window.h"
#include "record/stored_schema.h"
#include "runtime/operator.h"
#include "runtime/watermark_state.h"
#include "state/change_epochs.h"
#include "state/checkpointed_state.h"
#include "state/spilled_state.h"
#include "state/state_backend.h"

namespace eagre {

// The contents of one open window; what it holds is the derived class's business.
struct WindowSlice {
  virtual ~WindowSlice() = default;
  virtual size_t memory_bytes() const = 0;

  TimeWindow window;
  bool spilled = false;         // the store may have entries of it
  bool firing = false;          // and nothing of it is to be evicted
  uint64_t evict_position = 0;  // of the segment that goes next
  std::string fire_position;    // of the scan of the store
};

class WindowOperatorBase;

// What checkpoints see of all open slices.
class WindowState final : public CheckpointedState {
 public:
  explicit WindowState(WindowOperatorBase& owner) : owner_(owner) {}

  const std::string& name() const override;
  StateDistribution distribution() const override { return StateDistribution::kKeyed; }
  std::string schema() const override;
  bool incremental() const override { return true; }
  void Seal() override;
  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) override;
  void BeginBase() override;
  bool EncodeBase(StateEntryWriter& out, size_t max_bytes) override;
  Status BeginRestore(const std::string& stored_schema) override;
  Status Restore(const StateEntry& entry) override;
  Status FinishRestore(bool inherited) override;
  Status error() const override;

  // Of the accumulators being restored; null: the current one.
  const StoredSchema* stored_accumulator() const { return stored_ ? &*stored_ : nullptr; }
  ChangeEpochs& epochs() { return epochs_; }
  // Where entries of the sealed epoch go that are about to change.
  StateEntryWriter& sealed_out() { return sealed_out_.back(); }
  // Where entries go that are evicted while a base is taken, which might look for them in vain; null: none is.
  StateEntryWriter* base_out() { return base_running_ ? &base_out_.back() : nullptr; }
  // The entry of the store belongs to the sealed epoch and is about to go.
  void EncodeStored(const StoredEntry& entry, std::string_view key);

 private:
  // A walk over all slices in the order of their starts, segment by segment.
  struct Walk {
    bool done = true;
    int64_t start = kNoTimestamp;  // of the slice that is next
    uint64_t position = 0;         // in it
  };
  Status MakeRoomRestoring();
  bool EncodeFrom(Walk& walk, bool pending_only, StateEntryWriter& out, size_t max_bytes);

  WindowOperatorBase& owner_;
  std::optional<StoredSchema> stored_;
  ChangeEpochs epochs_;
  StateEntryPieces sealed_out_;
  Walk sealed_walk_;
  Walk base_walk_;
  bool base_running_ = false;
  StateEntryPieces base_out_;
  size_t restored_ = 0;
};

class WindowOperatorBase : public Operator, public EvictableState {
 public:
  WindowOperatorBase(TumblingEventTimeWindows windows, std::vector<std::string> side_outputs);
  ~WindowOperatorBase() override;

  Status Open(OperatorContext& context) override;
  bool takes_views() const override { return true; }
  // Fires the windows whose last millisecond the watermark has reached, the earliest first; resumable.
  Status OnWatermark(int64_t watermark, bool& done) override;
  void CollectStates(std::vector<CheckpointedState*>& states) override;
  // The slot has no room for more, and its store takes nothing now.
  bool blocked() const override;
  Status Evict(size_t bytes) override;

 protected:
  friend class WindowState;
  virtual std::unique_ptr<WindowSlice> NewSlice() = 0;
  // Emits the slice's results until an output is full; `done` when it is empty.
  virtual Status FireSlice(WindowSlice& slice, bool& done) = 0;
  // Whether slices are tables that can be evicted by EvictSegment.
  virtual bool has_segments() const { return false; }
  // Moves the segment at slice.evict_position to the store, and on to the next. False: the store takes nothing now.
  virtual StatusOr<bool> EvictSegment(WindowSlice&) { return true; }
  // The parts of the schema that tell key and accumulator: lines "key: TYPE" and "accumulator: TYPE".
  virtual std::string EntrySchema() const = 0;
  // Encodes a bounded part of the slice from `position` on, or of it what is pending; false at the slice's end.
  virtual bool EncodeEntries(WindowSlice& slice, uint64_t& position, bool pending_only, StateEntryWriter& out) = 0;
  // `key` is the encoded record key.
  virtual Status RestoreEntry(WindowSlice& slice, uint64_t hash, ByteReader& key, ByteReader& value) = 0;
  // All entries stand in checkpoints already.
  virtual void MarkUnchanged(WindowSlice& slice) = 0;

  // The slice of a record that the current slice does not hold; it becomes the current one. Null when the record is
  // late, which is then counted. Throws when it has no timestamp.
  WindowSlice* EnterSlice(int64_t timestamp);
  // True when `timestamp` belongs to the current slice.
  bool InCurrentSlice(int64_t timestamp) const { return timestamp >= current_start_ && timestamp < current_end_; }
  WindowSlice* current_slice() const { return current_; }
  // After a batch: counters, gauges and room.
  Status FinishBatch();
  // Before a batch: false when it must wait until there is room.
  StatusOr<bool> MakeRoom();
  // Null: there is no store.
  SpilledState* spilled() { return spilled_.get(); }
  bool any_spilled() const { return any_spilled_; }
  bool may_wait() const { return backend_->may_wait(); }  // there is a store
  // The open slice of the record, and its span; null when there is none.
  WindowSlice* FindSlice(int64_t timestamp, TimeWindow& window) const;

  bool AnyOutputFull() const { return output_->full() || side_outputs_.AnyFull(); }
  eagre::Output& output() { return *output_; }
  // For functions of the window being fired.
  WindowContext& window_context() { return window_context_; }
  WindowState& state() { return state_; }
  ChangeEpochs& epochs() { return state_.epochs(); }

 private:
  // The open slice of the window; it is opened if need be.
  WindowSlice& OpenSlice(const TimeWindow& window);
  size_t MemoryBytes() const;

  const TumblingEventTimeWindows windows_;
  internal::SideOutputs side_outputs_;
  WindowContext window_context_;
  eagre::Output* output_ = nullptr;
  int64_t watermark_ = kNoTimestamp;
  WatermarkState watermark_state_;
  WindowState state_{*this};
  int64_t late_in_batch_ = 0;

  StateBackend* backend_ = nullptr;
  std::unique_ptr<SpilledState> spilled_;
  bool any_spilled_ = false;  // a slice
  StateBackend::Share share_;

  std::map<int64_t, std::unique_ptr<WindowSlice>> slices_;  // by start
  std::unique_ptr<WindowSlice> spare_;                      // the last one fired, with its memory, for the next to open
  // The slice that the last record went to: an empty span when there is none.
  WindowSlice* current_ = nullptr;
  int64_t current_start_ = 0;
  int64_t current_end_ = 0;

  Gauge* windows_gauge_ = nullptr;
  Gauge* bytes_gauge_ = nullptr;
};

}  // namespace eagre
