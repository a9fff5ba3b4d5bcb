// The part of KeyedStateCore that removes what has expired.
#include <algorithm>

#include "state/keyed_state_core.h"

namespace eagre {
namespace {

// The earliest of the times that stand behind the encoded contents of a state (include/eagre/ttl_state.h); false when
// the bytes are malformed.
bool OldestStored(StateKind kind, std::string_view contents, int64_t& oldest_ms) {
  oldest_ms = ExpirySweep::kNever;
  uint32_t count = 1;
  ByteReader head(contents);
  if ((kind == StateKind::kList || kind == StateKind::kMap) && !head.Fixed(count)) return false;
  const size_t bytes = count * sizeof(int64_t);
  if (contents.size() < bytes) return false;
  ByteReader times(contents.substr(contents.size() - bytes));
  for (int64_t time_ms = 0; times.Fixed(time_ms);) oldest_ms = std::min(oldest_ms, time_ms);
  return true;
}

Status MalformedEntry() {
  return DataLoss("an entry of keyed state in the store is malformed");
}

}  // namespace

void KeyedStateCore::SetClock(const Clock& clock) {
  clock_ = &clock;
  if (!has_ttl()) return;
  int64_t shortest_ms = ExpirySweep::kNever;
  for (const ExpiringSlot& slot : expiring_) shortest_ms = std::min(shortest_ms, slot.ttl_ms);
  sweep_.Open(shortest_ms, clock.NowMs());
}

bool KeyedStateCore::ExpireRow(char* row, int64_t now_ms) {
  bool changed = false;
  for (const ExpiringSlot& slot : expiring_) {
    const int64_t limit_ms = now_ms - slot.ttl_ms;
    int64_t oldest_ms = slot.ops->oldest_ms(row + slot.offset, limit_ms);
    if (oldest_ms <= limit_ms) {
      changed = true;
      MarkChanged(row);
      slot.ops->expire(row + slot.offset, limit_ms);
      reinterpret_cast<RowHeader*>(row)->changes = 0;  // it may be much smaller now: FinishBatch measures it
      oldest_ms = slot.ops->oldest_ms(row + slot.offset, limit_ms);
    }
    sweep_.Note(oldest_ms, slot.ttl_ms);
  }
  return changed;
}

// Of a row that holds nothing any more the store is told at once, lest it keeps on disk what nobody will ask for.
void KeyedStateCore::SweepRow(char* row, int64_t now_ms) {
  if (!ExpireRow(row, now_ms) || !Empty(row)) return;
  if ((reinterpret_cast<const RowHeader*>(row)->cached & kStored) != 0) evicted_.push_back(row);
}

Status KeyedStateCore::DropExpired() {
  if (evicted_.empty()) return OkStatus();
  bool written = false;
  if (!backend_->stalled()) {
    for (char* row : evicted_) AddWrite(row);
    EAGRE_ASSIGN_OR_RETURN(written, CommitWrites());
  }
  if (written) DropEvicted();
  evicted_.clear();  // what the store did not take goes when there is no room
  share_.Set(memory_bytes());
  return OkStatus();
}

Status KeyedStateCore::Sweep(int64_t now_ms, RowOfEntry row_of) {
  sweep_.BeginStep(now_ms);
  if (sweep_.in_store) return SweepStore(now_ms, row_of);
  const size_t rows = RowsAllocated();
  const size_t end = std::min(sweep_.row + ExpirySweep::kRowsPerStep, rows);
  for (; sweep_.row < end; ++sweep_.row) {
    char* row = RowAt(sweep_.row);
    if ((reinterpret_cast<const RowHeader*>(row)->cached & kLive) != 0) SweepRow(row, now_ms);
  }
  if (sweep_.row < rows) {
    sweep_.EndStep(rows, NowMs());
  } else if (spilled_ != nullptr && spilled_->ever_written()) {
    sweep_.EnterStore(NowMs());
  } else {
    sweep_.EndPass(NowMs());
  }
  return OkStatus();
}

// An entry that has expired comes into memory, where it is removed as all others are: so a checkpoint that is being
// taken gets it as it was, and the next one its removal. Of a row that is in memory its entry says nothing.
Status KeyedStateCore::SweepStore(int64_t now_ms, RowOfEntry row_of) {
  size_t passed = 0;
  Status status;
  const auto visit = [&](const StoredEntry& entry) {
    bool expired = false;
    status = NoteTimes(entry, now_ms, expired);
    char* row = status.ok() && expired ? row_of(entry) : nullptr;
    if (expired && status.ok() && row == nullptr) status = MalformedEntry();
    if (row != nullptr) {
      if (has_missing()) status = FillRow(row, entry);
      if (status.ok()) SweepRow(row, now_ms);
      if (has_missing()) reinterpret_cast<RowHeader*>(row)->cached &= static_cast<uint8_t>(~kReferenced);
      missing_.clear();
    }
    return status.ok() && ++passed < ExpirySweep::kEntriesPerStep;
  };
  EAGRE_ASSIGN_OR_RETURN(const bool done, spilled_->store().Scan("", sweep_.entry, visit));
  EAGRE_RETURN_IF_ERROR(status);
  if (done) {
    sweep_.EndPass(NowMs());
  } else {
    sweep_.EndStep(static_cast<size_t>(std::max<int64_t>(stored_rows_, 0)), NowMs());
  }
  return OkStatus();
}

// Whether anything of an entry has expired; notes when it will otherwise.
Status KeyedStateCore::NoteTimes(const StoredEntry& entry, int64_t now_ms, bool& expired) {
  ByteReader value(entry.value);
  while (!value.empty()) {
    uint32_t number = 0;
    uint32_t size = 0;
    std::string_view contents;
    if (!value.Varint(number) || !value.Fixed(size) || !value.Raw(size, contents)) return MalformedEntry();
    const auto slot = std::find_if(expiring_.begin(), expiring_.end(),
                                   [number](const ExpiringSlot& other) { return other.number == number; });
    if (slot == expiring_.end()) continue;
    int64_t oldest_ms = 0;
    if (!OldestStored(declarations_[number].kind, contents, oldest_ms)) return MalformedEntry();
    if (oldest_ms <= now_ms - slot->ttl_ms) {
      expired = true;
    } else {
      sweep_.Note(oldest_ms, slot->ttl_ms);
    }
  }
  return OkStatus();
}

}  // namespace eagre
