#include "record/compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "random_record.h"
#include "test_records.h"

namespace eagre {
namespace {

using test_bank::Everything;

TEST(CompareTest, FieldsCompareInDeclarationOrder) {
  EXPECT_LT(RecordCompare(GlobalPoint{1, 9}, GlobalPoint{2, 0}), 0);
  EXPECT_GT(RecordCompare(GlobalPoint{1, 9}, GlobalPoint{1, 8}), 0);
  EXPECT_TRUE(RecordEquals(GlobalPoint{1, 9}, GlobalPoint{1, 9}));
}

TEST(CompareTest, AbsentIsLeastAndPrefixesComeFirst) {
  using Maybe = std::optional<int32_t>;
  EXPECT_LT(RecordCompare(Maybe(), Maybe(-5)), 0);
  EXPECT_LT(RecordCompare(std::vector<int32_t>{1}, std::vector<int32_t>{1, 0}), 0);
  EXPECT_LT(RecordCompare(std::vector<int32_t>{1, 2}, std::vector<int32_t>{2}), 0);
  using Map = std::map<std::string, int32_t>;
  EXPECT_LT(RecordCompare(Map{{"a", 1}}, Map{{"a", 1}, {"b", 0}}), 0);
  EXPECT_GT(RecordCompare(Map{{"a", 2}}, Map{{"a", 1}, {"b", 0}}), 0);
}

TEST(CompareTest, FloatsAreOrderedTotally) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(RecordCompare(nan, nan), 0);
  EXPECT_GT(RecordCompare(nan, std::numeric_limits<double>::infinity()), 0);
  EXPECT_EQ(RecordCompare(-0.0, 0.0), 0);
}

TEST(CompareTest, RandomRecordsSortConsistently) {
  SeededRandom random(4);
  std::vector<Everything> records(60);
  for (Everything& record : records) record = RandomRecord<Everything>(random);
  std::sort(records.begin(), records.end(), RecordLess());
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_TRUE(RecordEquals(records[i], records[i]));
    for (size_t j = i + 1; j < records.size(); ++j) EXPECT_FALSE(RecordLess()(records[j], records[i]));
  }
}

}  // namespace
}  // namespace eagre
