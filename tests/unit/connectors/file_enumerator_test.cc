#include "connectors/file/file_enumerator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "eagre/testing/fake_operator_context.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

// Notes what the enumerator does.
class FakeEnumeratorContext final : public SplitEnumerator::Context {
 public:
  explicit FakeEnumeratorContext(int parallelism) : parallelism_(parallelism) {}
  int parallelism() const override { return parallelism_; }
  const Configuration& config() const override { return config_; }
  const Clock& clock() const override { return clock_; }
  void AssignSplits(int subtask, std::vector<SourceSplit> splits) override {
    for (SourceSplit& split : splits) assigned.emplace_back(subtask, std::move(split));
  }
  void SignalNoMoreSplits(int subtask) override { ended.push_back(subtask); }
  void PostAfter(int64_t, std::function<Status()> mail) override { posted_ = std::move(mail); }

  // Runs what was posted last.
  Status LookAgain() { return std::exchange(posted_, nullptr)(); }
  // The files whose first chunks were assigned, in that order, by their names.
  std::vector<std::string> FilesBegun() const {
    std::vector<std::string> names;
    for (const auto& [subtask, encoded] : assigned) {
      const StatusOr<FileSplit> split = FileSplit::Decode(encoded);
      EXPECT_TRUE(split.ok()) << split.status();
      if (split.ok() && split->begin == 0) names.emplace_back(BaseName(split->path));
    }
    return names;
  }

  std::vector<std::pair<int, SourceSplit>> assigned;
  std::vector<int> ended;

 private:
  const int parallelism_;
  Configuration config_;
  ManualClock clock_;
  std::function<Status()> posted_;
};

// One reader asks for everything there is, and finishes each split at once.
void ReadAll(FileEnumerator& enumerator, FakeEnumeratorContext& context) {
  size_t finished = context.assigned.size();
  ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
  while (finished < context.assigned.size()) {
    ASSERT_TRUE(enumerator.OnSplitFinished(0, context.assigned[finished].second.id).ok());
    ++finished;
    ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
  }
}

void SetAge(const std::string& path, std::chrono::seconds age) {
  std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - age);
}

std::vector<std::string> PathsOf(const StatusOr<std::vector<FileInfo>>& found) {
  EXPECT_TRUE(found.ok()) << found.status();
  std::vector<std::string> paths;
  if (found.ok()) {
    for (const FileInfo& file : *found) paths.push_back(file.path);
  }
  return paths;
}

TEST(FindInputFilesTest, AFolderIsReadSortedWithItsFoldersAndWithoutHiddenFiles) {
  const ScratchDirectory scratch;
  scratch.Write("b.ndjson", "{}\n");
  scratch.Write("a.ndjson", "{}\n");
  scratch.Write("sub/c.ndjson", "{}\n");
  scratch.Write(".part-0.ndjson.inprogress", "{}\n");
  scratch.Write("_SUCCESS", "");
  scratch.Write(".hidden/d.ndjson", "{}\n");
  EXPECT_THAT(
      PathsOf(FindInputFiles(PosixFileSystem(), scratch.path())),
      ElementsAre(scratch.path() + "/a.ndjson", scratch.path() + "/b.ndjson", scratch.path() + "/sub/c.ndjson"));
}

TEST(FindInputFilesTest, APatternMeansTheFilesThatMatchIt) {
  const ScratchDirectory scratch;
  scratch.Write("a-1.ndjson", "{}\n");
  scratch.Write("a-2.ndjson", "{}\n");
  scratch.Write("b-1.ndjson", "{}\n");
  EXPECT_THAT(PathsOf(FindInputFiles(PosixFileSystem(), scratch.path() + "/a-?.ndjson")),
              ElementsAre(scratch.path() + "/a-1.ndjson", scratch.path() + "/a-2.ndjson"));
}

TEST(FindInputFilesTest, WhatIsNotThereIsNamed) {
  const ScratchDirectory scratch;
  const Status missing = FindInputFiles(PosixFileSystem(), scratch.path() + "/none.ndjson").status();
  EXPECT_TRUE(absl::IsNotFound(missing));
  EXPECT_THAT(std::string(StatusMessage(missing)), HasSubstr(scratch.path() + "/none.ndjson"));
  const Status unmatched = FindInputFiles(PosixFileSystem(), scratch.path() + "/*.csv").status();
  EXPECT_TRUE(absl::IsNotFound(unmatched));
  EXPECT_THAT(std::string(StatusMessage(unmatched)), HasSubstr("no file matches '" + scratch.path() + "/*.csv'"));
  EXPECT_THAT(PathsOf(FindInputFiles(PosixFileSystem(), scratch.path())), IsEmpty());
}

TEST(FindInputFilesTest, WhatCannotBeReadAsAFileIsRefused) {
  const ScratchDirectory scratch;
  const std::string pipe = scratch.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, std::string("/dev/zero")}) {
    EXPECT_THAT(std::string(StatusMessage(FindInputFiles(PosixFileSystem(), path).status())),
                AllOf(HasSubstr("cannot read input " + path), HasSubstr("a pipe, a socket or a device")));
  }
  EXPECT_THAT(std::string(StatusMessage(FindInputFiles(PosixFileSystem(), "/proc/self/status").status())),
              HasSubstr("cannot read input /proc/self/status: it has content but no size"));
  EXPECT_THAT(PathsOf(FindInputFiles(PosixFileSystem(), scratch.Write("empty", ""))),
              ElementsAre(scratch.path() + "/empty"));
}

TEST(FindInputFilesTest, ALinkBackToAFolderAboveMultipliesNothing) {
  const ScratchDirectory scratch;
  scratch.Write("d/a", "x");
  scratch.Write("d/sub/b", "x");
  scratch.Write("elsewhere/c", "x");
  std::filesystem::create_directory_symlink("..", scratch.path() + "/d/sub/loop");
  std::filesystem::create_directory_symlink("../elsewhere", scratch.path() + "/d/there");
  const std::string folder = scratch.path() + "/d";
  EXPECT_THAT(PathsOf(FindInputFiles(PosixFileSystem(), folder)),
              ElementsAre(folder + "/a", folder + "/sub/b", folder + "/there/c"));
}

TEST(FileEnumeratorTest, APipeInAFolderIsLeftOutWithAWarning) {
  for (const int64_t watch_interval_ms : {0, 1000}) {
    const ScratchDirectory scratch;
    scratch.Write("a", "x");
    ASSERT_EQ(mkfifo((scratch.path() + "/pipe.gz").c_str(), 0600), 0);
    FakeEnumeratorContext context(1);
    FileEnumerator enumerator(PosixFileSystem(), {.path = scratch.path(), .watch_interval_ms = watch_interval_ms});
    testing::internal::CaptureStderr();
    ASSERT_TRUE(enumerator.Start(context).ok());
    if (watch_interval_ms > 0) {
      ASSERT_TRUE(context.LookAgain().ok());
    }
    const std::string log = testing::internal::GetCapturedStderr();
    const std::string warning = "input " + scratch.path() + "/pipe.gz is left out";
    const size_t at = log.find(warning);
    ASSERT_NE(at, std::string::npos) << log;
    EXPECT_EQ(log.find(warning, at + 1), std::string::npos) << "once is enough: " << log;
    ReadAll(enumerator, context);
    EXPECT_THAT(context.FilesBegun(), ElementsAre("a"));
  }
}

TEST(FileEnumeratorTest, ChunksAreHandedOutInFileOrderToWhoeverAsks) {
  const ScratchDirectory scratch;
  scratch.Write("a", std::string(250, 'x'));
  scratch.Write("b", std::string(100, 'x'));
  scratch.Write("empty", "");
  FakeEnumeratorContext context(2);
  FileEnumerator enumerator(PosixFileSystem(), {.path = scratch.path(), .chunk_bytes = 100});
  ASSERT_TRUE(enumerator.Start(context).ok());
  for (const int subtask : {1, 0, 1, 0, 1}) ASSERT_TRUE(enumerator.OnSplitRequest(subtask).ok());
  const std::string a = scratch.path() + "/a";
  ASSERT_EQ(context.assigned.size(), 4u);
  EXPECT_EQ(context.assigned[0].first, 1);
  EXPECT_EQ(context.assigned[0].second.id, a + "@0-100");
  EXPECT_EQ(context.assigned[1].first, 0);
  EXPECT_EQ(context.assigned[1].second.id, a + "@100-200");
  EXPECT_EQ(context.assigned[2].second.id, a + "@200-250");
  EXPECT_EQ(context.assigned[3].second.id, scratch.path() + "/b@0-100");
  EXPECT_THAT(context.ended, ElementsAre(1));
}

TEST(FileEnumeratorTest, AReaderThatIsSlowHoldsTheOthersBackBeforeTheyAreFarAhead) {
  const ScratchDirectory scratch;
  scratch.Write("a", std::string(10'000, 'x'));
  FakeEnumeratorContext context(2);
  FileEnumerator enumerator(PosixFileSystem(), {.path = scratch.path(), .chunk_bytes = 100});
  ASSERT_TRUE(enumerator.Start(context).ok());
  ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
  // Reader 0 stays with chunk 0 while reader 1 reads on.
  size_t given = 0;
  do {
    given = context.assigned.size();
    ASSERT_TRUE(enumerator.OnSplitRequest(1).ok());
    if (context.assigned.size() > given) {
      ASSERT_TRUE(enumerator.OnSplitFinished(1, context.assigned.back().second.id).ok());
    }
  } while (context.assigned.size() > given);
  EXPECT_EQ(context.assigned.size(), size_t{2 * FileEnumerator::kChunksAheadPerReader});
  // Its end frees the waiting reader.
  ASSERT_TRUE(enumerator.OnSplitFinished(0, context.assigned.front().second.id).ok());
  EXPECT_EQ(context.assigned.size(), given + 1);
  EXPECT_EQ(context.assigned.back().first, 1);
}

TEST(FileEnumeratorTest, SplitsThatComeBackAreHandedOutFirstWhereTheyStopped) {
  const ScratchDirectory scratch;
  scratch.Write("a", std::string(300, 'x'));
  FakeEnumeratorContext context(1);
  FileEnumerator enumerator(PosixFileSystem(), {.path = scratch.path(), .chunk_bytes = 100});
  ASSERT_TRUE(enumerator.Start(context).ok());
  ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
  FileSplit split = *FileSplit::Decode(context.assigned[0].second);
  split.position = 42;
  ASSERT_TRUE(enumerator.AddSplitsBack(0, {split.Encode()}).ok());
  ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
  EXPECT_EQ(FileSplit::Decode(context.assigned[1].second)->position, 42);
}

TEST(FileEnumeratorTest, FilesThatAreFoundTogetherAreReadTheOldestFirst) {
  const ScratchDirectory scratch;
  SetAge(scratch.Write("a", "x"), 10s);
  SetAge(scratch.Write("b", "x"), 30s);
  SetAge(scratch.Write("c", "x"), 20s);
  FakeEnumeratorContext context(1);
  FileEnumerator enumerator(PosixFileSystem(), {.path = scratch.path(), .watch_interval_ms = 1000});
  ASSERT_TRUE(enumerator.Start(context).ok());
  ReadAll(enumerator, context);
  EXPECT_THAT(context.FilesBegun(), ElementsAre("b", "c", "a"));
  // Older than all that was read, and found later.
  SetAge(scratch.Write("e", "x"), 40s);
  SetAge(scratch.Write("d", "x"), 50s);
  ASSERT_TRUE(context.LookAgain().ok());
  ReadAll(enumerator, context);
  EXPECT_THAT(context.FilesBegun(), ElementsAre("b", "c", "a", "d", "e"));
}

TEST(FileEnumeratorTest, ARestoredEnumeratorTakesNewFilesAndRepeatsNoOldOnes) {
  const ScratchDirectory scratch;
  const FileEnumeratorOptions options{.path = scratch.path(), .chunk_bytes = 100, .watch_interval_ms = 1000};
  SetAge(scratch.Write("done", std::string(100, 'x')), 50s);
  SetAge(scratch.Write("half", std::string(300, 'x')), 40s);
  SetAge(scratch.Write("untouched", "x"), 30s);
  std::string snapshot;
  std::string held;  // by a reader at the snapshot
  {
    FakeEnumeratorContext context(1);
    FileEnumerator enumerator(PosixFileSystem(), options);
    ASSERT_TRUE(enumerator.Start(context).ok());
    ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
    ASSERT_TRUE(enumerator.OnSplitFinished(0, context.assigned.at(0).second.id).ok());
    ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
    held = context.assigned.at(1).second.id;
    EXPECT_EQ(held, scratch.path() + "/half@0-100");
    snapshot = enumerator.Snapshot();
    // After the checkpoint, which the restart does not know of.
    ASSERT_TRUE(enumerator.OnSplitFinished(0, held).ok());
    ReadAll(enumerator, context);
  }
  SetAge(scratch.Write("new", "x"), 60s);

  FakeEnumeratorContext context(1);
  FileEnumerator restored(PosixFileSystem(), options);
  ASSERT_TRUE(restored.Restore(snapshot).ok());
  ASSERT_TRUE(restored.Start(context).ok());
  ReadAll(restored, context);
  std::vector<std::string> ids;
  for (const auto& [subtask, split] : context.assigned) ids.push_back(split.id.substr(scratch.path().size() + 1));
  EXPECT_THAT(ids, ElementsAre("half@100-200", "half@200-300", "untouched@0-1", "new@0-1"))
      << "the reader brings half@0-100 along itself";
  // What it knows now it knows in the next checkpoint too.
  FakeEnumeratorContext later(1);
  FileEnumerator again(PosixFileSystem(), options);
  ASSERT_TRUE(again.Restore(restored.Snapshot()).ok());
  ASSERT_TRUE(again.Start(later).ok());
  ReadAll(again, later);
  EXPECT_THAT(later.FilesBegun(), IsEmpty());
  scratch.Write("newest", "x");
  ASSERT_TRUE(later.LookAgain().ok());
  ReadAll(again, later);
  EXPECT_THAT(later.FilesBegun(), ElementsAre("newest"));
}

TEST(FileEnumeratorTest, ARestoredEnumeratorThatDoesNotWatchReadsTheFilesOfTheFirstStart) {
  const ScratchDirectory scratch;
  scratch.Write("a", "x");
  scratch.Write("b", "x");
  const FileEnumeratorOptions options{.path = scratch.path()};
  FakeEnumeratorContext context(1);
  FileEnumerator enumerator(PosixFileSystem(), options);
  ASSERT_TRUE(enumerator.Start(context).ok());
  ASSERT_TRUE(enumerator.OnSplitRequest(0).ok());
  const std::string snapshot = enumerator.Snapshot();
  scratch.Write("c", "x");
  FakeEnumeratorContext later(1);
  FileEnumerator restored(PosixFileSystem(), options);
  ASSERT_TRUE(restored.Restore(snapshot).ok());
  ASSERT_TRUE(restored.Start(later).ok());
  ReadAll(restored, later);
  EXPECT_THAT(later.FilesBegun(), ElementsAre("b"));
  EXPECT_THAT(later.ended, ElementsAre(0));
}

TEST(FileEnumeratorTest, AMalformedSnapshotIsRefused) {
  const ScratchDirectory scratch;
  scratch.Write("a", "x");
  scratch.Write("b", "x");
  const FileEnumeratorOptions options{.path = scratch.path(), .watch_interval_ms = 1000};
  FakeEnumeratorContext context(1);
  FileEnumerator enumerator(PosixFileSystem(), options);
  ASSERT_TRUE(enumerator.Start(context).ok());
  const std::string snapshot = enumerator.Snapshot();
  ASSERT_TRUE(FileEnumerator(PosixFileSystem(), options).Restore(snapshot).ok());
  for (size_t size = 0; size < snapshot.size(); ++size) {
    EXPECT_FALSE(FileEnumerator(PosixFileSystem(), options).Restore(snapshot.substr(0, size)).ok()) << size << " bytes";
  }
  EXPECT_FALSE(FileEnumerator(PosixFileSystem(), options).Restore(snapshot + "x").ok());
}

TEST(FileSplitTest, MalformedStateIsRefused) {
  const SourceSplit good = FileSplit{.path = "/f", .begin = 0, .end = 10, .file_size = 10}.Encode();
  EXPECT_TRUE(FileSplit::Decode(good).ok());
  for (size_t size = 0; size < good.state.size(); ++size) {
    EXPECT_FALSE(FileSplit::Decode({.id = good.id, .state = good.state.substr(0, size)}).ok());
  }
  EXPECT_FALSE(FileSplit::Decode(FileSplit{.path = "/f", .begin = 5, .end = 4, .file_size = 10}.Encode()).ok());
}

}  // namespace
}  // namespace eagre
