#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "connectors/file/ndjson.h"
#include "eagre/testing/source_harness.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

struct Drop {
  int64_t id = 0;
};
EAGRE_RECORD(Drop, id);

class WatchedDirectoryTest : public testing::Test {
 protected:
  SourceHarness<Drop> Watching(const std::string& path) {
    return SourceHarness<Drop>(NdjsonFiles<Drop>(path).Watch(10s), NoWatermarks(), 2);
  }
  // What the readers have read by now.
  static std::vector<int64_t> Ids(SourceHarness<Drop>& harness) {
    for (int quiet = 0; quiet < 4;) {
      const StatusOr<SourceOperator::Produced> produced = harness.Step(quiet % 2);
      EXPECT_TRUE(produced.ok()) << produced.status();
      if (!produced.ok()) break;
      quiet = *produced == SourceOperator::Produced::kMore ? 0 : quiet + 1;
    }
    std::vector<int64_t> ids;
    for (const Drop& drop : harness.AllRecords()) ids.push_back(drop.id);
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  const ScratchDirectory scratch_;
};

TEST_F(WatchedDirectoryTest, NewFilesAreReadOnceAndTheStreamDoesNotEnd) {
  scratch_.Write("a.ndjson", "{\"id\":1}\n");
  SourceHarness<Drop> harness = Watching(scratch_.path());
  ASSERT_TRUE(harness.Open().ok());
  EXPECT_THAT(Ids(harness), ElementsAre(1));
  scratch_.Write("b.ndjson", "{\"id\":2}\n{\"id\":3}\n");
  scratch_.Write(".c.ndjson.inprogress", "{\"id\":99}\n");
  ASSERT_TRUE(harness.ProcessingTime(9'999).ok());
  EXPECT_THAT(Ids(harness), ElementsAre(1));
  ASSERT_TRUE(harness.ProcessingTime(10'000).ok());
  EXPECT_THAT(Ids(harness), ElementsAre(1, 2, 3));
  ASSERT_TRUE(PosixFileSystem().Rename(scratch_.path() + "/.c.ndjson.inprogress", scratch_.path() + "/0.ndjson").ok());
  ASSERT_TRUE(harness.ProcessingTime(50'000).ok());
  EXPECT_THAT(Ids(harness), ElementsAre(1, 2, 3, 99));
  EXPECT_FALSE(harness.ended(0));
  EXPECT_FALSE(harness.ended(1));
}

TEST_F(WatchedDirectoryTest, AFileThatWasRemovedAndCameAgainIsANewOne) {
  const std::string path = scratch_.Write("a.ndjson", "{\"id\":1}\n");
  SourceHarness<Drop> harness = Watching(scratch_.path());
  ASSERT_TRUE(harness.Open().ok());
  EXPECT_THAT(Ids(harness), ElementsAre(1));
  ASSERT_TRUE(PosixFileSystem().Remove(path).ok());
  ASSERT_TRUE(harness.ProcessingTime(10'000).ok());
  scratch_.Write("a.ndjson", "{\"id\":2}\n");
  ASSERT_TRUE(harness.ProcessingTime(20'000).ok());
  EXPECT_THAT(Ids(harness), ElementsAre(1, 2));
}

TEST_F(WatchedDirectoryTest, APatternMayMatchNothingYetButTheFolderMustBeThere) {
  SourceHarness<Drop> pattern = Watching(scratch_.path() + "/*.ndjson");
  ASSERT_TRUE(pattern.Open().ok());
  EXPECT_THAT(Ids(pattern), IsEmpty());
  scratch_.Write("a.ndjson", "{\"id\":1}\n");
  ASSERT_TRUE(pattern.ProcessingTime(10'000).ok());
  EXPECT_THAT(Ids(pattern), ElementsAre(1));

  SourceHarness<Drop> missing = Watching(scratch_.path() + "/none");
  EXPECT_THAT(std::string(StatusMessage(missing.Open())), HasSubstr(scratch_.path() + "/none"));
}

TEST_F(WatchedDirectoryTest, ASourceThatWatchesIsUnbounded) {
  EXPECT_EQ(NdjsonFiles<Drop>("x").boundedness(), Boundedness::kBounded);
  EXPECT_EQ(NdjsonFiles<Drop>("x").Watch(1s).boundedness(), Boundedness::kContinuousUnbounded);
}

}  // namespace
}  // namespace eagre
