#include "record/batch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eagre {
namespace {

struct Letter {
  int64_t number = 0;
  std::string text;
};
EAGRE_RECORD(Letter, number, text);

std::unique_ptr<Batch> Letters(size_t count) {
  std::unique_ptr<Batch> batch = TypedBatch<Letter>::Type().create();
  for (size_t i = 0; i < count; ++i) {
    static_cast<TypedBatch<Letter>&>(*batch).Append(0) = {static_cast<int64_t>(i), std::string(i % 50, 'x')};
  }
  return batch;
}

std::vector<uint32_t> EveryOther(size_t count) {
  std::vector<uint32_t> indices;
  for (uint32_t i = 0; i < count; i += 2) indices.push_back(i);
  return indices;
}

// The same bytes as record by record, in pieces that each end with the record that reaches the limit.
TEST(BatchTest, EncodingStopsWithTheRecordThatReachesTheLimit) {
  const std::unique_ptr<Batch> batch = Letters(300);
  const std::vector<uint32_t> indices = EveryOther(300);
  std::string expected;
  ByteWriter one_by_one(expected);
  std::vector<size_t> ends;
  for (const uint32_t index : indices) {
    Codec<Letter>::Encode(static_cast<const TypedBatch<Letter>&>(*batch)[index], one_by_one);
    ends.push_back(expected.size());
  }
  for (const size_t limit : {size_t{1}, size_t{12}, size_t{13}, size_t{500}, SIZE_MAX}) {
    std::string bytes;
    size_t encoded = 0;
    while (encoded < indices.size()) {
      const size_t max_bytes = limit == SIZE_MAX ? limit : bytes.size() + limit;
      ByteWriter writer(bytes);
      const size_t taken =
          batch->type().encode(*batch, indices.data() + encoded, indices.size() - encoded, max_bytes, writer);
      ASSERT_GT(taken, 0u);
      encoded += taken;
      ASSERT_EQ(bytes.size(), ends[encoded - 1]);
      EXPECT_TRUE(bytes.size() >= max_bytes || encoded == indices.size());
      EXPECT_TRUE(taken == 1 || ends[encoded - 2] < max_bytes);
    }
    EXPECT_EQ(bytes, expected);
  }
}

TEST(BatchTest, NothingIsEncodedWhenTheLimitIsReachedAlready) {
  const std::unique_ptr<Batch> batch = Letters(2);
  const std::vector<uint32_t> indices = {0, 1};
  std::string bytes = "full";
  ByteWriter writer(bytes);
  EXPECT_EQ(batch->type().encode(*batch, indices.data(), 2, 4, writer), 0u);
  EXPECT_EQ(batch->type().encode(*batch, indices.data(), 2, 3, writer), 0u);
  EXPECT_EQ(bytes, "full");
}

TEST(BatchTest, ARunOfRecordsFollowsThoseThatAreThere) {
  TypedBatch<Letter> batch;
  batch.Append(5) = {1, "one"};
  Letter* const run = batch.AppendRun(2, 7);
  run[0] = {2, "two"};
  run[1] = {3, "three"};
  ASSERT_EQ(batch.size(), 3u);
  EXPECT_EQ(batch[0].text, "one");
  EXPECT_EQ(batch[2].text, "three");
  EXPECT_EQ(batch.timestamps()[0], 5);
  EXPECT_EQ(batch.timestamps()[2], 7);
  const size_t more = batch.type().capacity;
  batch.AppendRun(more, kNoTimestamp)[more - 1].number = 4;  // beyond what there was room for
  EXPECT_EQ(batch.size(), 3 + more);
  EXPECT_EQ(batch[0].text, "one");
  EXPECT_EQ(batch[2 + more].number, 4);
}

}  // namespace
}  // namespace eagre
