// The coordinator of a source: hosts the split enumerator and keeps the readers' splits close in event time.
//
// Alignment: readers report the watermark of their slowest split; the least of them plus the permitted drift is the
// allowed watermark, which goes to the readers that come near theirs. Readers pause splits beyond it. A reader that
// holds nobody back (it has no split, or only idle ones, or has ended) reports that and is left out, so the slowest
// split that is known is never paused and the others follow it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/operator.h"
#include "runtime/source_events.h"
#include "runtime/split_source.h"

namespace eagre {

using SplitEnumeratorFactory = std::function<StatusOr<std::unique_ptr<SplitEnumerator>>()>;

// All calls on one thread.
class SourceCoordinator final : public OperatorCoordinator, private SplitEnumerator::Context {
 public:
  SourceCoordinator(SplitEnumeratorFactory create_enumerator, const WatermarkSettings& settings)
      : create_enumerator_(std::move(create_enumerator)), settings_(settings) {}

  // A failure (no such file) fails the job.
  Status Start(OperatorCoordinator::Context& context) override;
  Status OnEvent(int subtask, std::string_view event) override;
  Status Restore(std::string_view snapshot) override;
  StatusOr<std::string> Snapshot() override { return enumerator_->Snapshot(); }

 private:
  struct Reader {
    bool registered = false;
    int64_t slowest_ms = kNoTimestamp;   // as reported
    int64_t allowed_ms = kMaxWatermark;  // as last sent
  };

  int parallelism() const override { return context_->parallelism(); }
  const Configuration& config() const override { return context_->config(); }
  const Clock& clock() const override { return context_->clock(); }
  void AssignSplits(int subtask, std::vector<SourceSplit> splits) override;
  void SignalNoMoreSplits(int subtask) override;
  void PostAfter(int64_t delay_ms, std::function<Status()> call) override;

  void Send(int subtask, const SourceEvent& event);
  void OnWatermarkReport(int subtask, int64_t watermark_ms);

  const SplitEnumeratorFactory create_enumerator_;
  const WatermarkSettings settings_;
  OperatorCoordinator::Context* context_ = nullptr;
  std::unique_ptr<SplitEnumerator> enumerator_;
  std::vector<Reader> readers_;  // by subtask
  int64_t max_drift_ms_ = 0;
};

}  // namespace eagre
