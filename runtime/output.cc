#include "runtime/output.h"

#include <fmt/format.h>

#include <array>

namespace eagre {

int64_t Output::BytesOf(const Batch& batch) {
  // Objects as they lie in the batch, and their heap parts estimated by the encoded size of the first record.
  if (batch.empty()) return 0;
  const uint32_t first = 0;
  std::string encoded;
  ByteWriter writer(encoded);
  batch.type().encode(batch, &first, 1, 1, writer);
  const size_t record_bytes = std::max(batch.type().record_bytes, writer.size());
  return static_cast<int64_t>(batch.size() * (record_bytes + 2 * sizeof(int64_t)));
}

void Output::Overflow() {
  const int64_t bytes = BytesOf(*batch_);
  if (budget_->used_bytes + bytes > budget_->limit_bytes) {
    throw OverflowError(fmt::format(
        "{} emitted more than {} bytes in one call: emit less per call, or raise 'execution.overflow.max-size'",
        budget_->owner, budget_->limit_bytes));
  }
  budget_->used_bytes += bytes;
  overflow_bytes_ += bytes;
  std::unique_ptr<Batch> next = batch_->type().create();
  overflow_.push_back(std::exchange(batch_, std::move(next)));
}

void Output::PopFront() {
  if (overflow_.empty()) {
    batch_->Clear();
    return;
  }
  // The batch's records are gone by now, so the budget is settled when the queue is empty again.
  overflow_.pop_front();
  if (overflow_.empty()) budget_->used_bytes -= std::exchange(overflow_bytes_, 0);
}

}  // namespace eagre
