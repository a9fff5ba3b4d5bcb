#include "runtime/split_source_operator.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/logging.h"

namespace eagre {
namespace {

// Event times are the user's and may be anything, so their difference may need all 64 bits.
uint64_t Distance(int64_t a, int64_t b) {
  return static_cast<uint64_t>(std::max(a, b)) - static_cast<uint64_t>(std::min(a, b));
}

}  // namespace

int64_t MaxDriftMs(const WatermarkSettings& settings, const Configuration& config) {
  if (settings.kind == WatermarkSettings::Kind::kNone) return 0;
  if (settings.max_drift_ms != WatermarkSettings::kFromConfig) return settings.max_drift_ms;
  return config.GetDurationMs("pipeline.watermark-alignment.max-drift");
}

SplitSourceOperator::SplitSourceOperator(const WatermarkSettings& settings, Poison policy)
    : settings_(settings),
      policy_(policy),
      emitter_(settings),
      splits_("source splits", StateDistribution::kSplit, "split",
              {.encode =
                   [this](StateEntryWriter& out) {
                     for (const SourceSplit& split : reader_->Snapshot()) {
                       out.BeginKey(0).Raw(split.id);
                       out.BeginValue().Raw(split.state);
                       out.End();
                     }
                   },
               .restore =
                   [this](const StateEntry& entry) {
                     restored_.push_back({.id = std::string(entry.key), .state = std::string(entry.value)});
                     return OkStatus();
                   }}) {}

Status SplitSourceOperator::Open(OperatorContext& context) {
  EAGRE_RETURN_IF_ERROR(Operator::Open(context));
  if (settings_.kind == WatermarkSettings::Kind::kGenerator) {
    emitter_.set_periodic_watermarks([this](SplitWatermarks& splits) { OnPeriodicWatermarks(splits); });
  }
  emitter_.Open(context);
  max_drift_ms_ = MaxDriftMs(settings_, context.config());
  splits_processed_ = &context.AddCounter("numSplitsProcessed");
  isolation_ = context.isolation();
  if (isolating()) {
    isolated_until_ms_ =
        context.clock().NowMs() + context.config().GetDurationMs("restart-strategy.isolation.duration");
    isolated_ = {.operator_id = isolation_->operator_id, .source = context.operator_name(), .policy = policy_};
  }
  EAGRE_ASSIGN_OR_RETURN(reader_, OpenReader());
  return OkStatus();
}

Status SplitSourceOperator::Begin() {
  Send({.kind = SourceEvent::Kind::kReaderRegistered, .splits = restored_});
  EAGRE_RETURN_IF_ERROR(reader_->Start(*this));
  return restored_.empty() ? OkStatus() : OnAssigned(std::exchange(restored_, {}));
}

StatusOr<SourceOperator::Produced> SplitSourceOperator::Produce() {
  origin_.reset();
  EAGRE_ASSIGN_OR_RETURN(const BatchRead read, ReadBatch());
  if (read.records > 0) emitter_.OnRecords(read.split_id, read.watermark_ms, read.records, read.watermark_at_once);
  if (read.split_finished) {
    splits_processed_->Add(1);
    if (settings_.kind == WatermarkSettings::Kind::kGenerator) {
      OnPeriodicWatermarks(emitter_.splits());
      OnSplitEnd(read.split_id);
    }
    emitter_.OnSplitEnd(read.split_id);
    if (isolating()) progress_.erase(std::string(read.split_id));
    Send({.kind = SourceEvent::Kind::kSplitFinished, .split_id = std::string(read.split_id)});
  }
  if (max_drift_ms_ > 0 && (read.records > 0 || read.split_finished)) Align(/*report_anyway=*/false);
  waiting_ = read.result == ReadResult::kNothingNow;
  switch (read.result) {
    case ReadResult::kMore: return Produced::kMore;
    case ReadResult::kNothingNow: return Produced::kNothingNow;
    case ReadResult::kEnd: return Produced::kEnd;
  }
  return Internal("a reader returned no ReadResult");
}

bool SplitSourceOperator::BeginIsolated(std::string_view split_id, size_t records, bool final) {
  auto found = progress_.find(split_id);
  if (found == progress_.end()) found = progress_.emplace(std::string(split_id), Progress()).first;
  Progress& progress = found->second;
  progress.records += static_cast<int64_t>(records);
  isolated_.split = split_id;
  isolated_.position = reader_->RecordPosition();
  if (isolated_.position.empty()) {
    isolated_.position = fmt::format("record {}{}", progress.records,
                                     progress.from.empty() ? "" : " behind " + absl::CHexEscape(progress.from));
  }
  isolated_.policy = final || records > 1 ? Poison::kFail : policy_;
  if (records > 1) {
    isolated_.position = fmt::format("one of the {} records up to {}", records, isolated_.position);
  } else if (isolated_.policy != Poison::kFail && isolation_->poison.contains({isolated_.split, isolated_.position})) {
    EAGRE_LOG_WARN("source '{}': the record at {} of {} is poison and is {}", isolated_.source, isolated_.position,
                   isolated_.split,
                   policy_ == Poison::kSideOutput ? "put into the side output 'poison-records'" : "skipped");
    if (policy_ == Poison::kSkip) CountSkipped(1);
    return true;
  }
  origin_ = std::make_shared<const std::string>(isolated_.Encode());
  // Timestamps and watermarks are made by user code too. The chain takes the identity back.
  if (const OperatorIdentity* current = CurrentOperator(); current != nullptr) {
    identity_ = *current;
    identity_.origin = origin_->c_str();
    SetCurrentOperator(&identity_);
  }
  return false;
}

Status SplitSourceOperator::OnCheckpointComplete(int64_t checkpoint_id) {
  if (isolating() && context_->clock().NowMs() >= isolated_until_ms_) {
    EAGRE_LOG_INFO("source '{}': no record was found to be poison for a while, reading on in full batches",
                   isolated_.source);
    isolation_ = nullptr;
  }
  return reader_->OnCheckpointComplete(checkpoint_id);
}

Status SplitSourceOperator::OnProcessingTime(int64_t now_ms, bool& done) {
  done = true;
  // The step after this one calls Produce, so the reader's own time need not be waited for again.
  waiting_ = false;
  emitter_.OnTimer(now_ms);
  if (max_drift_ms_ > 0) Align(/*report_anyway=*/true);
  return OkStatus();
}

int64_t SplitSourceOperator::NextProcessingTimeMs() const {
  const int64_t timer_ms = emitter_.next_timer_ms();
  return waiting_ ? std::min(timer_ms, reader_->NextReadMs()) : timer_ms;
}

Status SplitSourceOperator::OnCoordinatorEvent(std::string_view bytes) {
  EAGRE_ASSIGN_OR_RETURN(SourceEvent event, DecodeSourceEvent(bytes));
  switch (event.kind) {
    case SourceEvent::Kind::kAssignSplits: EAGRE_RETURN_IF_ERROR(OnAssigned(std::move(event.splits))); break;
    case SourceEvent::Kind::kNoMoreSplits: EAGRE_RETURN_IF_ERROR(reader_->NoMoreSplits()); break;
    case SourceEvent::Kind::kAllowedWatermark: EAGRE_RETURN_IF_ERROR(OnAllowedWatermark(event.watermark_ms)); break;
    default:
      return DataLoss("a source's reader got a message of kind {} that is meant for its coordinator",
                      static_cast<int>(event.kind));
  }
  Wake();
  return OkStatus();
}

void SplitSourceOperator::RequestSplit() {
  Send({.kind = SourceEvent::Kind::kSplitRequest});
}

void SplitSourceOperator::Send(const SourceEvent& event) {
  context_->SendToCoordinator(EncodeSourceEvent(event));
}

Status SplitSourceOperator::OnAssigned(std::vector<SourceSplit> splits) {
  for (const SourceSplit& split : splits) {
    emitter_.splits().AddSplit(split.id);
    if (isolating()) progress_[split.id] = {.from = split.state};
  }
  if (reader_->idle_without_splits()) emitter_.splits().set_idle_without_splits(true);
  return reader_->AddSplits(std::move(splits));
}

Status SplitSourceOperator::OnAllowedWatermark(int64_t allowed_ms) {
  allowed_ms_ = allowed_ms;
  const std::vector<std::string> resumed = emitter_.splits().ResumeUpTo(allowed_ms_);
  if (!resumed.empty()) reader_->ResumeSplits(resumed);
  const std::vector<std::string> paused = emitter_.splits().PauseBeyond(allowed_ms_);
  if (!paused.empty()) reader_->PauseSplits(paused);
  return OkStatus();
}

void SplitSourceOperator::Align(bool report_anyway) {
  const std::vector<std::string> paused = emitter_.splits().PauseBeyond(allowed_ms_);
  if (!paused.empty()) reader_->PauseSplits(paused);
  const int64_t slowest_ms = emitter_.splits().Slowest();
  if (slowest_ms == reported_ms_) return;
  // Without a watermark on one side any other is news; else a quarter of the drift is, lest every batch made a message.
  const bool news = report_anyway || !paused.empty() || slowest_ms == kNoTimestamp || reported_ms_ == kNoTimestamp ||
                    Distance(slowest_ms, reported_ms_) >= static_cast<uint64_t>(max_drift_ms_ / 4);
  if (!news) return;
  reported_ms_ = slowest_ms;
  Send({.kind = SourceEvent::Kind::kWatermarkReport, .watermark_ms = slowest_ms});
}

}  // namespace eagre
