// Libraries on a TaskManager: fetched once, verified, kept within bounds, there as long as a worker needs them.
#include "taskmanager/artifact_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <optional>

#include "base/hash.h"
#include "tests/testing/manual_executor.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Delivers when the test says.
class TestSource final : public ArtifactSource {
 public:
  void Download(const proto::Artifact&, WritableFile& file, std::function<void(Status)> done) override {
    ++downloads;
    file_ = &file;
    done_ = std::move(done);
  }
  void Deliver(std::string_view bytes, Status status = OkStatus()) {
    EXPECT_TRUE(file_->Append(bytes.substr(0, bytes.size() / 2)).ok());
    EXPECT_TRUE(file_->Append(bytes.substr(bytes.size() / 2)).ok());
    std::exchange(done_, nullptr)(std::move(status));
  }
  int downloads = 0;

 private:
  WritableFile* file_ = nullptr;
  std::function<void(Status)> done_;
};

class ArtifactCacheTest : public ::testing::Test {
 protected:
  ~ArtifactCacheTest() override { (void)PosixFileSystem().RemoveTree(directory_); }

  static std::string NewFolder() {
    std::string pattern = ::testing::TempDir() + "artifact_cache_XXXXXX";
    return mkdtemp(pattern.data());
  }

  static proto::Artifact ArtifactOf(const std::string& bytes) {
    proto::Artifact artifact;
    artifact.set_digest(Hash128Hex(bytes));
    artifact.set_file_name("job.so");
    artifact.set_bytes(bytes.size());
    return artifact;
  }

  // Fetches and delivers; the path, or nothing.
  StatusOr<std::string> Fetch(const std::string& bytes) {
    std::optional<StatusOr<std::string>> result;
    int before = source_.downloads;
    cache_.Fetch(ArtifactOf(bytes), [&](StatusOr<std::string> path) { result = std::move(path); });
    if (source_.downloads > before) source_.Deliver(bytes);
    executor_.RunReady();
    EXPECT_TRUE(result.has_value());
    return *result;
  }

  size_t FileCount() { return PosixFileSystem().List(directory_)->size(); }

  const std::string directory_ = NewFolder();
  ManualExecutor executor_;
  TestSource source_;
  ArtifactCache cache_{directory_, 250, PosixFileSystem(), executor_, source_};
};

TEST_F(ArtifactCacheTest, FetchesOnceAndServesFromDiskAfterwards) {
  std::string bytes(100, 'a');
  StatusOr<std::string> first = Fetch(bytes);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*PosixFileSystem().ReadFile(*first), bytes);
  EXPECT_EQ(BaseName(*first), "job.so") << "messages name the file as its user does";
  EXPECT_EQ(*Fetch(bytes), *first);
  EXPECT_EQ(source_.downloads, 1);
}

TEST_F(ArtifactCacheTest, ConcurrentRequestsShareOneDownload) {
  std::string bytes(100, 'a');
  int answers = 0;
  for (int i = 0; i < 3; ++i)
    cache_.Fetch(ArtifactOf(bytes), [&](StatusOr<std::string> path) { answers += path.ok(); });
  EXPECT_EQ(source_.downloads, 1);
  source_.Deliver(bytes);
  executor_.RunReady();
  EXPECT_EQ(answers, 3);
}

TEST_F(ArtifactCacheTest, DamagedBytesAreRefusedAndLeaveNoFile) {
  StatusOr<std::string> result = InvalidArgument("unset");
  cache_.Fetch(ArtifactOf(std::string(100, 'a')), [&](StatusOr<std::string> path) { result = std::move(path); });
  source_.Deliver(std::string(99, 'a') + "b");
  executor_.RunReady();
  EXPECT_THAT(std::string(StatusMessage(result.status())), HasSubstr("'job.so' arrived damaged"));
  EXPECT_EQ(FileCount(), 0u);
  EXPECT_TRUE(Fetch(std::string(100, 'a')).ok()) << "a failure must not stick";
}

TEST_F(ArtifactCacheTest, BrokenDownloadIsReportedToAllWhoWait) {
  std::vector<Status> results;
  for (int i = 0; i < 2; ++i) {
    cache_.Fetch(ArtifactOf("x"), [&](StatusOr<std::string> path) { results.push_back(path.status()); });
  }
  source_.Deliver("", Unavailable("the JobManager is gone"));
  executor_.RunReady();
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_EQ(StatusMessage(results[1]), "the JobManager is gone");
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(ArtifactCacheTest, EvictsTheLeastRecentlyUsedThatNobodyNeeds) {
  std::string a(100, 'a'), b(100, 'b'), c(100, 'c'), d(100, 'd');
  ASSERT_TRUE(Fetch(a).ok());
  ASSERT_TRUE(Fetch(b).ok());
  cache_.Unpin(Hash128Hex(a));
  cache_.Unpin(Hash128Hex(b));
  ASSERT_TRUE(Fetch(a).ok());  // used again, so b is the oldest
  cache_.Unpin(Hash128Hex(a));
  ASSERT_TRUE(Fetch(c).ok());
  EXPECT_EQ(cache_.bytes(), 200);
  EXPECT_FALSE(PosixFileSystem().Exists(JoinPath(directory_, Hash128Hex(b))));
  EXPECT_TRUE(PosixFileSystem().Exists(JoinPath(directory_, Hash128Hex(a))));
}

TEST_F(ArtifactCacheTest, KeepsWhatWorkersNeedEvenBeyondItsSize) {
  std::string a(200, 'a'), b(200, 'b');
  StatusOr<std::string> path = Fetch(a);
  ASSERT_TRUE(Fetch(b).ok());
  EXPECT_TRUE(PosixFileSystem().Exists(*path));
  cache_.Unpin(Hash128Hex(a));
  EXPECT_FALSE(PosixFileSystem().Exists(*path)) << "evicted as soon as it could be";
}

TEST_F(ArtifactCacheTest, ReleaseRemovesNowOrWithTheLastWorker) {
  std::string a(100, 'a');
  StatusOr<std::string> path = Fetch(a);
  ASSERT_TRUE(Fetch(a).ok());
  cache_.Release(Hash128Hex(a));
  EXPECT_TRUE(PosixFileSystem().Exists(*path));
  cache_.Unpin(Hash128Hex(a));
  EXPECT_TRUE(PosixFileSystem().Exists(*path));
  cache_.Unpin(Hash128Hex(a));
  EXPECT_FALSE(PosixFileSystem().Exists(*path));
  EXPECT_EQ(cache_.bytes(), 0);
}

TEST_F(ArtifactCacheTest, KeepsWhatKnownJobsUseAndWhatWorkersStillNeed) {
  const std::string known(80, 'k'), unknown(80, 'u'), running(80, 'r');
  StatusOr<std::string> known_path = Fetch(known), unknown_path = Fetch(unknown), running_path = Fetch(running);
  cache_.Unpin(Hash128Hex(known));
  cache_.Unpin(Hash128Hex(unknown));
  cache_.ReleaseOthers({Hash128Hex(known), Hash128Hex("of a library that is not here")});
  EXPECT_TRUE(PosixFileSystem().Exists(*known_path));
  EXPECT_FALSE(PosixFileSystem().Exists(*unknown_path));
  EXPECT_TRUE(PosixFileSystem().Exists(*running_path));
  cache_.Unpin(Hash128Hex(running));
  EXPECT_FALSE(PosixFileSystem().Exists(*running_path));
  EXPECT_EQ(cache_.bytes(), 80);
}

TEST_F(ArtifactCacheTest, FileThatSomebodyDeletedIsFetchedAgain) {
  std::string a(100, 'a');
  StatusOr<std::string> path = Fetch(a);
  ASSERT_TRUE(PosixFileSystem().Remove(*path).ok());
  EXPECT_TRUE(Fetch(a).ok());
  EXPECT_EQ(source_.downloads, 2);
  EXPECT_EQ(cache_.bytes(), 100);
}

TEST_F(ArtifactCacheTest, DigestIsNeverTakenForAPath) {
  proto::Artifact artifact;
  artifact.set_digest("../../etc/passwd");
  Status status;
  cache_.Fetch(artifact, [&](StatusOr<std::string> path) { status = path.status(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(source_.downloads, 0);
}

TEST_F(ArtifactCacheTest, FileNameIsNeverTakenForAPath) {
  proto::Artifact artifact = ArtifactOf("x");
  artifact.set_file_name("../../../tmp/..");
  std::string path;
  cache_.Fetch(artifact, [&](StatusOr<std::string> result) { path = result.value_or(""); });
  source_.Deliver("x");
  executor_.RunReady();
  EXPECT_EQ(path, JoinPath(JoinPath(directory_, artifact.digest()), "job.so"));
}

}  // namespace
}  // namespace eagre
