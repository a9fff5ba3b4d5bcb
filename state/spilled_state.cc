#include "state/spilled_state.h"

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace eagre {
namespace {

void Append(const StoredEntry& entry, std::string_view key, StateEntryWriter& out) {
  out.Add({.hash = entry.hash, .key = key, .value = entry.value});
}

}  // namespace

void SpilledState::ListKeyAtHand(uint64_t hash) {
  if (!following_ || list_full_) return;
  const std::string_view key = store_->key_at_hand();
  const size_t bytes = sizeof(hash) + sizeof(uint32_t) + key.size();
  if (listed_bytes_ + bytes > kMostListedBytes) {
    list_full_ = true;
    listed_.clear();
    return;
  }
  listed_bytes_ += bytes;
  if (listed_.empty() || listed_.back().size() >= kPieceBytes) listed_.emplace_back();
  ByteWriter writer(listed_.back());
  writer.Fixed(hash);
  writer.Fixed(static_cast<uint32_t>(key.size()));
  writer.Raw(key);
}

Status SpilledState::Restore(const StateEntry& entry) {
  store_->BeginPut(entry.hash).Raw(entry.key);
  if (entry.erased) {
    store_->EndErase();
  } else {
    store_->BeginValue(Mark(/*current=*/true, /*restored=*/true)).Raw(entry.value);
    store_->EndPut();
  }
  return ++restored_ < kRestoredPerCommit ? OkStatus() : CommitRestored();
}

Status SpilledState::CommitRestored() {
  if (restored_ == 0) return OkStatus();
  restored_ = 0;
  return Commit(/*may_wait=*/true).status();
}

void SpilledState::Seal() {
  EAGRE_CHECK(sealed_epoch_ == 0);
  sealed_epoch_ = epoch_++;
  scan_sealed_ = !following_ || list_full_;
  following_ = true;
  list_full_ = false;
  sealed_ = std::exchange(listed_, {});
  listed_bytes_ = 0;
  sealed_at_ = 0;
  scan_position_.clear();
}

bool SpilledState::EncodeSealed(StateEntryWriter& out, size_t limit) {
  if (!error_.ok()) return false;
  if (sealed_epoch_ == 0) return true;
  if (ever_written_ && scan_sealed_) {
    if (!EncodeScanned(out, limit)) return false;
  }
  size_t keys = 0;
  while (!sealed_.empty()) {
    if (out.bytes() >= limit || keys >= kEntriesPerSlice) return false;
    if (!EncodeListed(out, limit, keys)) return false;
  }
  sealed_epoch_ = 0;
  return true;
}

// What is read beyond the limit is read again by the next slice, which happens where values are suddenly larger than
// those before.
bool SpilledState::EncodeListed(StateEntryWriter& out, size_t limit, size_t& passed) {
  std::vector<std::string_view> keys;
  std::vector<size_t> ends;
  ByteReader reader(std::string_view(sealed_.front()).substr(sealed_at_));
  while (!reader.empty() && keys.size() < keys_per_read_) {
    uint64_t hash = 0;
    uint32_t size = 0;
    std::string_view key;
    EAGRE_CHECK(reader.Fixed(hash) && reader.Fixed(size) && reader.Raw(size, key));
    store_->AddRead(hash).Raw(key);
    keys.push_back(key);
    ends.push_back(sealed_.front().size() - reader.remaining());
  }
  size_t bytes = 0;
  size_t encoded = 0;
  const Status read = store_->Read([&](size_t i, const StoredEntry* entry) {
    if (entry != nullptr) bytes += entry->value.size();
    if (out.bytes() >= limit) return OkStatus();
    if (entry != nullptr && EpochOf(*entry) == sealed_epoch_) Append(*entry, keys[i], out);
    encoded = i + 1;
    return OkStatus();
  });
  if (!read.ok()) return Fail(read);
  const size_t fitting = kBytesPerRead * keys.size() / std::max<size_t>(bytes, 1);
  keys_per_read_ = std::clamp<size_t>(std::min(fitting, 8 * keys_per_read_), 1, kKeysPerRead);
  passed += encoded;
  sealed_at_ = ends[encoded - 1];
  if (sealed_at_ < sealed_.front().size()) return true;
  sealed_.pop_front();
  sealed_at_ = 0;
  return true;
}

bool SpilledState::EncodeScanned(StateEntryWriter& out, size_t limit) {
  size_t passed = 0;
  const StatusOr<bool> done = store_->Scan("", scan_position_, [&](const StoredEntry& entry) {
    if (EpochOf(entry) == sealed_epoch_) Append(entry, entry.key, out);
    return ++passed < kEntriesPerSlice && out.bytes() < limit;
  });
  if (!done.ok()) return Fail(done.status());
  if (*done) scan_sealed_ = false;
  return *done;
}

bool SpilledState::EncodeBase(StateEntryWriter& out, size_t limit) {
  if (!error_.ok()) return false;
  if (!ever_written_) return true;
  const StatusOr<bool> done = store_->Scan("", base_position_, [&](const StoredEntry& entry) {
    Append(entry, entry.key, out);
    return out.bytes() < limit;
  });
  return done.ok() ? *done : Fail(done.status());
}

bool SpilledState::Fail(Status status) {
  error_ = std::move(status);
  return false;
}

}  // namespace eagre
