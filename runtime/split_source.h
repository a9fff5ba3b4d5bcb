// A source as the runtime sees it: splits, the enumerator that hands them out, and the reader that holds some of them.
//
// A *split* is a part of the input that one reader reads in order: a range of a file, a partition of a topic, a range
// of numbers. One *enumerator* per source finds the splits and gives them to the readers, one *reader* per subtask
// turns them into records. The two never meet: they may be on different machines and speak through the contexts below.
// include/eagre/source.h adds the record type.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/status.h"
#include "runtime/operator.h"

namespace eagre {

enum class Boundedness { kBounded, kContinuousUnbounded };

// A split in transit or at rest: its name, unique within the source, and the connector's own encoding of what it is and
// of the position to read on from. A checkpoint consists of such values.
struct SourceSplit {
  std::string id;
  std::string state;
  bool operator==(const SourceSplit&) const = default;
};

// Finds splits and gives them to readers. One per source and attempt; all calls on one thread, never during another.
class SplitEnumerator {
 public:
  // Valid from Start until the enumerator is destroyed.
  class Context {
   public:
    virtual ~Context() = default;
    // The number of readers: subtasks 0 to parallelism() - 1.
    virtual int parallelism() const = 0;
    virtual const Configuration& config() const = 0;
    virtual const Clock& clock() const = 0;
    virtual void AssignSplits(int subtask, std::vector<SourceSplit> splits) = 0;
    // The reader ends when it has read what it was given.
    virtual void SignalNoMoreSplits(int subtask) = 0;
    // Runs `call` on this enumerator's thread after at least `delay_ms`: for discovery while running.
    virtual void PostAfter(int64_t delay_ms, std::function<Status()> call) = 0;
  };

  virtual ~SplitEnumerator() = default;
  // Before Start, when the job goes on from a checkpoint: what Snapshot returned then.
  virtual Status Restore(std::string_view snapshot) = 0;
  virtual Status Start(Context& context) = 0;
  // Once per reader, before anything else of it. `held` are the unfinished splits that it has from a checkpoint.
  virtual Status OnReaderRegistered([[maybe_unused]] int subtask,
                                    [[maybe_unused]] const std::vector<SourceSplit>& held) {
    return OkStatus();
  }
  // The reader wants a split. The answer may come later, or never when the source gives splits out by itself.
  virtual Status OnSplitRequest(int subtask) = 0;
  // The reader has read this split to its end.
  virtual Status OnSplitFinished([[maybe_unused]] int subtask, [[maybe_unused]] std::string_view split_id) {
    return OkStatus();
  }
  // Splits that a failed reader had; they go to whoever asks next.
  virtual Status AddSplitsBack(int subtask, std::vector<SourceSplit> splits) = 0;
  // What a successor needs to go on: the splits not given out, and what is known about those that were. Those given out
  // are the readers' part of the checkpoint.
  virtual std::string Snapshot() const = 0;
};

// What a reader may use, from Start until it is destroyed. On the slot's thread, but for Wake.
class SourceReaderContext {
 public:
  virtual ~SourceReaderContext() = default;
  virtual int subtask() const = 0;
  virtual int parallelism() const = 0;
  virtual const Configuration& config() const = 0;
  virtual const Clock& clock() const = 0;
  // Asks the enumerator for a split; it arrives by AddSplits, or NoMoreSplits says that there is none.
  virtual void RequestSplit() = 0;
  // Has Read called again after it returned kNothingNow. Any thread.
  virtual void Wake() = 0;
  // Counts input that was dropped by policy.
  virtual void CountSkipped(int64_t records) = 0;
  // For metrics of the reader's own.
  virtual MetricScope metric_scope() const = 0;
};

enum class ReadResult {
  kMore,        // call again
  kNothingNow,  // the reader wakes the slot when there is something (or NextReadMs comes)
  kEnd,         // NoMoreSplits was said and everything is read
};

// The part of a reader that does not depend on the record type. One thread, and no call may wait.
class SplitReader {
 public:
  virtual ~SplitReader() = default;
  // Before anything else. Readers that ask for splits ask for the first one here.
  virtual Status Start(SourceReaderContext& context) = 0;
  virtual Status AddSplits(std::vector<SourceSplit> splits) = 0;
  virtual Status NoMoreSplits() = 0;
  // Must not read paused splits, which are ahead of the others in event time, until they are resumed. When all are
  // paused, Read returns kNothingNow.
  virtual void PauseSplits(const std::vector<std::string>& split_ids) = 0;
  virtual void ResumeSplits(const std::vector<std::string>& split_ids) = 0;
  // The unfinished splits with their positions: everything before them was emitted.
  virtual std::vector<SourceSplit> Snapshot() const = 0;
  // The place of the record that Read emitted last in its split, the same whenever it is read, for users: "byte 4711".
  // Empty: they count the records from where an attempt began to read.
  virtual std::string RecordPosition() const { return {}; }
  // A barrier has come; Snapshot follows once `done`. A reader that leaves it false (something that it has sent away is
  // not there yet) wakes the slot when it is worth asking again.
  virtual Status OnBarrier([[maybe_unused]] int64_t checkpoint_id, [[maybe_unused]] bool& done) { return OkStatus(); }
  // That checkpoint, and with it those before it, is complete.
  virtual Status OnCheckpointComplete([[maybe_unused]] int64_t checkpoint_id) { return OkStatus(); }
  // Readers that ask for splits get one as long as there are any, so one without holds event time back. Where the
  // enumerator gives splits out by itself, a reader that AddSplits was called for, maybe with none, has what is there
  // for it; without splits it is then idle.
  virtual bool idle_without_splits() const { return false; }
  // When Read is worth calling though nobody woke the slot (wall time); kMaxWatermark: never.
  virtual int64_t NextReadMs() const { return kMaxWatermark; }
};

// How event time is made of a source's or stream's timestamps; see include/eagre/watermark_strategy.h.
struct WatermarkSettings {
  enum class Kind { kNone, kBoundedOutOfOrderness, kGenerator };
  Kind kind = Kind::kNone;
  int64_t out_of_orderness_ms = 0;
  int64_t idleness_ms = 0;  // 0: never idle
  // Alignment of a source's splits: how far one may be ahead of the slowest. kFromConfig: as
  // pipeline.watermark-alignment.max-drift says; 0: any distance.
  static constexpr int64_t kFromConfig = -1;
  int64_t max_drift_ms = kFromConfig;

  // The watermark after a record of this timestamp; kNoTimestamp when there is none.
  int64_t WatermarkAfter(int64_t max_timestamp_ms) const {
    if (kind != Kind::kBoundedOutOfOrderness || max_timestamp_ms == kNoTimestamp) return kNoTimestamp;
    // A timestamp so small that the bound cannot be subtracted says nothing about time.
    int64_t watermark = 0;
    if (__builtin_sub_overflow(max_timestamp_ms, out_of_orderness_ms + 1, &watermark)) return kNoTimestamp;
    return watermark;
  }
};

}  // namespace eagre
