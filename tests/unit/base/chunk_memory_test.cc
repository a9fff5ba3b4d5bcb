// Chunks are apart, aligned and stay where they are, one by one and from slabs.
#include "base/chunk_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace eagre {
namespace {

TEST(ChunkMemoryTest, ChunksDoNotOverlap) {
  for (const size_t chunk_bytes : {size_t{256}, size_t{96 * 1024}, size_t{3} << 20}) {
    constexpr size_t kAlignment = 32;
    ChunkMemory memory(chunk_bytes, kAlignment);
    std::vector<char*> chunks;
    // Beyond what is allocated one by one.
    for (size_t bytes = 0; bytes < (size_t{7} << 20); bytes += chunk_bytes) {
      chunks.push_back(memory.Allocate());
      std::memset(chunks.back(), static_cast<int>(chunks.size() % 251), chunk_bytes);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(chunks.back()) % kAlignment, 0u);
    }
    for (size_t i = 0; i < chunks.size(); ++i) {
      const char expected = static_cast<char>((i + 1) % 251);
      ASSERT_EQ(chunks[i][0], expected);
      ASSERT_EQ(std::memcmp(chunks[i], chunks[i] + 1, chunk_bytes - 1), 0);
    }
  }
}

}  // namespace
}  // namespace eagre
