#include "base/hash.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/ids.h"
#include "base/random.h"

namespace eagre {
namespace {

// Values that must never change: key groups and artifact names on disk depend on them.
TEST(Hash, FormatsAreFrozen) {
  EXPECT_EQ(Hash64(""), 0x2D06800538D394C2u);
  EXPECT_EQ(Hash128Hex(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(MixInt64(0), 0xE220A8397B1DCDAFu) << "the first output of splitmix64 with seed 0";
}

TEST(Hash, PiecesHashAsTheWhole) {
  std::string content;
  for (int i = 0; i < 5000; ++i) content += static_cast<char>(i * 31);
  Hasher128 hasher;
  for (size_t at = 0; at < content.size(); at += 777) hasher.Update(std::string_view(content).substr(at, 777));
  EXPECT_EQ(hasher.Hex(), Hash128Hex(content));
}

TEST(Random, TheSameSeedGivesTheSameSequence) {
  SeededRandom a(42), b(42), c(43);
  EXPECT_EQ(a.Next(), b.Next());
  EXPECT_NE(a.Next(), c.Next());
}

TEST(Random, BelowStaysBelowAndReachesAll) {
  SeededRandom random(1);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = random.Below(7);
    ASSERT_LT(value, 7u);
    seen.insert(value);
    const double fraction = random.NextDouble();
    ASSERT_TRUE(fraction >= 0 && fraction < 1);
  }
  EXPECT_EQ(seen.size(), 7u);
}

TEST(Ids, AreThirtyTwoHexCharactersAndDiffer) {
  SeededRandom random(1);
  const std::string first = NewHexId(random);
  EXPECT_TRUE(IsHexId(first)) << first;
  EXPECT_NE(first, NewHexId(random));
  EXPECT_NE(NewHexId(*NewSystemRandom()), NewHexId(*NewSystemRandom()));
  EXPECT_FALSE(IsHexId(first.substr(1)));
  EXPECT_FALSE(IsHexId(first.substr(1) + "G"));
}

}  // namespace
}  // namespace eagre
