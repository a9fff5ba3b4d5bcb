// The form in which every state lies in checkpoint files: a sequence of entries, each of which puts or erases a value
// under a key. It is the same for all backends and all kinds of state, so a savepoint of one is restored by the other.
//
// Applied in order, later entries win; so a full copy of a state may be taken while the state changes, as long as the
// changes follow as entries of their own.
//
// Layout, little-endian: hash u64, bytes of the key u32, bytes of the value u32 (kErased: the key is erased), then the
// key, then the value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"

namespace eagre {

struct StateEntry {
  uint64_t hash = 0;  // KeyHash of the record key it belongs to; 0 in states that are not keyed
  bool erased = false;
  std::string_view key;
  std::string_view value;
};

// Appends entries to a buffer of its own. Key and value are encoded in place:
//   writer.BeginKey(hash) << key; writer.BeginValue() << value; writer.End();   or, instead of the value, EndErased().
// One thread.
class StateEntryWriter {
 public:
  static constexpr size_t kHeaderBytes = 16;
  static constexpr uint32_t kErased = std::numeric_limits<uint32_t>::max();

  ByteWriter& BeginKey(uint64_t hash);
  ByteWriter& BeginValue();
  void End();
  void EndErased();
  void Add(const StateEntry& entry);

  // Moves what `other` has behind what is here.
  void Append(StateEntryWriter& other);

  size_t bytes() const { return buffer_.size(); }
  uint64_t entries() const { return entries_; }
  uint64_t key_bytes() const { return key_bytes_; }  // of all entries
  // Entries that were encoded elsewhere; all that they are counts as keys.
  void AppendEncoded(std::string_view bytes, uint64_t entries);
  std::string_view view() const { return buffer_; }
  // What was written since the last call. Goes on in the memory of `next`.
  std::string Take(std::string next = {});
  // Room for so many bytes in all, without growing step by step.
  void Reserve(size_t bytes) { buffer_.reserve(bytes); }

 private:
  void EndKey(size_t end);

  std::string buffer_;
  ByteWriter writer_{buffer_};
  size_t entry_at_ = 0;
  size_t value_at_ = 0;
  uint64_t entries_ = 0;
  uint64_t key_bytes_ = 0;
};

// Entries in pieces, so that they can grow and move on in steps that are bounded, however many there are. One thread.
class StateEntryPieces {
 public:
  bool empty() const { return pieces_.empty(); }
  size_t bytes() const { return pieces_.empty() ? 0 : closed_bytes_ + pieces_.back().bytes(); }
  // Where the next entry goes, behind all others.
  StateEntryWriter& back() {
    if (pieces_.empty()) return pieces_.emplace_back();
    if (pieces_.back().bytes() < kPieceBytes) return pieces_.back();
    closed_bytes_ += pieces_.back().bytes();
    return pieces_.emplace_back();
  }
  // Moves what `other` has behind what is here.
  void Append(StateEntryPieces& other) {
    if (other.pieces_.empty()) return;
    closed_bytes_ = bytes() + std::exchange(other.closed_bytes_, 0);
    pieces_.splice(pieces_.end(), other.pieces_);
  }
  // Moves entries behind those of `out`, the first ones first, until it has `limit` bytes; true when all have gone.
  bool MoveTo(StateEntryWriter& out, size_t limit) {
    while (!pieces_.empty()) {
      if (out.bytes() >= limit) return false;
      if (pieces_.size() > 1) closed_bytes_ -= pieces_.front().bytes();
      out.Append(pieces_.front());
      pieces_.pop_front();
    }
    return true;
  }

 private:
  static constexpr size_t kPieceBytes = 64 * 1024;

  std::list<StateEntryWriter> pieces_;
  size_t closed_bytes_ = 0;  // of all but the last one
};

// Reads entries from bytes that it does not own.
class StateEntryReader {
 public:
  explicit StateEntryReader(std::string_view bytes) : reader_(bytes) {}
  // False at the end. DATA_LOSS on bytes that are no entries.
  StatusOr<bool> Next(StateEntry& entry);

 private:
  ByteReader reader_;
};

}  // namespace eagre
