#include "connectors/generator/index_range.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/bytes.h"

namespace eagre {

std::string IndexRange::Id() const {
  return fmt::format("range-{}-of-{}", split, splits);
}

SourceSplit IndexRange::Encode() const {
  SourceSplit encoded{.id = Id()};
  ByteWriter out(encoded.state);
  for (const int64_t number : {split, splits, block, next, start_ms}) out.SignedVarint(number);
  return encoded;
}

StatusOr<IndexRange> IndexRange::Decode(const SourceSplit& encoded) {
  ByteReader in(encoded.state);
  IndexRange range;
  bool ok = true;
  for (int64_t* number : {&range.split, &range.splits, &range.block, &range.next, &range.start_ms}) {
    ok = ok && in.SignedVarint(*number);
  }
  ok = ok && in.empty() && range.split >= 0 && range.split < range.splits && range.block > 0 && range.next >= 0;
  if (!ok) return DataLoss("the split '{}' of a generator is malformed", encoded.id);
  return range;
}

int64_t DueNs(int64_t index, double rate_per_second) {
  // A double is exact to 2^53: whole seconds and the rest are computed apart, so that the error stays below a
  // nanosecond.
  constexpr double kNsPerS = 1e9;
  const double seconds = std::floor(static_cast<double>(index) / rate_per_second);
  const double rest = static_cast<double>(index) - seconds * rate_per_second;
  return static_cast<int64_t>(seconds) * 1'000'000'000 +
         static_cast<int64_t>(std::floor(rest * kNsPerS / rate_per_second));
}

Status IndexRangeEnumerator::Start(Context& context) {
  context_ = &context;
  if (options_.count < 0) return InvalidArgument("a generator cannot make {} records", options_.count);
  if (!(options_.rate_per_second >= 0) || std::isinf(options_.rate_per_second)) {
    return InvalidArgument("a generator's rate of {} per second is not a positive number", options_.rate_per_second);
  }
  if (restored_) return OkStatus();
  const int64_t now_ms = context.clock().NowMs();
  for (int i = 0; i < context.parallelism(); ++i) {
    splits_.push_back({.split = i,
                       .splits = context.parallelism(),
                       .block = options_.rate_per_second > 0 ? 1 : options_.block,
                       .start_ms = now_ms});
  }
  return OkStatus();
}

Status IndexRangeEnumerator::Restore(std::string_view snapshot) {
  ByteReader in(snapshot);
  uint64_t count = 0;
  bool ok = in.Varint(count);
  for (uint64_t i = 0; ok && i < count; ++i) {
    std::string_view state;
    ok = in.String(state);
    EAGRE_ASSIGN_OR_RETURN(const IndexRange range, IndexRange::Decode({.id = "", .state = std::string(state)}));
    splits_.push_back(range);
  }
  if (!ok || !in.empty()) return DataLoss("the stored state of a generator is malformed");
  restored_ = true;
  return OkStatus();
}

Status IndexRangeEnumerator::OnSplitRequest(int subtask) {
  std::vector<SourceSplit> own;
  std::erase_if(splits_, [&](const IndexRange& range) {
    if (range.split % context_->parallelism() != subtask) return false;
    own.push_back(range.Encode());
    return true;
  });
  if (!own.empty()) context_->AssignSplits(subtask, std::move(own));
  context_->SignalNoMoreSplits(subtask);
  return OkStatus();
}

Status IndexRangeEnumerator::AddSplitsBack(int, std::vector<SourceSplit> splits) {
  for (const SourceSplit& split : splits) {
    EAGRE_ASSIGN_OR_RETURN(const IndexRange range, IndexRange::Decode(split));
    splits_.push_back(range);
  }
  return OkStatus();
}

std::string IndexRangeEnumerator::Snapshot() const {
  std::string bytes;
  ByteWriter out(bytes);
  out.Varint(splits_.size());
  for (const IndexRange& range : splits_) out.String(range.Encode().state);
  return bytes;
}

Status IndexRangeReader::Start(SourceReaderContext& context) {
  context_ = &context;
  context.RequestSplit();
  return OkStatus();
}

Status IndexRangeReader::AddSplits(const std::vector<SourceSplit>& splits) {
  for (const SourceSplit& encoded : splits) {
    EAGRE_ASSIGN_OR_RETURN(const IndexRange range, IndexRange::Decode(encoded));
    shares_.push_back({.range = range, .id = range.Id()});
  }
  return OkStatus();
}

void IndexRangeReader::SetPaused(const std::vector<std::string>& split_ids, bool paused) {
  for (Share& share : shares_) {
    if (std::find(split_ids.begin(), split_ids.end(), share.id) != split_ids.end()) share.paused = paused;
  }
}

std::vector<SourceSplit> IndexRangeReader::Snapshot() const {
  std::vector<SourceSplit> splits;
  for (const Share& share : shares_) splits.push_back(share.range.Encode());
  return splits;
}

size_t IndexRangeReader::FurthestBehind() const {
  size_t furthest = kNone;
  for (size_t i = 0; i < shares_.size(); ++i) {
    if (shares_[i].paused) continue;
    if (furthest == kNone || shares_[i].next_index() < shares_[furthest].next_index()) furthest = i;
  }
  return furthest;
}

int64_t IndexRangeReader::NextReadMs() const {
  const size_t next = options_.rate_per_second > 0 ? FurthestBehind() : kNone;
  if (next == kNone) return kMaxWatermark;
  constexpr int64_t kNsPerMs = 1'000'000;
  // The first whole millisecond in which the record is due.
  const int64_t due_ns = DueNs(shares_[next].next_index(), options_.rate_per_second);
  return shares_[next].range.start_ms + (due_ns + kNsPerMs - 1) / kNsPerMs;
}

IndexRangeReader::Run IndexRangeReader::Next(int64_t most) {
  if (shares_.empty()) return {.result = no_more_splits_ ? ReadResult::kEnd : ReadResult::kNothingNow};
  const size_t next = FurthestBehind();
  if (next == kNone) return {.result = ReadResult::kNothingNow};
  const IndexRange& range = shares_[next].range;
  Run run{.first = shares_[next].next_index()};
  const int64_t rest_of_block = range.block - range.next % range.block;
  run.count = std::min({most, rest_of_block, std::max<int64_t>(options_.count - run.first, 0)});
  if (run.count > 0 && options_.rate_per_second > 0) {
    // With a rate a block is one index, so this is all or nothing.
    const int64_t now_ms = context_->clock().NowMs();
    if (NextReadMs() > now_ms) return {.result = ReadResult::kNothingNow};
  }
  current_ = next;
  if (split_id_ != shares_[next].id) split_id_ = shares_[next].id;
  return run;
}

bool IndexRangeReader::Advance(int64_t count) {
  Share& share = shares_[current_];
  share.range.next += count;
  if (share.next_index() < options_.count) return false;
  shares_.erase(shares_.begin() + static_cast<ptrdiff_t>(current_));
  return true;
}

}  // namespace eagre
