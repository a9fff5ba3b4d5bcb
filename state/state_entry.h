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
#include <string>
#include <string_view>

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

  // Moves what `other` has behind what is here.
  void Append(StateEntryWriter& other);

  size_t bytes() const { return buffer_.size(); }
  uint64_t entries() const { return entries_; }
  // Entries that were encoded elsewhere.
  void AppendEncoded(std::string_view bytes, uint64_t entries);
  std::string_view view() const { return buffer_; }
  // What was written since the last call.
  std::string Take();

 private:
  std::string buffer_;
  ByteWriter writer_{buffer_};
  size_t entry_at_ = 0;
  size_t value_at_ = 0;
  uint64_t entries_ = 0;
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
