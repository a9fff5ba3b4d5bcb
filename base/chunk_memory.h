// Memory in chunks of one size, for structures whose parts must not move. The first chunks are allocated one by one;
// more come from slabs in huge pages, since what lies scattered over many small pages costs more to find than to read.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace eagre {

// Gives all back at the end. Not thread-safe.
class ChunkMemory {
 public:
  // `alignment`: a power of two, which divides `chunk_bytes`.
  ChunkMemory(size_t chunk_bytes, size_t alignment) : chunk_bytes_(chunk_bytes), alignment_(alignment) {}

  // Uninitialized.
  char* Allocate();

 private:
  struct Deleter {
    size_t alignment;
    void operator()(char* memory) const { ::operator delete(memory, std::align_val_t(alignment)); }
  };
  char* AllocateBlock(size_t bytes, size_t alignment);

  const size_t chunk_bytes_;
  const size_t alignment_;
  std::vector<std::unique_ptr<char, Deleter>> blocks_;
  size_t single_bytes_ = 0;  // in chunks that were allocated one by one
  char* slab_ = nullptr;     // the next chunk of the last slab
  size_t slab_chunks_ = 0;   // left there
};

}  // namespace eagre
