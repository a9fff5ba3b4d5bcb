// The part of KeyedStateCore that keeps its rows above a store.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "state/keyed_state_core.h"

namespace eagre {
namespace {

size_t AlignUp(size_t offset, size_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

}  // namespace

Status KeyedStateCore::Open(StateBackend& backend, const std::string& operator_name, int max_parallelism) {
  backend_ = &backend;
  EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<EntryStore> store, backend.OpenStore(max_parallelism));
  if (store != nullptr) {
    spilled_ = std::make_unique<SpilledState>(std::move(store));
    tail_offset_ = AlignUp(states_end_, alignof(RowStoreTail));
    SizeRows(tail_offset_ + sizeof(RowStoreTail));
  }
  // As messages are to name it: by what was declared.
  std::vector<std::string> declared;
  for (const StateDeclaration& state : declarations_) declared.push_back(state.name);
  if (declared.empty()) declared.push_back(name());
  share_.Open(backend, operator_name, std::move(declared), spilled_ == nullptr ? nullptr : this);
  return OkStatus();
}

void KeyedStateCore::SetStored(char* row, bool stored) {
  auto& header = *reinterpret_cast<RowHeader*>(row);
  if (((header.cached & kStored) != 0) == stored) return;
  header.cached ^= kStored;
  stored_rows_ += stored ? 1 : -1;
  unstored_rows_ -= stored ? 1 : -1;
}

void KeyedStateCore::SetEmptied(char* row, bool emptied) {
  auto& header = *reinterpret_cast<RowHeader*>(row);
  if (((header.cached & kEmptied) != 0) == emptied) return;
  header.cached ^= kEmptied;
  emptied_rows_ += emptied ? 1 : -1;
}

// ---- rows that come ----

char* KeyedStateCore::NewMissingRow(uint64_t hash) {
  char* row = AllocateRow();
  *reinterpret_cast<RowHeader*>(row) = {.hash = hash, .cached = kLive | kReferenced};
  TailOf(row).store_epoch = 0;
  ++unstored_rows_;
  ConstructStates(row);
  missing_.push_back(row);
  return row;
}

Status KeyedStateCore::FetchMissing() {
  if (!spilled_->ever_written()) {
    for (char* row : missing_) MarkChanged(row);
    missing_.clear();
    return OkStatus();
  }
  EAGRE_RETURN_IF_ERROR(spilled_->error());
  EntryStore& store = spilled_->store();
  for (char* row : missing_) key_ops_.encode(KeyAt(row), store.AddRead(HashOf(row)));
  const Status read = store.Read([&](size_t i, const StoredEntry* entry) -> Status {
    if (entry != nullptr) return FillRow(missing_[i], *entry);
    MarkChanged(missing_[i]);
    return OkStatus();
  });
  missing_.clear();
  return read;
}

Status KeyedStateCore::FillRow(char* row, const StoredEntry& entry) {
  auto& header = *reinterpret_cast<RowHeader*>(row);
  header.cached |= kStored;
  --unstored_rows_;
  header.mark = ChangeEpochs::kWritten;
  TailOf(row).store_epoch = SpilledState::EpochOf(entry);
  if (spilled_->IsRestored(entry)) header.cached |= RowHeader::kRestored;
  EAGRE_RETURN_IF_ERROR(DecodeRow(entry.value, row));
  Measure(row);
  return OkStatus();
}

void KeyedStateCore::FetchSelected() {
  const Status fetched = FetchMissing();
  if (!fetched.ok()) throw StateError(std::string(StatusMessage(fetched)));
}

void KeyedStateCore::ScanStore(absl::FunctionRef<bool(const StoredEntry&)> visit) {
  std::string position;
  for (bool done = false; !done;) {
    bool whole = true;
    const StatusOr<bool> scanned = spilled_->store().Scan("", position, [&](const StoredEntry& entry) {
      whole = visit(entry);
      return whole && missing_.size() < kRowsPerCommit;
    });
    if (!scanned.ok()) throw StateError(std::string(StatusMessage(scanned.status())));
    if (!whole) throw StateError("an entry of keyed state in the store is malformed");
    done = *scanned;
    FetchSelected();
  }
}

// ---- changes ----

void KeyedStateCore::MarkCachedInEpoch(char* row) {
  auto& header = *reinterpret_cast<RowHeader*>(row);
  RowStoreTail& tail = TailOf(row);
  const bool sealed_in_store = tail.store_epoch != 0 && tail.store_epoch == spilled_->sealed_epoch();
  const bool pending = epochs_.IsPending(header.mark);
  if (pending || sealed_in_store) {
    EncodeRow(row, pending && sealed_in_store ? sealed_again_.back() : sealed_out_.back());
    header.mark = ChangeEpochs::Encoded(header.mark);
    if (sealed_in_store) tail.store_epoch = 0;
  }
  header.mark = epochs_.Current(header.mark);
  if (!epochs_.following() || tail.dirty_epoch == spilled_->epoch()) return;
  tail.dirty_epoch = spilled_->epoch();
  dirty_.push_back(row);
}

// ---- rows that go ----

// Adds the row as it is to the next commit.
void KeyedStateCore::AddWrite(char* row) {
  const auto& header = *reinterpret_cast<const RowHeader*>(row);
  EntryStore& store = spilled_->store();
  key_ops_.encode(KeyAt(row), store.BeginPut(header.hash));
  if (Empty(row)) {
    store.EndErase();
  } else {
    const bool current = epochs_.IsCurrent(header.mark);
    if (current && TailOf(row).store_epoch != spilled_->epoch()) spilled_->ListKeyAtHand(header.hash);
    EncodeStates(row, store.BeginValue(spilled_->Mark(current, reinterpret_cast<const RowHeader*>(row)->restored())));
    store.EndPut();
  }
  writing_.push_back(row);
}

StatusOr<bool> KeyedStateCore::CommitWrites() {
  if (writing_.empty()) return true;
  EAGRE_ASSIGN_OR_RETURN(const bool written, spilled_->Commit(backend_->may_wait()));
  if (written) {
    for (char* row : writing_) {
      auto& header = *reinterpret_cast<RowHeader*>(row);
      const bool empty = Empty(row);
      SetStored(row, !empty);
      header.cached &= static_cast<uint8_t>(~kUnwritten);
      if (!empty) header.mark |= ChangeEpochs::kWritten;
      TailOf(row).store_epoch = epochs_.IsCurrent(header.mark) && !empty ? spilled_->epoch() : 0;
    }
  }
  writing_.clear();
  return written;
}

// The rows are written, where they had to be.
void KeyedStateCore::DropEvicted() {
  for (char* row : evicted_) {
    auto& header = *reinterpret_cast<RowHeader*>(row);
    if (epochs_.IsPending(header.mark)) EncodeRow(row, sealed_out_.back());
    if (epochs_.IsCurrent(header.mark) && Empty(row)) ListErased(row);
    header.mark = ChangeEpochs::kOwnersBit;
    FreeRow(row);
  }
  evicted_.clear();
}

Status KeyedStateCore::Evict(size_t bytes) {
  if (batch_open_ || scope_.row != nullptr || !changed_.empty()) return OkStatus();
  const size_t rows = RowsAllocated();
  size_t held = heap_bytes_ + rows_.size() * row_bytes_;
  const size_t goal = held - std::min(bytes, held);
  // Twice around: the first time may only find that all were used.
  for (size_t passed = 0; passed < 2 * rows && held > goal; ++passed) {
    if (clock_hand_ >= rows) clock_hand_ = 0;
    char* row = RowAt(clock_hand_++);
    auto& header = *reinterpret_cast<RowHeader*>(row);
    if ((header.cached & kLive) == 0) continue;
    if ((header.cached & kReferenced) != 0) {
      header.cached &= static_cast<uint8_t>(~kReferenced);
      continue;
    }
    held -= std::min(held, row_bytes_ + header.heap_bytes);
    evicted_.push_back(row);
    header.cached |= kReferenced;  // not twice in one commit
    if ((header.cached & kUnwritten) != 0) AddWrite(row);
    if (evicted_.size() < kRowsPerCommit && held > goal && passed + 1 < 2 * rows) continue;
    EAGRE_ASSIGN_OR_RETURN(const bool written, CommitWrites());
    if (!written) {
      evicted_.clear();
      break;
    }
    DropEvicted();
  }
  if (!evicted_.empty()) {
    EAGRE_ASSIGN_OR_RETURN(const bool written, CommitWrites());
    if (written) DropEvicted();
    evicted_.clear();
  }
  share_.Set(memory_bytes());
  return OkStatus();
}

std::optional<CheckpointedState::StorePart> KeyedStateCore::store_part() const {
  if (spilled_ == nullptr) return std::nullopt;
  return StorePart{spilled_->store().number(), spilled_->epoch(), static_cast<int64_t>(row_count())};
}

Status KeyedStateCore::AdoptStore(const StorePart& part) {
  if (spilled_ == nullptr) return CheckpointedState::AdoptStore(part);
  EAGRE_CHECK(spilled_->store().number() == part.store);
  spilled_->Adopt(part.epoch);
  stored_rows_ = part.entries;
  return OkStatus();
}

void KeyedStateCore::BeginWriteBack() {
  write_back_walk_ = {.end = RowsAllocated()};
}

// Before a base the store gets what it does not have yet, so that it alone has everything from before the base. True
// when it has.
bool KeyedStateCore::WriteBackSlice() {
  if (write_back_walk_.done()) return true;
  if (backend_->stalled() || !spilled_->error().ok()) return false;
  RowWalk walk = write_back_walk_;
  size_t bytes = 0;
  WalkRows(
      walk, [&] { return bytes >= kBytesPerSlice; },
      [&](char* row) {
        const auto& header = *reinterpret_cast<const RowHeader*>(row);
        const bool unwritten = (header.cached & kUnwritten) != 0 || header.listed != RowHeader::kNotListed;
        if (!unwritten) return;
        AddWrite(row);
        bytes += row_bytes_ + header.heap_bytes;
      });
  const StatusOr<bool> written = CommitWrites();
  if (!written.ok()) spilled_->Fail(written.status());
  if (written.ok() && *written) write_back_walk_ = walk;
  return false;
}

}  // namespace eagre
