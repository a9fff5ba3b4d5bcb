// Records that fail their job on every restart are found, named, and put aside where their source says so.
#include <fmt/format.h>

#include <map>

#include "base/file_system.h"
#include "record/json.h"
#include "record/record.h"
#include "tests/cluster/cluster_fixture.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct CountLine {
  int64_t key = 0;
  int64_t count = 0;
  int64_t sum = 0;
};
EAGRE_RECORD(CountLine, key, count, sum);

constexpr int64_t kRecords = 6'000;
constexpr int64_t kKeys = 7;
constexpr int64_t kPoison = 3'457;

class PoisonTest : public ClusterTest {
 protected:
  // Record i is of key i % kKeys; returns where the poison begins, in bytes.
  size_t WriteInput(const std::string& format = "ndjson") {
    std::string text = format == "csv" ? "key,number\n" : "";
    size_t poison = 0;
    for (int64_t i = 0; i < kRecords; ++i) {
      if (i == kPoison) poison = text.size();
      text += format == "csv" ? fmt::format("{},{}\n", i % kKeys, i)
                              : fmt::format("{{\"key\":{},\"number\":{}}}\n", i % kKeys, i);
    }
    input_ = WriteFile("input." + format, text);
    return poison;
  }
  Ended RunJob(const Words& job_arguments, int restarts = 4, const Words& options = {}) {
    Words words{"run", JobLibrary("poison"),
                "-p",  "2",
                "-D",  "restart-strategy.type=fixed-delay",
                "-D",  fmt::format("restart-strategy.fixed-delay.attempts={}", restarts),
                "-D",  "restart-strategy.fixed-delay.delay=10 ms"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"--", "--output", Path("counts"), "--at", std::to_string(kPoison)});
    if (!input_.empty()) words.insert(words.end(), {"--input", input_});
    words.insert(words.end(), job_arguments.begin(), job_arguments.end());
    return RunOnCluster(words);
  }
  static Words Checkpoints(const std::string& folder) {
    return {"-D", "execution.checkpointing.interval=20ms", "-D", "execution.checkpointing.dir=" + folder};
  }
  std::vector<std::string> LinesIn(const std::string& folder) {
    std::vector<std::string> lines;
    for (const std::string& path : FilesBelow(Path(folder))) {
      if (path[path.rfind('/') + 1] == '.') continue;  // in progress
      const auto text = PosixFileSystem().ReadFile(path);
      if (!text.ok()) continue;
      for (size_t at = 0; at < text->size();) {
        const size_t end = text->find('\n', at);
        lines.push_back(text->substr(at, end - at));
        at = end == std::string::npos ? text->size() : end + 1;
      }
    }
    return lines;
  }
  // Of each key every count once, and sums as if the poison had never been there.
  void ExpectCountsWithoutPoison(int64_t records = kRecords) {
    std::map<int64_t, std::map<int64_t, int64_t>> sums;
    for (const std::string& line : LinesIn("counts")) {
      const auto counted = FromJson<CountLine>(line);
      ASSERT_TRUE(counted.ok()) << line;
      EXPECT_TRUE(sums[counted->key].emplace(counted->count, counted->sum).second) << "twice: " << line;
    }
    std::map<int64_t, std::pair<int64_t, int64_t>> expected;
    for (int64_t i = 0; i < records; ++i) {
      if (i == kPoison) continue;
      auto& [count, sum] = expected[i % kKeys];
      ++count;
      sum += i;
    }
    for (const auto& [key, of_key] : expected) {
      ASSERT_FALSE(sums[key].empty()) << key;
      EXPECT_EQ(static_cast<int64_t>(sums[key].size()), of_key.first) << "key " << key;
      EXPECT_EQ((std::pair<int64_t, int64_t>(*sums[key].rbegin())), of_key) << "key " << key;
    }
  }

  std::string input_;
};

TEST_F(PoisonTest, ARecordThatThrowsIsNamedBehindAShuffleByFileAndOffset) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1));
  const size_t at = WriteInput();
  const Ended failed = RunJob({"--how", "throw"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(
      failed.err,
      AllOf(HasSubstr("is not welcome"), HasSubstr(fmt::format("the record at byte {} of {}@", at, input_)),
            HasSubstr("source 'NDJSON files'"), HasSubstr(".OnPoison(Poison::kSkip)"), HasSubstr("Restarts: 4\n")));
}

TEST_F(PoisonTest, ARecordThatCrashesTheWorkerIsNamedAndSkippedWhileAllOthersAreCountedOnce) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1));
  const size_t at = WriteInput();
  const Ended done = RunJob({"--how", "null", "--policy", "skip"}, 4, Checkpoints(Path("checkpoints")));
  ASSERT_EQ(done.status, 0) << done.err;
  const std::string job_id = done.out.substr(done.out.find("JobID ") + 6, 32);
  EXPECT_THAT(RunOnCluster({"info", job_id}).out,
              AllOf(HasSubstr("SIGSEGV"), HasSubstr(fmt::format("the record at byte {} of {}@", at, input_)),
                    HasSubstr("it is skipped from now on"), HasSubstr("skipped: 1")));
  EXPECT_THAT(RunOnCluster({"logs", job_id}).out, HasSubstr("is poison and is skipped"));
  ExpectCountsWithoutPoison();
}

TEST_F(PoisonTest, APoisonRecordGoesToTheSideOutputOfItsSource) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1));
  const size_t at = WriteInput();
  const Ended done =
      RunJob({"--how", "throw", "--policy", "side", "--aside", Path("aside")}, 4, Checkpoints(Path("checkpoints")));
  ASSERT_EQ(done.status, 0) << done.err;
  const std::vector<std::string> aside = LinesIn("aside");
  ASSERT_EQ(aside.size(), 1u);
  EXPECT_THAT(aside[0], AllOf(HasSubstr("NDJSON files"), HasSubstr(input_), HasSubstr(fmt::format("byte {}\"", at)),
                              HasSubstr(std::to_string(kPoison))));
  ExpectCountsWithoutPoison();
}

TEST_F(PoisonTest, CsvRowsAreFoundToo) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  const size_t at = WriteInput("csv");
  const Ended done = RunJob({"--format", "csv", "--how", "throw", "--policy", "skip"});
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(RunOnCluster({"info", done.out.substr(done.out.find("JobID ") + 6, 32)}).out,
              HasSubstr(fmt::format("byte {} of {}", at, input_)));
  ExpectCountsWithoutPoison();
}

TEST_F(PoisonTest, ASourceOfAUserCountsItsRecords) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  const Ended done = RunJob({"--format", "numbers", "--records", "6000", "--how", "throw", "--policy", "skip"});
  ASSERT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(RunOnCluster({"info", done.out.substr(done.out.find("JobID ") + 6, 32)}).out,
              AllOf(HasSubstr("the record at record 1729 of numbers-1"), HasSubstr("source 'Numbers'")));
}

TEST_F(PoisonTest, NoRecordIsSkippedForADiskThatIsFull) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  WriteInput();
  const Ended failed = RunJob({"--how", "disk", "--policy", "skip"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err,
              AllOf(HasSubstr("No space left on device"), Not(HasSubstr("skipped from now on")),
                    Not(HasSubstr("OnPoison")), Not(HasSubstr("records skipped")), HasSubstr("Restarts: 4\n")));
}

TEST_F(PoisonTest, AFailureInATimerIsSaidToHaveNoRecord) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  WriteInput();
  const Ended failed = RunJob({"--how", "timer"}, 3);
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("a timer failed"), HasSubstr("It was not processing a record"),
                                Not(HasSubstr("the record at"))));
}

}  // namespace
}  // namespace eagre
