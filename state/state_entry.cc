#include "state/state_entry.h"

#include <utility>

#include "base/check.h"

namespace eagre {

ByteWriter& StateEntryWriter::BeginKey(uint64_t hash) {
  entry_at_ = buffer_.size();
  value_at_ = 0;
  writer_.Fixed(hash);
  writer_.Fixed<uint32_t>(0);
  writer_.Fixed(kErased);
  return writer_;
}

void StateEntryWriter::EndKey(size_t end) {
  const size_t bytes = end - entry_at_ - kHeaderBytes;
  writer_.PatchFixed(entry_at_ + 8, static_cast<uint32_t>(bytes));
  key_bytes_ += bytes;
}

ByteWriter& StateEntryWriter::BeginValue() {
  value_at_ = buffer_.size();
  EndKey(value_at_);
  return writer_;
}

void StateEntryWriter::End() {
  EAGRE_DCHECK(value_at_ != 0);
  const size_t value_bytes = buffer_.size() - value_at_;
  EAGRE_CHECK_MSG(value_bytes < kErased, "the state of one key is larger than 4 GiB");
  writer_.PatchFixed(entry_at_ + 12, static_cast<uint32_t>(value_bytes));
  ++entries_;
}

void StateEntryWriter::EndErased() {
  EndKey(buffer_.size());
  ++entries_;
}

void StateEntryWriter::Add(const StateEntry& entry) {
  BeginKey(entry.hash).Raw(entry.key);
  if (entry.erased) return EndErased();
  BeginValue().Raw(entry.value);
  End();
}

void StateEntryWriter::Append(StateEntryWriter& other) {
  if (buffer_.empty() && buffer_.capacity() < other.buffer_.size()) {
    buffer_.swap(other.buffer_);
  } else {
    buffer_ += other.buffer_;
    other.buffer_.clear();
  }
  entries_ += std::exchange(other.entries_, 0);
  key_bytes_ += std::exchange(other.key_bytes_, 0);
}

void StateEntryWriter::AppendEncoded(std::string_view bytes, uint64_t entries) {
  buffer_ += bytes;
  entries_ += entries;
  key_bytes_ += bytes.size();
}

std::string StateEntryWriter::Take(std::string next) {
  entries_ = key_bytes_ = 0;
  next.clear();
  return std::exchange(buffer_, std::move(next));
}

StatusOr<bool> StateEntryReader::Next(StateEntry& entry) {
  if (reader_.empty()) return false;
  uint32_t key_bytes = 0;
  uint32_t value_bytes = 0;
  if (!reader_.Fixed(entry.hash) || !reader_.Fixed(key_bytes) || !reader_.Fixed(value_bytes)) {
    return DataLoss("a state entry is cut off");
  }
  entry.erased = value_bytes == StateEntryWriter::kErased;
  if (!reader_.Raw(key_bytes, entry.key) || !reader_.Raw(entry.erased ? 0 : value_bytes, entry.value)) {
    return DataLoss("a state entry is longer than what holds it");
  }
  return true;
}

}  // namespace eagre
