#include "runtime/source_coordinator.h"

#include <algorithm>
#include <utility>

#include "runtime/split_source_operator.h"

namespace eagre {
namespace {

// Event times are the user's and may be anything.
int64_t SaturatingAdd(int64_t time_ms, int64_t span_ms) {
  int64_t sum = 0;
  return __builtin_add_overflow(time_ms, span_ms, &sum) ? kMaxWatermark : sum;
}

}  // namespace

Status SourceCoordinator::Start(OperatorCoordinator::Context& context) {
  context_ = &context;
  readers_.resize(static_cast<size_t>(context.parallelism()));
  max_drift_ms_ = MaxDriftMs(settings_, context.config());
  if (enumerator_ == nullptr) {
    EAGRE_ASSIGN_OR_RETURN(enumerator_, create_enumerator_());
  }
  return enumerator_->Start(*this);
}

Status SourceCoordinator::Restore(std::string_view snapshot) {
  EAGRE_ASSIGN_OR_RETURN(enumerator_, create_enumerator_());
  return enumerator_->Restore(snapshot);
}

Status SourceCoordinator::OnEvent(int subtask, std::string_view bytes) {
  if (subtask < 0 || static_cast<size_t>(subtask) >= readers_.size()) {
    return DataLoss("a source's coordinator of {} readers got a message from reader {}", readers_.size(), subtask);
  }
  EAGRE_ASSIGN_OR_RETURN(const SourceEvent event, DecodeSourceEvent(bytes));
  Reader& reader = readers_[static_cast<size_t>(subtask)];
  if (event.kind == SourceEvent::Kind::kReaderRegistered) {
    reader = {.registered = true};
    return enumerator_->OnReaderRegistered(subtask, event.splits);
  }
  if (!reader.registered) return DataLoss("reader {} of a source spoke before it registered", subtask);
  switch (event.kind) {
    case SourceEvent::Kind::kSplitRequest: return enumerator_->OnSplitRequest(subtask);
    case SourceEvent::Kind::kSplitFinished: return enumerator_->OnSplitFinished(subtask, event.split_id);
    case SourceEvent::Kind::kWatermarkReport:
      if (max_drift_ms_ > 0) OnWatermarkReport(subtask, event.watermark_ms);
      return OkStatus();
    default:
      return DataLoss("a source's coordinator got a message of kind {} that is meant for a reader",
                      static_cast<int>(event.kind));
  }
}

void SourceCoordinator::AssignSplits(int subtask, std::vector<SourceSplit> splits) {
  Send(subtask, {.kind = SourceEvent::Kind::kAssignSplits, .splits = std::move(splits)});
}

void SourceCoordinator::SignalNoMoreSplits(int subtask) {
  Send(subtask, {.kind = SourceEvent::Kind::kNoMoreSplits});
}

void SourceCoordinator::PostAfter(int64_t delay_ms, std::function<Status()> call) {
  context_->PostAfter(delay_ms, std::move(call));
}

void SourceCoordinator::Send(int subtask, const SourceEvent& event) {
  context_->SendToSubtask(subtask, EncodeSourceEvent(event));
}

void SourceCoordinator::OnWatermarkReport(int subtask, int64_t watermark_ms) {
  readers_[static_cast<size_t>(subtask)].slowest_ms = watermark_ms;
  int64_t slowest_ms = kMaxWatermark;
  for (const Reader& reader : readers_) {
    if (reader.slowest_ms != kNoTimestamp) slowest_ms = std::min(slowest_ms, reader.slowest_ms);
  }
  const int64_t allowed_ms = SaturatingAdd(slowest_ms, max_drift_ms_);
  for (size_t i = 0; i < readers_.size(); ++i) {
    Reader& reader = readers_[i];
    if (reader.allowed_ms == allowed_ms) continue;
    // A reader need not know every small step of its limit: it reports again before it comes there.
    const bool near =
        reader.slowest_ms != kNoTimestamp && reader.allowed_ms < SaturatingAdd(reader.slowest_ms, max_drift_ms_ / 2);
    const bool small_step =
        allowed_ms > reader.allowed_ms && allowed_ms < SaturatingAdd(reader.allowed_ms, max_drift_ms_ / 4);
    if (small_step && !near) continue;
    reader.allowed_ms = allowed_ms;
    Send(static_cast<int>(i), {.kind = SourceEvent::Kind::kAllowedWatermark, .watermark_ms = allowed_ms});
  }
}

}  // namespace eagre
