// The operator at the head of a source's chain, without its record type: drives the reader, keeps event time per split,
// and speaks for the reader with the source's coordinator. eagre/operators/source_operator.h adds the type.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/crash_report.h"
#include "runtime/operator.h"
#include "runtime/record_origin.h"
#include "runtime/source_events.h"
#include "runtime/split_source.h"
#include "runtime/watermark_emitter.h"

namespace eagre {

// How far splits may drift apart: as the source says, else as the configuration does; 0: any distance.
int64_t MaxDriftMs(const WatermarkSettings& settings, const Configuration& config);

class SplitSourceOperator : public SourceOperator, private SourceReaderContext {
 public:
  Status Open(OperatorContext& context) final;
  void CollectStates(std::vector<CheckpointedState*>& states) final { states.push_back(&splits_); }
  Status Begin() final;
  StatusOr<Produced> Produce() final;
  Status OnProcessingTime(int64_t now_ms, bool& done) final;
  int64_t NextProcessingTimeMs() const final;
  Status OnCoordinatorEvent(std::string_view bytes) final;
  Status OnBarrier(int64_t checkpoint_id, bool& done) final {
    done = true;
    return reader_->OnBarrier(checkpoint_id, done);
  }
  Status OnCheckpointComplete(int64_t checkpoint_id) final;
  OriginRef record_origin() const final { return origin_; }

 protected:
  // What one call of the reader did.
  struct BatchRead {
    ReadResult result = ReadResult::kNothingNow;
    std::string_view split_id;  // of the records; empty when there are none
    bool split_finished = false;
    size_t records = 0;
    int64_t watermark_ms = kNoTimestamp;  // that follows from the records
    bool watermark_at_once = false;       // it is not to wait for the interval
  };

  SplitSourceOperator(const WatermarkSettings& settings, Poison policy);

  // The attempt hunts for a poison record: ReadBatch is to read one.
  bool isolating() const { return isolation_ != nullptr; }
  // That one was read, or `records` by a reader that heeds no limit; what happens from now on is its work. True when it
  // is known as poison: it is to be taken back, and is counted when it is skipped. Never when it cannot be taken back
  // (`final`). REQUIRES: isolating().
  bool BeginIsolated(std::string_view split_id, size_t records, bool final);
  Poison policy() const { return policy_; }
  const RecordOrigin& isolated() const { return isolated_; }

  // Called once, in Open; the operator that derives from this owns the reader.
  virtual StatusOr<SplitReader*> OpenReader() = 0;
  virtual StatusOr<BatchRead> ReadBatch() = 0;
  // Before periodic watermarks: for generators that say more than ReadBatch did. And when a split is at its end.
  virtual void OnPeriodicWatermarks([[maybe_unused]] SplitWatermarks& splits) {}
  virtual void OnSplitEnd([[maybe_unused]] std::string_view split_id) {}

 private:
  int subtask() const final { return context_->subtask(); }
  int parallelism() const final { return context_->parallelism(); }
  const Configuration& config() const final { return context_->config(); }
  const Clock& clock() const final { return context_->clock(); }
  void RequestSplit() final;
  void Wake() final { context_->waker().Wake(); }
  void CountSkipped(int64_t records) final { context_->metrics().records_skipped->Add(records); }
  MetricScope metric_scope() const final { return context_->metric_scope(); }

  void Send(const SourceEvent& event);
  Status OnAssigned(std::vector<SourceSplit> splits);
  Status OnAllowedWatermark(int64_t allowed_ms);
  void Align(bool report_anyway);

  const WatermarkSettings settings_;
  const Poison policy_;
  WatermarkEmitter emitter_;
  SplitReader* reader_ = nullptr;
  WholeState splits_;  // those of the reader, with their positions
  std::vector<SourceSplit> restored_;
  Counter* splits_processed_ = nullptr;
  bool waiting_ = false;  // the reader said that it has nothing now
  // Isolation; of a split, the state that this attempt began with and the records read since.
  struct Progress {
    std::string from;
    int64_t records = 0;
  };
  const SourceIsolation* isolation_ = nullptr;
  int64_t isolated_until_ms_ = 0;
  std::map<std::string, Progress, std::less<>> progress_;
  RecordOrigin isolated_;
  OriginRef origin_;           // of the record that was read last
  OperatorIdentity identity_;  // this operator's, with the origin
  // Alignment; see SourceCoordinator.
  int64_t max_drift_ms_ = 0;
  int64_t allowed_ms_ = kMaxWatermark;
  int64_t reported_ms_ = kNoTimestamp;
};

}  // namespace eagre
