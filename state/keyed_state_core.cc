#include "state/keyed_state_core.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "base/check.h"
#include "record/schema.h"

namespace eagre {
namespace {

constexpr size_t kChunkBytes = 64 * 1024;
// A row that changes in every batch is measured again at every so many of them: measuring may walk over the value.
constexpr uint8_t kChangesPerMeasure = 16;
constexpr size_t kRowsPerRestoredBatch = 1024;
constexpr size_t kPrefetchDistance = 8;
constexpr size_t kMostSealedOut = 16 << 20;

size_t AlignUp(size_t offset, size_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

}  // namespace

KeyedStateCore::KeyedStateCore(std::vector<StateDeclaration> declarations, const StateKeyOps& key_ops,
                               const TypeInfo& key_type, std::string name)
    : declarations_(std::move(declarations)), key_ops_(key_ops), name_(std::move(name)) {
  scope_.core = this;
  schema_ = "key: " + Schema(key_type).text();
  for (const StateDeclaration& declaration : declarations_) {
    schema_ += fmt::format("\n{}: {}", declaration.Label(), declaration.SchemaText());
  }
  // The key is where a look-up compares it, in the row's first line of the cache.
  key_offset_ = AlignUp(sizeof(RowHeader), key_ops_.alignment);
  row_alignment_ = std::max(row_alignment_, key_ops_.alignment);
  size_t offset = key_offset_ + key_ops_.size;
  for (const StateDeclaration& declaration : declarations_) {
    offset = AlignUp(offset, declaration.ops->alignment);
    slots_.push_back({declaration.ops, static_cast<uint32_t>(offset)});
    if (declaration.ops->prefetch != nullptr) prefetches_.push_back(slots_.back());
    if (declaration.has_ttl()) {
      const auto number = static_cast<uint32_t>(slots_.size() - 1);
      expiring_.push_back({number, slots_.back().offset, declaration.ttl_ms, declaration.ops});
    }
    offset += declaration.ops->size;
    row_alignment_ = std::max(row_alignment_, declaration.ops->alignment);
  }
  states_end_ = offset;
  SizeRows(states_end_);
}

void KeyedStateCore::SizeRows(size_t bytes) {
  row_bytes_ = AlignUp(bytes, row_alignment_);
  prefetched_bytes_ = std::min(row_bytes_, kMaxPrefetchedBytes);
  chunk_rows_ = std::max<size_t>(1, kChunkBytes / row_bytes_);
  chunk_used_ = chunk_rows_;
  const size_t alignment = std::max(row_alignment_, kCacheLineBytes);
  chunks_ = std::make_unique<ChunkMemory>(std::max(kChunkBytes, AlignUp(row_bytes_, alignment)), alignment);
}

KeyedStateCore::~KeyedStateCore() {
  rows_.ForEach([this](char* row) { Destroy(row); });
  if (absent_row_ != nullptr) DestroyStates(absent_row_);
}

size_t KeyedStateCore::IndexOf(const std::string& state) const {
  const auto found = std::find_if(declarations_.begin(), declarations_.end(),
                                  [&](const StateDeclaration& declaration) { return declaration.name == state; });
  if (found == declarations_.end()) throw StateError(fmt::format("state '{}' is none of this function", state));
  return static_cast<size_t>(found - declarations_.begin());
}

std::vector<uint32_t> KeyedStateCore::slot_offsets() const {
  std::vector<uint32_t> offsets;
  for (const RowSlot& slot : slots_) offsets.push_back(slot.offset);
  return offsets;
}

size_t KeyedStateCore::memory_bytes() const {
  return rows_.memory_bytes() + rows_.size() * row_bytes_ + heap_bytes_;
}

bool KeyedStateCore::blocked() const {
  if (sealed_out_.bytes() + sealed_again_.bytes() > kMostSealedOut) return true;
  return backend_ != nullptr && backend_->stalled() && backend_->full();
}

void KeyedStateCore::FinishBatch() {
  scope_.row = nullptr;
  scope_.now_ms = StateScope::kTimeNotRead;
  batch_open_ = false;
  for (size_t i = 0; i < changed_.size(); ++i) {
    if (i + kPrefetchDistance < changed_.size()) __builtin_prefetch(changed_[i + kPrefetchDistance], 1, 3);
    char* row = changed_[i];
    auto& header = *reinterpret_cast<RowHeader*>(row);
    header.listed = RowHeader::kNotListed;
    const bool empty = Empty(row);
    if (spilled_ != nullptr) {
      header.cached |= kUnwritten;
      SetEmptied(row, empty);
    }
    if (empty && (header.cached & kStored) == 0) {
      MarkFreed(row);
      FreeRow(row);
    } else if (header.changes++ % kChangesPerMeasure == 0) {
      Measure(row);
    }
  }
  changed_.clear();
  if (backend_ != nullptr) share_.Set(memory_bytes());
}

void KeyedStateCore::FreeRow(char* row) {
  auto& header = *reinterpret_cast<RowHeader*>(row);
  heap_bytes_ -= header.heap_bytes;
  if ((header.cached & kStored) == 0) --unstored_rows_;
  if ((header.cached & kEmptied) != 0) --emptied_rows_;
  header.cached = 0;
  rows_.Erase(header.hash, [row](const char* other) { return other == row; });
  Destroy(row);
  free_rows_.push_back(row);
}

void KeyedStateCore::MakeAbsentRow() {
  if (absent_row_ != nullptr) return;
  absent_row_ = AllocateRow();
  ConstructStates(absent_row_);
}

void KeyedStateCore::ListChanged(char* row) {
  if (row == absent_row_) return MakeSelectedRow();
  auto& header = *reinterpret_cast<RowHeader*>(row);
  if (header.listed == RowHeader::kNotListed) changed_.push_back(row);
  header.listed = RowHeader::kListed;
  header.cached &= static_cast<uint8_t>(~RowHeader::kRestored);
  if (!epochs_.IsCurrent(header.mark)) MarkInEpoch(row);
}

void KeyedStateCore::MarkInEpoch(char* row) {
  if (spilled_ != nullptr) return MarkCachedInEpoch(row);
  auto& header = *reinterpret_cast<RowHeader*>(row);
  if (epochs_.IsPending(header.mark)) {
    EncodeRow(row, sealed_out_.back());
    header.mark = ChangeEpochs::Encoded(header.mark);
  }
  header.mark = epochs_.Current(header.mark);
  if (epochs_.following()) dirty_.push_back(row);
}

void KeyedStateCore::MarkFreed(char* row) {
  auto& header = *reinterpret_cast<RowHeader*>(row);
  if (!epochs_.IsCurrent(header.mark)) MarkInEpoch(row);
  if ((header.mark & ChangeEpochs::kWritten) != 0) ListErased(row);
  const uint8_t epoch = epochs_.following() && spilled_ == nullptr ? header.mark & ChangeEpochs::kEpochBits : 0;
  header.mark = epoch | ChangeEpochs::kOwnersBit;
}

void KeyedStateCore::ListErased(const char* row) {
  StateEntryWriter& erased = erased_.back();
  key_ops_.encode(KeyAt(row), erased.BeginKey(HashOf(row)));
  erased.EndErased();
}

void KeyedStateCore::EncodeRow(const char* row, StateEntryWriter& out) const {
  key_ops_.encode(KeyAt(row), out.BeginKey(HashOf(row)));
  if (Empty(row)) {
    out.EndErased();
    return;
  }
  EncodeStates(row, out.BeginValue());
  out.End();
}

void KeyedStateCore::EncodeStates(const char* row, ByteWriter& value) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const char* slot = row + slots_[i].offset;
    if (slots_[i].ops->empty(slot)) continue;
    value.Varint(i);
    const size_t size_at = value.size();
    value.Fixed<uint32_t>(0);
    slots_[i].ops->encode(slot, value);
    const size_t bytes = value.size() - size_at - sizeof(uint32_t);
    EAGRE_CHECK_MSG(bytes <= std::numeric_limits<uint32_t>::max(), "the state of one key is larger than 4 GiB");
    value.PatchFixed(size_at, static_cast<uint32_t>(bytes));
  }
}

void KeyedStateCore::Seal() {
  for (char* row : changed_) reinterpret_cast<RowHeader*>(row)->listed = RowHeader::kListedBeforeSeal;
  if (epochs_.Seal()) sealed_walk_ = {.end = RowsAllocated()};
  sealed_.swap(dirty_);
  // What goes comes first: a key that came back is put behind it.
  if (spilled_ == nullptr) {
    sealed_out_.Append(erased_);
  } else {
    sealed_erased_.Append(erased_);
    spilled_->Seal();
  }
}

bool KeyedStateCore::EncodeSealed(StateEntryWriter& out, size_t max_bytes) {
  const size_t limit = out.bytes() + max_bytes;
  if (spilled_ != nullptr) {
    if (!sealed_erased_.MoveTo(out, limit) || !sealed_out_.MoveTo(out, limit)) return false;
    // What the store has may be older than what the table has, and so comes before it.
    if (!spilled_->EncodeSealed(out, limit) || !sealed_again_.MoveTo(out, limit)) return false;
  }
  if (!sealed_out_.MoveTo(out, limit)) return false;
  const auto encode_pending = [&](char* row) {
    auto& header = *reinterpret_cast<RowHeader*>(row);
    if (!epochs_.IsPending(header.mark)) return;
    if ((header.mark & ChangeEpochs::kOwnersBit) != 0) {
      header.mark = ChangeEpochs::Unchanged(header.mark);
      return;
    }
    EncodeRow(row, out);
    header.mark = ChangeEpochs::Encoded(header.mark);
  };
  const auto full = [&] { return out.bytes() >= limit; };
  if (!sealed_walk_.done()) {
    WalkRows(sealed_walk_, full, encode_pending);
    return false;
  }
  for (size_t passed = 0; !sealed_.empty(); ++passed, sealed_.pop_front()) {
    if (full() || passed == kRowsPassedPerSlice) return false;
    if (sealed_.size() > kPrefetchDistance) __builtin_prefetch(sealed_[kPrefetchDistance], 1, 3);
    encode_pending(sealed_.front());
  }
  epochs_.EndSealed();
  return true;
}

void KeyedStateCore::BeginBase() {
  base_walk_ = {.end = RowsAllocated()};
  if (spilled_ == nullptr) return;
  BeginWriteBack();
  spilled_->BeginBase();
}

bool KeyedStateCore::EncodeBase(StateEntryWriter& out, size_t max_bytes) {
  const size_t limit = out.bytes() + max_bytes;
  if (spilled_ != nullptr) return WriteBackSlice() && spilled_->EncodeBase(out, limit);
  WalkRows(
      base_walk_, [&] { return out.bytes() >= limit; },
      [&](char* row) {
        if (Empty(row)) return;
        EncodeRow(row, out);
        reinterpret_cast<RowHeader*>(row)->mark |= ChangeEpochs::kWritten;
      });
  return base_walk_.done();
}

Status KeyedStateCore::RestoreRow(char* row, const StateEntry& entry) {
  DestroyStates(row);
  ConstructStates(row);
  MarkChanged(row);
  // Whatever an earlier entry left in the store is not valid any more.
  if (spilled_ != nullptr && (reinterpret_cast<RowHeader*>(row)->cached & kStored) == 0) SetStored(row, true);
  reinterpret_cast<RowHeader*>(row)->cached |= RowHeader::kRestored;
  EAGRE_RETURN_IF_ERROR(DecodeRow(entry.value, row));
  if (changed_.size() < kRowsPerRestoredBatch) return OkStatus();
  return FinishRestoredBatch();
}

Status KeyedStateCore::FinishRestoredBatch() {
  FinishBatch();
  if (backend_ == nullptr) return OkStatus();
  const StateBackend::RestoringScope restoring(*backend_);
  return backend_->MakeRoom();
}

StoredForm KeyedStateCore::FormOf(const StateSchema::Part& stored) const {
  return {.type = stored.type, .has_times = stored.has_times, .now_ms = clock_ == nullptr ? 0 : clock_->NowMs()};
}

Status KeyedStateCore::DecodeRow(std::string_view bytes_of_row, char* row) {
  ByteReader value(bytes_of_row);
  while (!value.empty()) {
    uint32_t number = 0;
    uint32_t size = 0;
    std::string_view bytes;
    const size_t states = stored_parts_.empty() ? declarations_.size() : stored_parts_.size();
    if (!value.Varint(number) || !value.Fixed(size) || !value.Raw(size, bytes) || number >= states) {
      return DataLoss("an entry of keyed state is malformed");
    }
    const int index = stored_parts_.empty() ? static_cast<int>(number) : stored_declarations_[number];
    if (index < 0) continue;
    const StateDeclaration& declaration = declarations_[static_cast<size_t>(index)];
    char* slot = row + slots_[static_cast<size_t>(index)].offset;
    ByteReader in(bytes);
    const bool same_type = stored_parts_.empty() || stored_parts_[number].type_text == declaration.SchemaText();
    const bool read = same_type ? declaration.ops->decode(in, slot)
                                : declaration.ops->decode_stored(in, FormOf(stored_parts_[number]), slot);
    if (!read || !in.empty()) {
      return DataLoss("an entry of state '{}' is no {}", declaration.name, declaration.TypeText());
    }
  }
  return OkStatus();
}

Status KeyedStateCore::BeginRestore(const std::string& stored_schema) {
  stored_parts_.clear();
  stored_declarations_.clear();
  if (stored_schema == schema_) return OkStatus();
  EAGRE_RETURN_IF_ERROR(CheckCompatible(stored_schema, schema_));
  EAGRE_ASSIGN_OR_RETURN(const StateSchema stored, StateSchema::Parse(stored_schema));
  for (const StateSchema::Part& part : stored.parts()) {
    if (&part == stored.parts().data()) continue;  // the key
    int index = -1;
    for (size_t i = 0; i < declarations_.size(); ++i) {
      if (declarations_[i].Label() == part.label) index = static_cast<int>(i);
    }
    if (index >= 0 && declarations_[static_cast<size_t>(index)].ops->decode_stored == nullptr &&
        declarations_[static_cast<size_t>(index)].SchemaText() != part.type_text) {
      return FailedPrecondition("state '{}' was stored as '{}' and is '{}' now, which cannot be read",
                                declarations_[static_cast<size_t>(index)].name, part.type_text,
                                declarations_[static_cast<size_t>(index)].SchemaText());
    }
    stored_parts_.push_back(part);
    stored_declarations_.push_back(index);
  }
  return OkStatus();
}

Status KeyedStateCore::FinishRestore(bool inherited) {
  stored_parts_.clear();
  stored_declarations_.clear();
  if (spilled_ != nullptr) EAGRE_RETURN_IF_ERROR(spilled_->FinishRestore());
  EAGRE_RETURN_IF_ERROR(FinishRestoredBatch());
  if (has_ttl()) sweep_.BeginAnew(NowMs());
  if (!inherited) return OkStatus();
  if (spilled_ != nullptr) spilled_->Follow();
  rows_.ForEach([](char* row) { reinterpret_cast<RowHeader*>(row)->mark = ChangeEpochs::kWritten; });
  epochs_.Follow();
  return OkStatus();
}

char* KeyedStateCore::NewRow(uint64_t hash) {
  char* row = AllocateRow();
  auto& header = *reinterpret_cast<RowHeader*>(row);
  // Memory that was freed in this epoch is in the list of what changed; the mark says so.
  const bool known = epochs_.following() && spilled_ == nullptr && epochs_.IsCurrent(header.mark);
  header = {.hash = hash, .mark = known ? epochs_.Current(0) : uint8_t{0}, .cached = kLive | kReferenced};
  ++unstored_rows_;
  ConstructStates(row);
  MarkChanged(row);
  return row;
}

void KeyedStateCore::Measure(char* row) {
  size_t bytes = key_ops_.heap_bytes == nullptr ? 0 : key_ops_.heap_bytes(KeyAt(row));
  for (const RowSlot& slot : slots_) bytes += slot.ops->heap_bytes(row + slot.offset);
  auto& header = *reinterpret_cast<RowHeader*>(row);
  heap_bytes_ -= header.heap_bytes;
  header.heap_bytes = static_cast<uint32_t>(std::min<size_t>(bytes, std::numeric_limits<uint32_t>::max()));
  heap_bytes_ += header.heap_bytes;
}

void KeyedStateCore::Destroy(char* row) {
  DestroyStates(row);
  if (key_ops_.destroy != nullptr) key_ops_.destroy(KeyAt(row));
}

char* KeyedStateCore::AllocateRow() {
  if (!free_rows_.empty()) {
    char* row = free_rows_.back();
    free_rows_.pop_back();
    return row;
  }
  if (chunk_used_ == chunk_rows_) {
    chunk_ = chunks_->Allocate();
    chunks_of_rows_.push_back(chunk_);
    chunk_used_ = 0;
  }
  char* row = chunk_ + row_bytes_ * chunk_used_++;
  new (row) RowHeader();
  if (spilled_ != nullptr) new (row + tail_offset_) RowStoreTail();
  return row;
}

}  // namespace eagre
