// The typed half of a source's operator. SourceStream calls the two functions at the end; see split_source_operator.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eagre/poison.h"
#include "eagre/source.h"
#include "eagre/watermark_strategy.h"
#include "record/json.h"
#include "runtime/source_coordinator.h"
#include "runtime/split_source_operator.h"

namespace eagre {

template <typename T>
class TypedSourceOperator final : public SplitSourceOperator {
 public:
  TypedSourceOperator(std::shared_ptr<const Source<T>> source, WatermarkStrategy<T> strategy, Poison policy,
                      std::vector<std::string> side_outputs)
      : SplitSourceOperator(strategy.settings(), policy),
        source_(std::move(source)),
        strategy_(std::move(strategy)),
        side_outputs_(std::move(side_outputs)) {}

  Status Close(bool) override {
    reader_.reset();
    return OkStatus();
  }

 private:
  StatusOr<SplitReader*> OpenReader() override {
    side_outputs_.Open(*context_);
    EAGRE_ASSIGN_OR_RETURN(reader_, source_->CreateReader());
    return static_cast<SplitReader*>(reader_.get());
  }

  StatusOr<BatchRead> ReadBatch() override {
    SplitOutput<T> out = isolating() ? SplitOutput<T>(context_->output(0), side_outputs_, 1)
                                     : SplitOutput<T>(context_->output(0), side_outputs_);
    const size_t from = out.batch().size();
    EAGRE_ASSIGN_OR_RETURN(const ReadResult result, reader_->Read(out));
    if (isolating()) [[unlikely]]
      Isolate(out, from);
    const BatchWatermark watermark = strategy_.Advance(out.split_id(), out.batch(), from);
    return BatchRead{.result = result,
                     .split_id = out.split_id(),
                     .split_finished = out.finished(),
                     .records = out.batch().size() - from,
                     .watermark_ms = watermark.watermark_ms,
                     .watermark_at_once = watermark.at_once};
  }
  void Isolate(SplitOutput<T>& out, size_t from) {
    const size_t records = out.batch().size() - from + (out.one_aside() ? 1 : 0);
    if (records == 0 || !BeginIsolated(out.split_id(), records, out.one_aside())) return;
    if (policy() == Poison::kSideOutput) {
      side_outputs_.Emit(kPoisonRecords,
                         PoisonRecord{.source = isolated().source,
                                      .split = isolated().split,
                                      .position = isolated().position,
                                      .record = ToJson(out.batch()[from])},
                         kNoTimestamp);
    }
    out.batch().Truncate(from);
  }
  void OnPeriodicWatermarks(SplitWatermarks& splits) override { strategy_.AdvancePeriodically(splits); }
  void OnSplitEnd(std::string_view split_id) override { strategy_.EndSplit(split_id); }

  const std::shared_ptr<const Source<T>> source_;
  WatermarkStrategy<T> strategy_;
  internal::SideOutputs side_outputs_;
  std::unique_ptr<SourceReader<T>> reader_;
};

/// For StreamNode::create_operator, once per subtask; `side_outputs` are the node's tags.
template <typename T>
std::unique_ptr<Operator> MakeSourceOperator(std::shared_ptr<const Source<T>> source, WatermarkStrategy<T> strategy,
                                             Poison policy, std::vector<std::string> side_outputs) {
  return std::make_unique<TypedSourceOperator<T>>(std::move(source), std::move(strategy), policy,
                                                  std::move(side_outputs));
}

/// For StreamNode::create_coordinator.
template <typename T>
std::unique_ptr<OperatorCoordinator> MakeSourceCoordinator(std::shared_ptr<const Source<T>> source,
                                                           const WatermarkSettings& settings) {
  return std::make_unique<SourceCoordinator>([source = std::move(source)] { return source->CreateEnumerator(); },
                                             settings);
}

}  // namespace eagre
