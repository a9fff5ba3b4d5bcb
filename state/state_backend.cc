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
  memory_only_ = has_own_limit_ = false;
  backend.shares_.push_back(this);
}

void StateBackend::Share::OpenMemoryOnly(StateBackend& backend, std::string operator_name,
                                         std::vector<std::string> state_names, bool has_own_limit) {
  Open(backend, std::move(operator_name), std::move(state_names), /*evictable=*/nullptr);
  memory_only_ = true;
  has_own_limit_ = has_own_limit;
}

void StateBackend::Share::Close() {
  if (backend_ == nullptr) return;
  Set(0);
  std::erase(backend_->shares_, this);
  backend_ = nullptr;
}

// The largest goes first: it holds most of what is used least.
Status StateBackend::MakeRoomNow() {
  std::vector<Share*> evictable;
  int64_t stays = 0;
  for (Share* share : shares_) {
    if (share->evictable_ != nullptr) evictable.push_back(share);
    if (share->stays()) stays += static_cast<int64_t>(share->bytes_);
  }
  if (stays > limit_bytes_) return OverLimit(stays);
  if (stalled()) return OkStatus();
  std::stable_sort(evictable.begin(), evictable.end(), [](Share* a, Share* b) { return a->bytes_ > b->bytes_; });
  const int64_t wanted = limit_bytes_ - std::min(limit_bytes_ / kPartEvicted, kMostEvictedBeyond);
  for (Share* share : evictable) {
    if (used_bytes_ <= wanted || stalled()) return OkStatus();
    EAGRE_RETURN_IF_ERROR(share->evictable_->Evict(static_cast<size_t>(used_bytes_ - wanted)));
  }
  return OkStatus();
}

Status StateBackend::OverLimit(int64_t bytes) const {
  const Share* largest = nullptr;
  for (const Share* share : shares_) {
    if (share->stays() && (largest == nullptr || share->bytes_ > largest->bytes_)) largest = share;
  }
  const bool memory = type_ == Type::kMemory;
  std::string advice = "No backend keeps this on disk: keep less there";
  if (!largest->memory_only_) {
    advice = fmt::format("Keep it on disk ({})", memory ? "state.backend.type: rocksdb"
                                                        : "state.backend.rocksdb.timer-service.factory: ROCKSDB");
  }
  return ResourceExhausted(
      "the state of this slot{} takes {} of memory, more than the {} it may have; most of it, {}, is the {} '{}' of "
      "operator '{}'. {}, give the slots more (taskmanager.memory.managed.size{}), or use more slots",
      memory ? "" : " that stays in memory", FormatMemorySize(bytes), FormatMemorySize(limit_bytes_),
      FormatMemorySize(static_cast<int64_t>(largest->bytes_)), largest->state_names_.size() == 1 ? "state" : "states",
      fmt::join(largest->state_names_, "', '"), largest->operator_name_, advice,
      memory ? "" : ", state.backend.rocksdb.memory.object-cache-ratio");
}

}  // namespace eagre
