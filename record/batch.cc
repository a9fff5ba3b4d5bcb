#include "record/batch.h"

namespace eagre {

void Batch::Grow(size_t count) {
  const size_t allocated = std::max({count, allocated_ * 2, size_t{16}});
  GrowRecords(allocated);
  GrowColumns(allocated);
}

void Batch::GrowColumns(size_t allocated) {
  std::unique_ptr<int64_t[]> timestamps(new int64_t[allocated]);
  std::unique_ptr<uint64_t[]> hashes(new uint64_t[allocated]);
  std::copy_n(timestamps_.get(), size_, timestamps.get());
  if (keyed_) std::copy_n(hashes_.get(), size_, hashes.get());
  timestamps_ = std::move(timestamps);
  hashes_ = std::move(hashes);
  allocated_ = allocated;
}

}  // namespace eagre
