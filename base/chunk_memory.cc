#include "base/chunk_memory.h"

#include <sys/mman.h>

namespace eagre {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;
// Whoever has less is not worth a slab.
constexpr size_t kMaxSingleBytes = size_t{1} << 20;

}  // namespace

char* ChunkMemory::Allocate() {
  if (single_bytes_ < kMaxSingleBytes || chunk_bytes_ > kHugePageBytes) {
    single_bytes_ += chunk_bytes_;
    return AllocateBlock(chunk_bytes_, alignment_);
  }
  if (slab_chunks_ == 0) {
    slab_ = AllocateBlock(kHugePageBytes, kHugePageBytes);
    // Where the system has none, small ones do.
    (void)madvise(slab_, kHugePageBytes, MADV_HUGEPAGE);
    slab_chunks_ = kHugePageBytes / chunk_bytes_;
  }
  char* chunk = slab_;
  slab_ += chunk_bytes_;
  --slab_chunks_;
  return chunk;
}

char* ChunkMemory::AllocateBlock(size_t bytes, size_t alignment) {
  auto* block = static_cast<char*>(::operator new(bytes, std::align_val_t(alignment)));
  blocks_.emplace_back(block, Deleter{alignment});
  return block;
}

}  // namespace eagre
