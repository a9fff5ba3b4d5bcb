#include "runtime/timer_log.h"

#include "base/check.h"

namespace eagre {
namespace {

void AppendRow(uint64_t row, ByteWriter& out) {
  out.Fixed(__builtin_bswap64(row));
}

}  // namespace

ByteWriter& TimerLog::BeginRow(uint64_t row) {
  ByteWriter& key = store_->BeginPut(/*hash=*/0);
  AppendRow(row, key);
  return key;
}

StatusOr<bool> TimerLog::Add(StateEntryWriter& entries) {
  BeginRow(next_row_);
  ByteWriter& value = store_->BeginValue(0);
  value.Fixed(entries.entries());
  value.Raw(entries.view());
  store_->EndPut();
  EAGRE_ASSIGN_OR_RETURN(const bool written, store_->Commit(/*may_wait=*/false));
  if (!written) return false;
  ++next_row_;
  entries.Take();
  return true;
}

class TimerLog::Rows final : public EntriesElsewhere {
 public:
  explicit Rows(TimerLog& log) : log_(log) {}
  StatusOr<bool> Encode(StateEntryWriter& out, size_t limit) override { return log_.Encode(out, limit); }

 private:
  TimerLog& log_;
};

std::unique_ptr<EntriesElsewhere> TimerLog::Seal() {
  EAGRE_CHECK(encoded_ == sealed_);
  sealed_ = next_row_;
  return encoded_ == sealed_ ? nullptr : std::make_unique<Rows>(*this);
}

StatusOr<bool> TimerLog::Encode(StateEntryWriter& out, size_t limit) {
  for (; encoded_ < sealed_; ++encoded_) {
    if (out.bytes() >= limit) return false;
    AppendRow(encoded_, store_->AddRead(/*hash=*/0));
    EAGRE_RETURN_IF_ERROR(store_->Read([&](size_t, const StoredEntry* entry) -> Status {
      uint64_t entries = 0;
      ByteReader in(entry == nullptr ? std::string_view() : entry->value);
      if (!in.Fixed(entries)) return DataLoss("what a checkpoint is to be told of timers is not in the store");
      out.AppendEncoded(entry->value.substr(sizeof(entries)), entries);
      return OkStatus();
    }));
  }
  EAGRE_RETURN_IF_ERROR(Erase());
  return true;
}

// What the store refuses to erase goes with the rows of the next barrier.
Status TimerLog::Erase() {
  for (uint64_t row = erased_; row < encoded_; ++row) {
    BeginRow(row);
    store_->EndErase();
  }
  EAGRE_ASSIGN_OR_RETURN(const bool written, store_->Commit(/*may_wait=*/false));
  if (written) erased_ = encoded_;
  return OkStatus();
}

}  // namespace eagre
