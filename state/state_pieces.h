// Large values of keyed state in pieces, each of which is a row of its own: of an event only the pieces that it asks
// for are read, and only those that it changes are written, to the store and to checkpoints.
//
// What a key has in pieces is named by a value in the key's row (the owner), which knows their numbers. A piece is some
// bytes. Its key is the record key and its number; its hash is of the record key's key group, so that both go to the
// same subtask, and different for each number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "record/record.h"
#include "record/type_info_of.h"
#include "state/keyed_state_table.h"

namespace eagre {

// A piece in memory, part of its row; without bytes there is none.
struct StatePiece {
  char* bytes = nullptr;
  uint32_t size = 0;
  StatePiece** noted = nullptr;  // where the owner keeps the address of this; becomes null when the piece leaves memory
};

// The pieces of the current key. Not thread-safe.
class StatePieces {
 public:
  virtual ~StatePieces() = default;

  // The piece, read from the store if need be; one without bytes when there is none. It stays where it is until the
  // batch ends, and in memory only backends for good. Throws StateError when the store fails.
  virtual StatePiece& Find(uint32_t number) = 0;
  // Before a piece is changed, at every event anew.
  void Change(StatePiece& piece) { core_->MarkChanged(RowOf(piece)); }
  // A piece whose address was noted is used.
  void Touch(StatePiece& piece) { KeyedStateCore::Touch(RowOf(piece)); }
  // Gives a piece zeroed bytes, or none, which ends it. Not without Change.
  static void Resize(StatePiece& piece, uint32_t size);

 protected:
  // Before anything else: the table of the pieces, which has the state of Declaration.
  void Use(KeyedStateCore& core) {
    core_ = &core;
    slot_offset_ = core.slot_offsets().front();
  }
  static StateDeclaration Declaration(std::string name, const TypeInfo& content);
  StatePiece& PieceOf(char* row) const { return *reinterpret_cast<StatePiece*>(row + slot_offset_); }
  // A piece's hash, of the key group of `key_hash`.
  static uint64_t HashOf(uint64_t key_hash, uint32_t number, uint64_t max_parallelism);

 private:
  char* RowOf(StatePiece& piece) const { return reinterpret_cast<char*>(&piece) - slot_offset_; }

  KeyedStateCore* core_ = nullptr;
  uint32_t slot_offset_ = 0;
};

// Of keys of type K.
template <typename K>
class KeyedStatePieces final : public StatePieces {
 public:
  using Table = KeyedStateTable<std::pair<K, uint32_t>>;

  // `name` addresses the state within its operator. What the pieces encode depends on `content`.
  KeyedStatePieces(const std::string& name, const TypeInfo& content) : table_({Declaration(name, content)}, name) {
    Use(table_);
  }

  // As of KeyedStateCore; `backend` is null where the state is in memory without limit.
  Status Open(StateBackend* backend, const std::string& operator_name, int max_parallelism) {
    max_parallelism_ = static_cast<uint64_t>(max_parallelism);
    return backend == nullptr ? OkStatus() : table_.Open(*backend, operator_name, max_parallelism);
  }
  // Makes a key current; hash and key are valid while it is.
  void SelectKey(uint64_t hash, const K& key) {
    hash_ = hash;
    key_ = &key;
  }
  StatePiece& Find(uint32_t number) override {
    wanted_.first = *key_;
    wanted_.second = number;
    table_.SelectKey(HashOf(hash_, number, max_parallelism_), wanted_);
    return PieceOf(table_.scope().row);
  }
  Table& table() { return table_; }
  const Table& table() const { return table_; }

 private:
  Table table_;
  uint64_t max_parallelism_ = 1;
  uint64_t hash_ = 0;
  const K* key_ = nullptr;
  std::pair<K, uint32_t> wanted_{};
};

}  // namespace eagre
