#include "state/state_pieces.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

namespace eagre {
namespace {

TEST(StatePiecesTest, PiecesStayInTheirKeysGroupAndAreSpread) {
  std::set<uint64_t> hashes;
  class Hashes : public StatePieces {
   public:
    using StatePieces::HashOf;
  };
  for (const uint64_t key_hash :
       {uint64_t{0}, uint64_t{127}, UINT64_MAX, UINT64_MAX - 1, uint64_t{0x123456789ABCDEF}}) {
    for (const uint64_t max_parallelism : {1, 100, 128, 32768}) {
      hashes.clear();
      for (uint32_t number = 0; number < 1000; ++number) {
        const uint64_t hash = Hashes::HashOf(key_hash, number, max_parallelism);
        EXPECT_EQ(hash % max_parallelism, key_hash % max_parallelism);
        hashes.insert(hash >> 48);
      }
      EXPECT_GT(hashes.size(), 900u);
    }
  }
}

}  // namespace
}  // namespace eagre
