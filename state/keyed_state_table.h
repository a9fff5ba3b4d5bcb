// The typed shell over KeyedStateCore: keys of type K.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "record/record.h"
#include "record/type_info_of.h"
#include "state/keyed_state_core.h"

namespace eagre {

// Equality of keys, as RecordEquals, by the type's own operator where that is the same.
template <typename K>
bool KeyEquals(const K& a, const K& b) {
  if constexpr ((ScalarField<K> && !FloatField<K>) || std::is_same_v<K, std::string>) {
    return a == b;
  } else {
    return RecordEquals(a, b);
  }
}

// KeyHash maps these one to one, so that equal hashes are equal keys.
template <typename K>
inline constexpr bool kHashIdentifiesKey = ScalarField<K> && !FloatField<K>;

// State is reached by batch: MakeResident finds or creates the rows of all keys of a batch, Select makes one of them
// what the handles see, FinishBatch ends it. Not thread-safe.
template <typename K>
class KeyedStateTable final : public KeyedStateCore {
 public:
  explicit KeyedStateTable(std::vector<StateDeclaration> declarations, std::string name = "keyed state")
      : KeyedStateCore(std::move(declarations), MakeKeyOps(), TypeInfoOf<K>(), std::move(name)),
        stateless_(this->declarations().empty()) {}

  // Most keys hold nothing: records make rows only where a state is changed. Before anything else.
  void SetSparse() { sparse_ = !stateless_; }

  // key_at(i) is the key of record i, hashes[i] its KeyHash. Fails when the store does.
  template <typename KeyOfRecord>
  Status MakeResident(const uint64_t* hashes, size_t count, KeyOfRecord&& key_at) {
    if (stateless_) return OkStatus();
    resident_.resize(count);
    OpenBatch();
    const bool prefetch = rows_.size() >= kCachedRows;
    if (sparse_ && this->all_in_memory()) {
      FindResident(hashes, count, prefetch, key_at);
      return OkStatus();
    }
    if (has_store()) return MakeResidentAboveStore(hashes, count, prefetch, key_at);
    for (size_t i = 0; i < count; ++i) {
      if (prefetch) {
        // First the slot, then, when it is there, the row that it points to.
        if (i + 2 * kPrefetchDistance < count) rows_.Prefetch(hashes[i + 2 * kPrefetchDistance]);
        if (i + kPrefetchDistance < count) PrefetchRow(hashes[i + kPrefetchDistance]);
      }
      resident_[i] = RowOf(hashes[i], key_at(i));
    }
    return OkStatus();
  }
  // Makes the row of record `i` of the resident batch current.
  void Select(size_t i) {
    if (!stateless_) scope_.row = resident_[i];
  }
  // As Select, of a sparse table. Hash and key are the record's, and valid while it is current.
  void SelectSparse(size_t i, uint64_t hash, const K& key) {
    if (stateless_) return;
    scope_.row = resident_[i];
    if (scope_.row == absent_row_) SelectAbsent(hash, key);
    if (has_store()) Touch(scope_.row);
  }

  // The records that are selected next come later than those before, if only because an output was full.
  void ForgetTime() { scope_.now_ms = StateScope::kTimeNotRead; }

  // Starts loading the rows of records behind `i` in the resident batch, which will be selected soon, into the cache:
  // of a far one the row, of a near one what its states own.
  void PrefetchBehind(size_t i) const {
    if (stateless_ || rows_.size() < kCachedRows) return;
    if (i + kFarRecords < resident_.size()) this->PrefetchWhole(resident_[i + kFarRecords]);
    if (i + kNearRecords < resident_.size()) this->PrefetchOwned(resident_[i + kNearRecords]);
  }

  // Makes the row of one key current. Throws StateError when the store fails.
  void SelectKey(uint64_t hash, const K& key) {
    if (stateless_) return;
    scope_.row = has_store() ? RowAboveStore(hash, key) : RowOf(hash, key);
    if (has_missing()) FetchSelected();
  }
  void Prefetch(uint64_t hash) const { rows_.Prefetch(hash); }

  // A step of the removal of what has expired, when next_sweep_ms() has come; between two batches. MakeRoom is to
  // follow.
  Status RemoveExpired(int64_t now_ms) {
    EAGRE_RETURN_IF_ERROR(this->Sweep(now_ms, [this](const StoredEntry& entry) -> char* {
      ByteReader in(entry.key);
      return Codec<K>::Decode(in, restored_key_) ? RowAboveStore(entry.hash, restored_key_) : nullptr;
    }));
    FinishBatch();
    return this->DropExpired();
  }

  // Calls visit(key) for each key whose state of this name is not empty, its row being current. `visit` may change that
  // row, but make no other current; FinishBatch must follow. Above a store all keys are brought into memory for it.
  template <typename Visit>
  void ForEachKeyWith(const std::string& state, Visit&& visit) {
    const size_t index = IndexOf(state);
    if (has_store()) FetchAll();
    const bool expires = this->has_ttl();
    const int64_t now_ms = expires ? this->NowMs() : 0;
    rows_.ForEach([&](char* row) {
      if (expires) this->ExpireRow(row, now_ms);
      if (IsEmpty(row, index)) return;
      scope_.row = row;
      visit(KeyOf(row));
    });
    scope_.row = nullptr;
  }

  Status Restore(const StateEntry& entry) override {
    ByteReader in(entry.key);
    if (!Codec<K>::Decode(in, restored_key_) || !in.empty()) return DataLoss("the key of an entry is malformed");
    if (RestoresRaw()) return RestoreRaw(entry);
    return RestoreRow(RowOf(entry.hash, restored_key_), entry);
  }

  const K& KeyOf(const char* row) const { return *static_cast<const K*>(this->KeyAt(row)); }
  bool Contains(uint64_t hash, const K& key) const {
    return rows_.Find(hash, [&](const char* row) { return KeyEquals(KeyOf(row), key); }) != nullptr;
  }

 private:
  static constexpr size_t kPrefetchDistance = 8;
  static constexpr size_t kFarRecords = 12;
  static constexpr size_t kNearRecords = 6;
  static constexpr size_t kCachedRows = 4096;  // fewer stay in the cache by themselves
  static constexpr StateKeyOps MakeKeyOps() {
    StateKeyOps ops{
        .size = sizeof(K),
        .alignment = alignof(K),
        .destroy = nullptr,
        .heap_bytes = nullptr,
        .encode = [](const void* key, ByteWriter& out) { Codec<K>::Encode(*static_cast<const K*>(key), out); },
    };
    if constexpr (!std::is_trivially_destructible_v<K>) {
      ops.destroy = [](void* key) { std::destroy_at(static_cast<K*>(key)); };
    }
    if constexpr (Codec<K>::kHasTail) {
      ops.heap_bytes = [](const void* key) { return HeapBytesOf(*static_cast<const K*>(key)); };
    }
    return ops;
  }

  template <typename KeyOfRecord>
  void FindResident(const uint64_t* hashes, size_t count, bool prefetch, KeyOfRecord&& key_at) {
    this->MakeAbsentRow();
    made_in_batch_ = {};
    for (size_t i = 0; i < count; ++i) {
      if (prefetch && i + 2 * kPrefetchDistance < count) rows_.Prefetch(hashes[i + 2 * kPrefetchDistance]);
      if (!kHashIdentifiesKey<K> && prefetch && i + kPrefetchDistance < count) {
        PrefetchRow(hashes[i + kPrefetchDistance]);
      }
      resident_[i] = RowOrAbsent(hashes[i], key_at(i));
    }
  }
  char* RowOrAbsent(uint64_t hash, const K& key) const {
    char** row = rows_.Find(hash, [&](const char* other) { return IsRowOf(other, key); });
    return row == nullptr ? absent_row_ : *row;
  }
  // When its batch was made resident the key had no row. A record before may have made one.
  void SelectAbsent(uint64_t hash, const K& key) {
    selected_hash_ = hash;
    selected_key_ = &key;
    if ((MadeWord(hash) >> MadeBit(hash) & 1) != 0) scope_.row = RowOrAbsent(hash, key);
  }
  void MakeSelectedRow() override {
    MadeWord(selected_hash_) |= uint64_t{1} << MadeBit(selected_hash_);
    if (has_store()) return SelectKey(selected_hash_, *selected_key_);
    this->scope_.row = rows_.Insert(selected_hash_, MakeRow(selected_hash_, *selected_key_));
  }
  uint64_t& MadeWord(uint64_t hash) { return made_in_batch_[hash >> 32 & (made_in_batch_.size() - 1)]; }
  static uint64_t MadeBit(uint64_t hash) { return hash >> 40 & 63; }

  bool IsRowOf(const char* row, const K& key) const {
    if constexpr (kHashIdentifiesKey<K>) return true;
    return KeyEquals(KeyOf(row), key);
  }

  template <typename KeyOfRecord>
  Status MakeResidentAboveStore(const uint64_t* hashes, size_t count, bool prefetch, KeyOfRecord&& key_at) {
    for (size_t i = 0; i < count; ++i) {
      if (prefetch) {
        if (i + 2 * kPrefetchDistance < count) rows_.Prefetch(hashes[i + 2 * kPrefetchDistance]);
        if (i + kPrefetchDistance < count) PrefetchRow(hashes[i + kPrefetchDistance]);
      }
      resident_[i] = RowAboveStore(hashes[i], key_at(i));
    }
    return has_missing() ? FetchMissing() : OkStatus();
  }

  void FetchAll() {
    OpenBatch();
    ScanStore([this](const StoredEntry& entry) {
      ByteReader in(entry.key);
      if (!Codec<K>::Decode(in, restored_key_)) return false;
      RowAboveStore(entry.hash, restored_key_);
      return true;
    });
  }

  // The row, or one that is to be filled by FetchMissing.
  char* RowAboveStore(uint64_t hash, const K& key) {
    char* row = rows_.FindOrInsert(
        hash, [&](const char* other) { return IsRowOf(other, key); },
        [&](void* place) {
          char* missing = NewMissingRow(hash);
          new (this->KeyAt(missing)) K(key);
          *static_cast<char**>(place) = missing;
        });
    Touch(row);
    return row;
  }

  void PrefetchRow(uint64_t hash) const {
    if (char** row = rows_.Find(hash, [](const char*) { return true; })) __builtin_prefetch(*row, 1, 3);
  }

  char* RowOf(uint64_t hash, const K& key) {
    return rows_.FindOrInsert(
        hash, [&](const char* row) { return IsRowOf(row, key); }, MakeRow(hash, key));
  }
  // Makes a row and puts it in its place in the table.
  auto MakeRow(uint64_t hash, const K& key) {
    return [this, hash, &key](void* place) {
      char* row = NewRow(hash);
      new (this->KeyAt(row)) K(key);
      *static_cast<char**>(place) = row;
    };
  }

  const bool stateless_;
  bool sparse_ = false;
  uint64_t selected_hash_ = 0;  // of the key that is current and has no row
  const K* selected_key_ = nullptr;
  std::array<uint64_t, 16> made_in_batch_{};  // a bit for each key that got a row since its batch was made resident
  std::vector<char*> resident_;
  K restored_key_{};
};

}  // namespace eagre
