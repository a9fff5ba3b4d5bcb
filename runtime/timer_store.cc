#include "runtime/timer_store.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"

namespace eagre {
namespace {

constexpr uint64_t kSignBit = uint64_t{1} << 63;
constexpr size_t kPositionBytes = 2 * sizeof(uint64_t);

// So that the order of bytes is that of positions.
void AppendPosition(const TimerPosition& position, ByteWriter& out) {
  static_assert(std::endian::native == std::endian::little);
  out.Fixed(__builtin_bswap64(static_cast<uint64_t>(position.timestamp) ^ kSignBit));
  out.Fixed(__builtin_bswap64(position.hash));
}

// False: it is no key of a timer.
bool Parse(std::string_view stored, TimerPosition& position, std::string_view& key) {
  ByteReader in(stored);
  uint64_t timestamp = 0;
  if (!in.Fixed(timestamp) || !in.Fixed(position.hash)) return false;
  position.timestamp = static_cast<int64_t>(__builtin_bswap64(timestamp) ^ kSignBit);
  position.hash = __builtin_bswap64(position.hash);
  key = stored.substr(kPositionBytes);
  return true;
}

TimerPosition Behind(TimerPosition position) {
  if (++position.hash == 0 && position.timestamp++ == std::numeric_limits<int64_t>::max()) return TimerQueue::kEnd;
  return position;
}

Status Malformed() {
  return DataLoss("a timer in the store is malformed");
}

class StoredTimers final : public EntriesElsewhere {
 public:
  explicit StoredTimers(std::unique_ptr<EntryStore::View> view) : view_(std::move(view)) {}
  StatusOr<bool> Encode(StateEntryWriter& out, size_t limit) override {
    size_t passed = 0;
    bool well_formed = true;
    EAGRE_ASSIGN_OR_RETURN(const bool done, view_->Scan([&](const StoredEntry& entry) {
      TimerPosition position;
      std::string_view key;
      well_formed = Parse(entry.key, position, key);
      if (!well_formed) return false;
      ByteWriter& writer = out.BeginKey(position.hash);
      writer.Fixed(position.timestamp);
      writer.Raw(key);
      out.BeginValue();
      out.End();
      return ++passed < kEntriesPerSlice && out.bytes() < limit;
    }));
    if (!well_formed) return Malformed();
    return done;
  }

 private:
  static constexpr size_t kEntriesPerSlice = 512;
  const std::unique_ptr<EntryStore::View> view_;
};

}  // namespace

ByteWriter& TimerStore::Begin(const TimerPosition& position) {
  ByteWriter& key = store_->BeginPut(position.hash);
  AppendPosition(position, key);
  return key;
}

void TimerStore::EndTimer() {
  store_->BeginValue(0);
  store_->EndPut();
  ++size_change_;
}

void TimerStore::EndDeletion() {
  store_->EndErase();
  --size_change_;
}

StatusOr<bool> TimerStore::Commit(const TimerPosition& first, bool may_wait) {
  EAGRE_ASSIGN_OR_RETURN(const bool written, store_->Commit(may_wait));
  if (written) {
    horizon_ = std::min(horizon_, first);
    size_ = std::max<int64_t>(size_ + size_change_, 0);
  }
  size_change_ = 0;
  return written;
}

StatusOr<bool> TimerStore::TakeNext(size_t most, OnTaken taken) {
  taken_.clear();
  taken_ends_.clear();
  std::string start;
  ByteWriter start_writer(start);
  AppendPosition(horizon_, start_writer);
  TimerPosition last = horizon_;
  bool well_formed = true;
  EAGRE_ASSIGN_OR_RETURN(const bool done, store_->ScanFrom(start, [&](const StoredEntry& entry) {
    TimerPosition position;
    std::string_view key;
    well_formed = Parse(entry.key, position, key);
    // Those of one position stay together.
    if (!well_formed || (taken_ends_.size() >= most && position != last)) return false;
    last = position;
    taken_ += entry.key;
    taken_ends_.push_back(taken_.size());
    store_->BeginPut(entry.hash).Raw(entry.key);
    store_->EndErase();
    return true;
  }));
  if (!well_formed) return Malformed();
  EAGRE_ASSIGN_OR_RETURN(const bool written, store_->Commit(/*may_wait=*/false));
  if (!written) return false;
  horizon_ = done ? TimerQueue::kEnd : Behind(last);
  size_ = done ? 0 : std::max<int64_t>(size_ - static_cast<int64_t>(taken_ends_.size()), 0);
  size_t begin = 0;
  for (const size_t end : taken_ends_) {
    TimerPosition position;
    std::string_view key;
    EAGRE_CHECK(Parse(std::string_view(taken_).substr(begin, end - begin), position, key));
    begin = end;
    EAGRE_RETURN_IF_ERROR(taken(position, key));
  }
  return true;
}

std::unique_ptr<EntriesElsewhere> TimerStore::NewView() {
  return empty() ? nullptr : std::make_unique<StoredTimers>(store_->NewView());
}

}  // namespace eagre
