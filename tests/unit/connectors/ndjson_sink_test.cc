#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <string>
#include <vector>

#include "connectors/file/ndjson.h"
#include "eagre/operators/sink_operator.h"
#include "eagre/testing/operator_harness.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Row {
  int64_t id = 0;
  std::string text;
};
EAGRE_RECORD(Row, id, text);

std::vector<std::string> NamesIn(const ScratchDirectory& scratch) {
  std::vector<std::string> names;
  const StatusOr<std::vector<FileInfo>> entries = PosixFileSystem().List(scratch.path());
  EXPECT_TRUE(entries.ok());
  for (const FileInfo& entry : *entries) names.emplace_back(BaseName(entry.path));
  return names;
}

std::unique_ptr<Operator> SinkTo(const std::string& directory) {
  return MakeSinkOperator<Row>(NdjsonSink(directory).For<Row>());
}

class NdjsonSinkTest : public testing::TestWithParam<HarnessMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, NdjsonSinkTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);

TEST_P(NdjsonSinkTest, AFileGetsItsNameWhenItIsComplete) {
  const ScratchDirectory scratch;
  OperatorHarness harness(GetParam(), SinkTo(scratch.path()));
  harness.context().set_subtask(2, 3);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Row>({{{1, "a"}, 0}, {{2, "b\n"}, 0}, {{3, ""}, 0}}).ok());
  EXPECT_THAT(NamesIn(scratch), ElementsAre(".part-2.ndjson.inprogress"));
  ASSERT_TRUE(harness.EndOfInput().ok());
  EXPECT_THAT(NamesIn(scratch), ElementsAre("part-2.ndjson"));
  EXPECT_EQ(scratch.Read("part-2.ndjson"),
            "{\"id\":1,\"text\":\"a\"}\n{\"id\":2,\"text\":\"b\\n\"}\n{\"id\":3,\"text\":\"\"}\n");
  EXPECT_TRUE(harness.Close().ok());
  EXPECT_EQ(harness.context().MetricValue("numRecordsSend"), 3);
}

TEST_P(NdjsonSinkTest, WhatIsWrittenCanBeSeenWithinASecond) {
  const ScratchDirectory scratch;
  OperatorHarness harness(GetParam(), SinkTo(scratch.path()));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Row>({{{1, "a"}, 0}}).ok());
  EXPECT_EQ(scratch.Read(".part-0.ndjson.inprogress"), "");
  ASSERT_TRUE(harness.ProcessingTime(1000).ok());
  EXPECT_EQ(scratch.Read(".part-0.ndjson.inprogress"), "{\"id\":1,\"text\":\"a\"}\n");
}

TEST_P(NdjsonSinkTest, ARunReplacesTheFilesOfAnEarlierRunWithMoreSubtasks) {
  const ScratchDirectory scratch;
  for (const char* name : {"part-0.ndjson", "part-1.ndjson", "part-2.ndjson", "part-5.ndjson", "part-x.ndjson",
                           "other-3.ndjson", "part-4.csv"}) {
    scratch.Write(name, "old\n");
  }
  for (const int subtask : {0, 1}) {
    OperatorHarness harness(GetParam(), SinkTo(scratch.path()));
    harness.context().set_subtask(subtask, 2);
    ASSERT_TRUE(harness.Open().ok());
    ASSERT_TRUE(harness.EndOfInput().ok());
  }
  EXPECT_THAT(NamesIn(scratch),
              ElementsAre("other-3.ndjson", "part-0.ndjson", "part-1.ndjson", "part-4.csv", "part-x.ndjson"));
  EXPECT_EQ(scratch.Read("part-0.ndjson"), "");
}

TEST_P(NdjsonSinkTest, AJobThatFailsLeavesTheEarlierFilesAlone) {
  const ScratchDirectory scratch;
  scratch.Write("part-0.ndjson", "old\n");
  OperatorHarness harness(GetParam(), SinkTo(scratch.path()));
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Push<Row>({{{1, "a"}, 0}}).ok());
  ASSERT_TRUE(harness.Close(/*failed=*/true).ok());
  EXPECT_EQ(scratch.Read("part-0.ndjson"), "old\n");
}

TEST(PartFileCommitterTest, CommittingTwiceIsNoError) {
  const ScratchDirectory scratch;
  const PartFileOptions options{.files = &PosixFileSystem(), .directory = scratch.path()};
  FakeOperatorContext operator_context;
  SinkContext context(operator_context);
  PartFileWriter writer(options, NdjsonEncoders()(TypeInfoOf<Row>()));
  ASSERT_TRUE(writer.Open(context).ok());
  const std::vector<Committable> committables = *writer.PrepareCommit();
  PartFileCommitter committer(PosixFileSystem());
  EXPECT_TRUE(committer.Commit(committables).ok());
  EXPECT_TRUE(committer.Commit(committables).ok());
  EXPECT_FALSE(committer.Commit({"nonsense"}).ok());
  ASSERT_TRUE(PosixFileSystem().Remove(scratch.path() + "/part-0.ndjson").ok());
  EXPECT_FALSE(committer.Commit(committables).ok());
}

TEST_P(NdjsonSinkTest, AFolderThatCannotBeMadeFailsAtOnceWithItsPath) {
  const ScratchDirectory scratch;
  scratch.Write("file", "");
  OperatorHarness harness(GetParam(), SinkTo(scratch.path() + "/file/out"));
  const Status status = harness.Open();
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr(scratch.path() + "/file/out"));
}

TEST_P(NdjsonSinkTest, AFullDiskFailsTheSinkAndNamesTheFile) {
  const ScratchDirectory scratch;
  OperatorHarness harness(GetParam(), SinkTo(scratch.path()));
  ASSERT_TRUE(harness.Open().ok());
  // A limit on the size of files stands for the full disk.
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = 100'000, .rlim_max = old_limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = harness.Push<Row>({{{i, std::string(50'000, 'x')}, 0}});
  setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(std::string(StatusMessage(status)),
              HasSubstr("cannot write to " + scratch.path() + "/.part-0.ndjson.inprogress: File too large"));
}

}  // namespace
}  // namespace eagre
