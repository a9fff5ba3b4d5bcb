#include "eagre/operators/window_core.h"

#include <algorithm>
#include <stdexcept>

#include "state/state_schema.h"

namespace eagre {
namespace {

// A slice of the encoding passes over no more than so many segments, even if little in them is to be encoded.
constexpr int kSegmentsPerCall = 16;
// A restored state makes room for itself as it grows.
constexpr size_t kRestoredPerRoom = 1024;

}  // namespace

WindowOperatorBase::WindowOperatorBase(TumblingEventTimeWindows windows, std::vector<std::string> side_outputs)
    : windows_(windows), side_outputs_(std::move(side_outputs)) {}

WindowOperatorBase::~WindowOperatorBase() = default;

Status WindowOperatorBase::Open(OperatorContext& context) {
  EAGRE_RETURN_IF_ERROR(Operator::Open(context));
  EAGRE_RETURN_IF_ERROR(windows_.Validate());
  output_ = &context.output(0);
  side_outputs_.Open(context);
  window_context_.clock_ = &context.clock();
  window_context_.side_outputs_ = &side_outputs_;
  windows_gauge_ = &context.AddGauge("openWindows");
  bytes_gauge_ = &context.AddGauge("windowStateBytes");
  watermark_state_.Open(context, watermark_);
  backend_ = context.state_backend();
  if (backend_ == nullptr) return OkStatus();
  if (!has_segments()) {
    share_.OpenMemoryOnly(*backend_, context.operator_name(), {state_.name()});
    return OkStatus();
  }
  EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<EntryStore> store, backend_->OpenStore(context.max_parallelism()));
  if (store != nullptr) spilled_ = std::make_unique<SpilledState>(std::move(store));
  share_.Open(*backend_, context.operator_name(), {state_.name()}, spilled_ == nullptr ? nullptr : this);
  return OkStatus();
}

bool WindowOperatorBase::blocked() const {
  return backend_ != nullptr && backend_->stalled() && backend_->full();
}

// The current slice last; of the others those first that end first, which get only what is late.
Status WindowOperatorBase::Evict(size_t bytes) {
  spare_ = nullptr;
  std::vector<WindowSlice*> slices;
  for (const auto& [start, slice] : slices_) {
    if (!slice->firing && slice.get() != current_) slices.push_back(slice.get());
  }
  if (current_ != nullptr && !current_->firing) slices.push_back(current_);
  size_t freed = 0;
  Status status;
  for (WindowSlice* slice : slices) {
    bool all = false;
    while (freed < bytes && !all && status.ok() && !backend_->stalled()) {
      const size_t before = slice->memory_bytes();
      const StatusOr<bool> evicted = EvictSegment(*slice);
      status = evicted.status();
      freed += before - std::min(before, slice->memory_bytes());
      all = slice->evict_position == 0;
      any_spilled_ |= slice->spilled;
    }
  }
  share_.Set(MemoryBytes());
  return status;
}

StatusOr<bool> WindowOperatorBase::MakeRoom() {
  if (backend_ == nullptr) return true;
  if (spilled_ != nullptr) EAGRE_RETURN_IF_ERROR(spilled_->error());
  EAGRE_RETURN_IF_ERROR(backend_->MakeRoom());
  return !blocked();
}

WindowSlice* WindowOperatorBase::FindSlice(int64_t timestamp, TimeWindow& window) const {
  if (timestamp == kNoTimestamp) return nullptr;
  window = windows_.WindowOf(timestamp);
  const auto found = slices_.find(window.start);
  return found == slices_.end() ? nullptr : found->second.get();
}

void WindowOperatorBase::CollectStates(std::vector<CheckpointedState*>& states) {
  states.push_back(watermark_state_.state());
  states.push_back(&state_);
}

WindowSlice& WindowOperatorBase::OpenSlice(const TimeWindow& window) {
  std::unique_ptr<WindowSlice>& slice = slices_[window.start];
  if (slice == nullptr) {
    slice = spare_ != nullptr ? std::move(spare_) : NewSlice();
    slice->window = window;
  }
  return *slice;
}

WindowSlice* WindowOperatorBase::EnterSlice(int64_t timestamp) {
  if (timestamp == kNoTimestamp) [[unlikely]] {
    throw std::invalid_argument(
        "a record without event time reached a window: give the stream event time by WithWatermarks(...) before it");
  }
  const TimeWindow window = windows_.WindowOf(timestamp);
  if (window.MaxTimestamp() <= watermark_) {
    ++late_in_batch_;
    return nullptr;
  }
  current_ = &OpenSlice(window);
  current_start_ = window.start;
  current_end_ = window.end;
  return current_;
}

size_t WindowOperatorBase::MemoryBytes() const {
  size_t bytes = spare_ == nullptr ? 0 : spare_->memory_bytes();
  for (const auto& [start, slice] : slices_) bytes += slice->memory_bytes();
  return bytes;
}

Status WindowOperatorBase::FinishBatch() {
  if (late_in_batch_ > 0) context_->metrics().late_records_dropped->Add(std::exchange(late_in_batch_, 0));
  const size_t bytes = MemoryBytes();
  windows_gauge_->Set(static_cast<double>(slices_.size()));
  bytes_gauge_->Set(static_cast<double>(bytes));
  if (backend_ == nullptr) return OkStatus();
  share_.Set(bytes);
  return backend_->MakeRoom();
}

Status WindowOperatorBase::OnWatermark(int64_t watermark, bool& done) {
  // Sources may begin again behind the watermark that was restored.
  watermark = watermark_ = std::max(watermark_, watermark);
  done = true;
  if (slices_.empty() || slices_.begin()->second->window.MaxTimestamp() > watermark) return OkStatus();
  current_ = nullptr;
  current_start_ = current_end_ = 0;
  window_context_.watermark_ = watermark;
  while (!slices_.empty() && slices_.begin()->second->window.MaxTimestamp() <= watermark) {
    WindowSlice& slice = *slices_.begin()->second;
    window_context_.window_ = slice.window;
    slice.firing = true;
    EAGRE_RETURN_IF_ERROR(FireSlice(slice, done));
    if (!done) return OkStatus();
    slice.firing = false;
    spare_ = std::move(slices_.begin()->second);
    slices_.erase(slices_.begin());
  }
  any_spilled_ = std::any_of(slices_.begin(), slices_.end(), [](const auto& entry) { return entry.second->spilled; });
  return FinishBatch();
}

const std::string& WindowState::name() const {
  static const std::string kName = "windows";
  return kName;
}

std::string WindowState::schema() const {
  return fmt::format("windows of {} ms from {} ms\n{}", owner_.windows_.size_ms(), owner_.windows_.offset_ms(),
                     owner_.EntrySchema());
}

void WindowState::Seal() {
  epochs_.Seal();
  sealed_walk_ = {.done = false};
  if (owner_.spilled() != nullptr) owner_.spilled()->Seal();
}

bool WindowState::EncodeSealed(StateEntryWriter& out, size_t max_bytes) {
  // What the store has may be older than what the tables have, and so comes before it.
  const size_t limit = out.bytes() + max_bytes;
  if (owner_.spilled() != nullptr && !owner_.spilled()->EncodeSealed(out, limit)) return false;
  if (!sealed_out_.MoveTo(out, limit)) return false;
  if (!EncodeFrom(sealed_walk_, true, out, max_bytes)) return false;
  epochs_.EndSealed();
  return true;
}

Status WindowState::error() const {
  return owner_.spilled() == nullptr ? OkStatus() : owner_.spilled()->error();
}

void WindowState::BeginBase() {
  base_walk_ = {.done = false};
  base_running_ = owner_.spilled() != nullptr;
  if (base_running_) owner_.spilled()->BeginBase();
}

// The store first, then the tables: what is evicted meanwhile is in neither or in both, and so is encoded then.
bool WindowState::EncodeBase(StateEntryWriter& out, size_t max_bytes) {
  if (!base_running_) return EncodeFrom(base_walk_, false, out, max_bytes);
  const size_t limit = out.bytes() + max_bytes;
  if (!base_out_.MoveTo(out, limit) || !owner_.spilled()->EncodeBase(out, limit)) return false;
  if (!base_out_.MoveTo(out, limit)) return false;
  if (!EncodeFrom(base_walk_, false, out, max_bytes)) return false;
  base_running_ = false;
  return true;
}

void WindowState::EncodeStored(const StoredEntry& entry, std::string_view key) {
  sealed_out_.back().Add({.hash = entry.hash, .key = key, .value = entry.value});
}

bool WindowState::EncodeFrom(Walk& walk, bool pending_only, StateEntryWriter& out, size_t max_bytes) {
  const size_t limit = out.bytes() + max_bytes;
  int segments = 0;
  while (!walk.done) {
    if (out.bytes() >= limit || segments++ == kSegmentsPerCall) return false;
    const auto slice = owner_.slices_.lower_bound(walk.start);
    if (slice == owner_.slices_.end()) {
      walk.done = true;
      break;
    }
    if (slice->first != walk.start) walk = {.done = false, .start = slice->first};
    if (owner_.EncodeEntries(*slice->second, walk.position, pending_only, out)) continue;
    walk = {.done = slice->first == kMaxWatermark, .start = slice->first + 1};
  }
  return true;
}

Status WindowState::BeginRestore(const std::string& stored_schema) {
  stored_.reset();
  if (stored_schema == schema()) return OkStatus();
  EAGRE_RETURN_IF_ERROR(CheckCompatible(stored_schema, schema()));
  EAGRE_ASSIGN_OR_RETURN(const StateSchema stored, StateSchema::Parse(stored_schema));
  stored_ = stored.Find("accumulator")->type;
  return OkStatus();
}

Status WindowState::Restore(const StateEntry& entry) {
  ByteReader key(entry.key);
  ByteReader value(entry.value);
  int64_t start = 0;
  if (!key.Fixed(start)) return DataLoss("an entry of windows is malformed");
  const TimeWindow window = owner_.windows_.WindowOf(start);
  if (window.start != start) return DataLoss("no window starts at {}", start);
  if (window.MaxTimestamp() <= owner_.watermark_state_.OfKey(entry.hash)) return OkStatus();  // it was fired
  EAGRE_RETURN_IF_ERROR(owner_.RestoreEntry(owner_.OpenSlice(window), entry.hash, key, value));
  if (!key.empty() || !value.empty()) return DataLoss("an entry of windows has bytes too many");
  if (owner_.backend_ == nullptr || ++restored_ % kRestoredPerRoom != 0) return OkStatus();
  return MakeRoomRestoring();
}

Status WindowState::MakeRoomRestoring() {
  const StateBackend::RestoringScope restoring(*owner_.backend_);
  return owner_.FinishBatch();
}

Status WindowState::FinishRestore(bool inherited) {
  if (owner_.backend_ != nullptr) EAGRE_RETURN_IF_ERROR(MakeRoomRestoring());
  if (!inherited) return OkStatus();
  if (owner_.spilled() != nullptr) owner_.spilled()->Follow();
  for (const auto& [start, slice] : owner_.slices_) owner_.MarkUnchanged(*slice);
  epochs_.Follow();
  return OkStatus();
}

}  // namespace eagre
