// What workers print is kept within bounds and found again.
#include "taskmanager/worker_logs.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace eagre {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kJob[] = "00000000000000000000000000000001";
constexpr int64_t kMaxBytes = 64 * 1024;

class WorkerLogsTest : public ::testing::Test {
 protected:
  ~WorkerLogsTest() override { (void)PosixFileSystem().RemoveTree(folder_); }
  static std::string NewFolder() {
    std::string pattern = "/tmp/eagre_worker_logs_XXXXXX";
    return mkdtemp(pattern.data());
  }
  static proto::AttemptId Attempt(int number) {
    proto::AttemptId attempt;
    attempt.set_job_id(kJob);
    attempt.set_attempt(number);
    return attempt;
  }

  const std::string folder_ = NewFolder();
  WorkerLogs logs_{folder_, kMaxBytes};
};

TEST_F(WorkerLogsTest, FileThatGrowsForEverKeepsItsEndAndABoundedSizeOnDisk) {
  auto output = logs_.Create(Attempt(0), 0);
  ASSERT_TRUE(output.ok()) << output.status();
  struct stat info {};
  for (int line = 0; line < 200'000; ++line) {
    std::string text = "line " + std::to_string(line) + "\n";
    ASSERT_EQ(write(output->out.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    if (line % 1000 != 999) continue;
    logs_.Trim(output->out.get());
    ASSERT_EQ(fstat(output->out.get(), &info), 0);
    ASSERT_LE(info.st_blocks * 512, kMaxBytes + 16 * 1024);
  }
  auto tail = ReadTail(logs_.Files(kJob)[1].path, 40);
  EXPECT_EQ(*tail, "(2288854 bytes before are left out)\nline 199997\nline 199998\nline 199999\n");
}

TEST_F(WorkerLogsTest, TailNeverBeginsInAHoleOrInTheMiddleOfALine) {
  auto output = logs_.Create(Attempt(0), 0);
  std::string line(99, 'a');
  line += '\n';
  for (int i = 0; i < 2'000; ++i) ASSERT_EQ(write(output->out.get(), line.data(), line.size()), 100);
  logs_.Trim(output->out.get());
  auto tail = ReadTail(logs_.Files(kJob)[1].path, 150'000);
  ASSERT_TRUE(tail.ok());
  const std::string first_line = tail->substr(0, tail->find('\n') + 1);
  tail->erase(0, first_line.size());
  EXPECT_EQ(first_line, fmt::format("({} bytes before are left out)\n", 200'000 - tail->size()));
  EXPECT_EQ(tail->size() % 100, 0u);
  EXPECT_EQ(tail->find('\0'), std::string::npos);
  EXPECT_GE(tail->size(), 30'000u);
}

TEST_F(WorkerLogsTest, AHoleInWhatIsShownWholeIsLeftOutToo) {
  auto output = logs_.Create(Attempt(0), 0);
  std::string text(199'999, 'a');
  text += "\nend\n";
  ASSERT_EQ(write(output->out.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  logs_.Trim(output->out.get());
  EXPECT_EQ(*ReadTail(logs_.Files(kJob)[1].path, 1'000'000), "(200000 bytes before are left out)\nend\n");
}

TEST_F(WorkerLogsTest, RestartingJobKeepsTheLastAttemptsOnly) {
  for (int attempt = 0; attempt < 30; ++attempt) ASSERT_TRUE(logs_.Create(Attempt(attempt), 0).ok());
  std::vector<WorkerLogFile> files = logs_.Files(kJob);
  ASSERT_THAT(files, SizeIs(20));
  EXPECT_EQ(files.front().source, "attempt 20 worker 0 stderr");
  EXPECT_EQ(files.back().source, "attempt 29 worker 0 stdout");
}

TEST_F(WorkerLogsTest, JobsAreFoundAndDeletedByTheirIdAlone) {
  ASSERT_TRUE(logs_.Create(Attempt(0), 0).ok());
  EXPECT_THAT(logs_.Files("00000000000000000000000000000002"), IsEmpty());
  EXPECT_THAT(logs_.Files(".."), IsEmpty());
  logs_.DeleteJob("");
  logs_.DeleteJob("..");
  EXPECT_THAT(logs_.Files(kJob), SizeIs(2));
  logs_.DeleteJob(kJob);
  EXPECT_THAT(logs_.Files(kJob), IsEmpty());
}

TEST_F(WorkerLogsTest, OnlyTheJobsThatAreNamedStay) {
  WorkerLogs(JoinPath(folder_, "of nobody yet"), kMaxBytes).DeleteOtherJobs({});
  constexpr char kOther[] = "00000000000000000000000000000002";
  proto::AttemptId other;
  other.set_job_id(kOther);
  ASSERT_TRUE(logs_.Create(Attempt(0), 0).ok());
  ASSERT_TRUE(logs_.Create(other, 0).ok());
  logs_.DeleteOtherJobs({kOther, "00000000000000000000000000000003"});
  EXPECT_THAT(logs_.Files(kJob), IsEmpty());
  EXPECT_THAT(logs_.Files(kOther), SizeIs(2));
}

}  // namespace
}  // namespace eagre
