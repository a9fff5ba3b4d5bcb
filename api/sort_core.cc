#include "eagre/operators/sort_core.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/duration.h"
#include "runtime/time_sort.h"

namespace eagre {
namespace {

constexpr const char kLimitKey[] = "execution.sort.max-buffered-size";

}  // namespace

Status SortOperatorBase::Open(OperatorContext& context) {
  EAGRE_RETURN_IF_ERROR(Operator::Open(context));
  output_ = &context.output(0);
  watermark_state_.Open(context, watermark_);
  if (StateBackend* backend = context.state_backend()) {
    share_.OpenMemoryOnly(*backend, context.operator_name(), {"held records"}, /*has_own_limit=*/true);
  }
  limit_bytes_ = context.config().GetBytes(kLimitKey);
  records_gauge_ = &context.AddGauge("sortBufferedRecords");
  bytes_gauge_ = &context.AddGauge("sortBufferedBytes");
  return OkStatus();
}

bool SortOperatorBase::RejectLate(int64_t timestamp) {
  if (timestamp == kNoTimestamp) {
    throw std::invalid_argument(
        "a record without event time is to be sorted by it: give the stream event time by WithWatermarks(...) before");
  }
  ++late_in_batch_;
  return true;
}

void SortOperatorBase::EnterBucket(int64_t bucket) {
  last_bucket_ = bucket;
  last_entries_ = &buckets_[bucket];
  if (last_entries_->capacity() == 0) last_entries_->swap(spare_entries_);
}

Status SortOperatorBase::FinishBatch(int64_t bytes) {
  if (late_in_batch_ > 0) context_->metrics().late_records_dropped->Add(std::exchange(late_in_batch_, 0));
  held_bytes_ += bytes;
  share_.Set(static_cast<size_t>(std::max<int64_t>(0, held_bytes_)));
  bytes_gauge_->Set(static_cast<double>(held_bytes_));
  records_gauge_->Set(static_cast<double>(held_records_));
  if (held_bytes_ <= limit_bytes_) {
    StateBackend* backend = context_->state_backend();
    return backend == nullptr || bytes <= 0 ? OkStatus() : backend->MakeRoom();
  }
  return ResourceExhausted(
      "operator '{}' holds {} records ({}) that wait for the watermark, more than '{}' = {} allows: the watermark is "
      "too "
      "far behind the records (a source that lags, or a generous bound of out-of-orderness), or the limit is too small",
      context_->operator_name(), held_records_, FormatMemorySize(held_bytes_), kLimitKey,
      FormatMemorySize(limit_bytes_));
}

Status SortOperatorBase::FinishRestored(int64_t bytes) {
  if (context_->state_backend() == nullptr) return FinishBatch(bytes);
  const StateBackend::RestoringScope restoring(*context_->state_backend());
  return FinishBatch(bytes);
}

void SortOperatorBase::TakeDue(int64_t watermark) {
  const auto first = buckets_.begin();
  const int64_t start = first->first * static_cast<int64_t>(kBucketMs);
  std::vector<SortEntry>& entries = first->second;
  ready_.clear();
  ready_position_ = 0;
  if (first->first < (watermark >> kBucketBits)) {
    ready_.swap(entries);
  } else {
    size_t waiting = 0;
    for (const SortEntry& entry : entries) {
      if (entry.timestamp <= watermark) {
        ready_.push_back(entry);
      } else {
        entries[waiting++] = entry;
      }
    }
    entries.resize(waiting);
  }
  if (entries.empty()) {
    if (entries.capacity() > spare_entries_.capacity()) spare_entries_.swap(entries);
    buckets_.erase(first);
    last_entries_ = nullptr;
  }
  SortByTime(ready_, start, kBucketMs, sort_scratch_, sort_counts_);
  for (size_t i = 0; i < ready_.size();) {
    size_t end = i + 1;
    while (end < ready_.size() && ready_[end].timestamp == ready_[i].timestamp) ++end;
    if (end - i > 1) OrderEqualTimes(&ready_[i], ready_.data() + end);
    i = end;
  }
}

Status SortOperatorBase::OnWatermark(int64_t watermark, bool& done) {
  // Sources may begin again behind the watermark that was restored.
  watermark = watermark_ = std::max(watermark_, watermark);
  int64_t bytes = 0;
  for (;;) {
    if (ready_position_ < ready_.size()) {
      const size_t emitted = Emit(ready_.data() + ready_position_, ready_.size() - ready_position_, bytes);
      ready_position_ += emitted;
      held_records_ -= static_cast<int64_t>(emitted);
      if (ready_position_ < ready_.size()) break;
    }
    if (buckets_.empty() || buckets_.begin()->first > (watermark >> kBucketBits)) break;
    TakeDue(watermark);
    if (ready_.empty()) break;
  }
  done = ready_position_ == ready_.size();
  return FinishBatch(-bytes);
}

}  // namespace eagre
