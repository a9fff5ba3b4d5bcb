#include "record/key_hash.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "random_record.h"
#include "test_records.h"

namespace eagre {
namespace {

using test_bank::Everything;
using test_bank::Location;
using test_bank::Risk;

// Key groups on disk are made of these: if this test fails, every savepoint is lost.
TEST(KeyHashTest, ValuesAreFrozen) {
  EXPECT_EQ(KeyHash(int64_t{0}), 0xe220a8397b1dcdafULL);
  EXPECT_EQ(KeyHash(int64_t{42}), MixInt64(42));
  EXPECT_EQ(KeyHash(int32_t{-1}), MixInt64(~uint64_t{0}));
  EXPECT_EQ(KeyHash(std::string("user_0000001")), Hash64("user_0000001"));
  EXPECT_EQ(KeyHash(std::string()), 0x2d06800538d394c2ULL);
  EXPECT_EQ(KeyHash(std::pair<std::string, int32_t>("x", 1)), Hash64(std::string_view("\1\0\0\0\1\0\0\0x", 9)));
  EXPECT_EQ(KeyHash(GlobalPoint{1, 2}), Hash64(std::string_view("\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16)));
}

TEST(KeyHashTest, AnIntegerHashesAlikeInEveryWidthAndGuise) {
  const uint64_t hash = KeyHash(int64_t{7});
  EXPECT_EQ(KeyHash(int8_t{7}), hash);
  EXPECT_EQ(KeyHash(uint32_t{7}), hash);
  EXPECT_EQ(KeyHash(Timestamp(7)), hash);
  EXPECT_EQ(KeyHash(Decimal::FromUnits(7)), hash);
  EXPECT_EQ(KeyHash(Risk::kHighRisk), hash);
  EXPECT_EQ(KeyHash(true), KeyHash(int64_t{1}));
}

TEST(KeyHashTest, ViewsHashAsStrings) {
  EXPECT_EQ(KeyHash(std::string_view("ann")), KeyHash(std::string("ann")));
}

TEST(KeyHashTest, EqualFloatsHashEqually) {
  EXPECT_EQ(KeyHash(0.0), KeyHash(-0.0));
  EXPECT_EQ(KeyHash(Location{0.0, 1.0}), KeyHash(Location{-0.0, 1.0}));
  EXPECT_EQ(KeyHash(std::numeric_limits<double>::quiet_NaN()), KeyHash(-std::numeric_limits<double>::quiet_NaN()));
  EXPECT_NE(KeyHash(1.0), KeyHash(2.0));
}

TEST(KeyHashTest, RandomRecordsHashByValue) {
  SeededRandom random(5);
  std::set<uint64_t> hashes;
  for (int i = 0; i < 200; ++i) {
    const auto record = RandomRecord<Everything>(random);
    const Everything copy = record;
    EXPECT_EQ(KeyHash(record), KeyHash(copy));
    hashes.insert(KeyHash(record));
  }
  EXPECT_EQ(hashes.size(), 200u);
}

}  // namespace
}  // namespace eagre
