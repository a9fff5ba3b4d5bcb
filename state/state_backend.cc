#include "state/state_backend.h"

#include <algorithm>
#include <utility>

#include "base/duration.h"

namespace eagre {
namespace {

// Somewhat more is evicted than must be, so that writes are made in batches; not much, since it happens at once.
constexpr int64_t kPartEvicted = 32;
constexpr int64_t kMostEvictedBeyond = 256 << 10;

}  // namespace

void StateBackend::Share::Open(StateBackend& backend, std::string operator_name, std::vector<std::string> state_names,
                               EvictableState* evictable) {
  Close();
  backend_ = &backend;
  operator_name_ = std::move(operator_name);
  state_names_ = std::move(state_names);
  evictable_ = evictable;
  backend.shares_.push_back(this);
}

void StateBackend::Share::Close() {
  if (backend_ == nullptr) return;
  Set(0);
  std::erase(backend_->shares_, this);
  backend_ = nullptr;
}

// The largest goes first: it holds most of what is used least.
Status StateBackend::MakeRoomNow() {
  if (stalled_) return OkStatus();
  std::vector<Share*> evictable;
  for (Share* share : shares_) {
    if (share->evictable_ != nullptr) evictable.push_back(share);
  }
  std::stable_sort(evictable.begin(), evictable.end(), [](Share* a, Share* b) { return a->bytes_ > b->bytes_; });
  const int64_t wanted = limit_bytes_ - std::min(limit_bytes_ / kPartEvicted, kMostEvictedBeyond);
  for (Share* share : evictable) {
    if (used_bytes_ <= wanted || stalled_) return OkStatus();
    EAGRE_RETURN_IF_ERROR(share->evictable_->Evict(static_cast<size_t>(used_bytes_ - wanted)));
  }
  if (type_ == Type::kRocksDb || used_bytes_ <= limit_bytes_) return OkStatus();
  return OverLimit();
}

Status StateBackend::OverLimit() const {
  const Share* largest = *std::max_element(shares_.begin(), shares_.end(),
                                           [](const Share* a, const Share* b) { return a->bytes_ < b->bytes_; });
  return ResourceExhausted(
      "the state of this slot takes {} of memory, more than the {} it may have; most of it, {}, is the {} '{}' of "
      "operator '{}'. Keep it on disk (state.backend.type: rocksdb), give the slots more "
      "(taskmanager.memory.managed.size), or use more slots",
      FormatMemorySize(used_bytes_), FormatMemorySize(limit_bytes_),
      FormatMemorySize(static_cast<int64_t>(largest->bytes_)), largest->state_names_.size() == 1 ? "state" : "states",
      fmt::join(largest->state_names_, "', '"), largest->operator_name_);
}

}  // namespace eagre
