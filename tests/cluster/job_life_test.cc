// Jobs on a real cluster from submission to their end.
#include <algorithm>
#include <csignal>
#include <regex>

#include "tests/cluster/cluster_fixture.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using JobLifeTest = ClusterTest;

TEST_F(JobLifeTest, AnAttachedRunEndsWithResultAndCounters) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1));
  const Ended ended = RunOnCluster({"run", JobLibrary("hello"), "-p", "2", "--", "--count", "1000"});
  EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("Program execution finished\n"), HasSubstr("Records in: 1,000\n"),
                               HasSubstr("Records to 'out': 1,000\n"),
                               HasSubstr("Accumulators:\n  greatest: 998001\n  squares: 1000\n")));
  const std::string job_id = ended.out.substr(ended.out.find("JobID ") + 6, 32);
  EXPECT_EQ(State(job_id), "FINISHED");
  EXPECT_TRUE(AwaitSlots(2)) << "the slots did not come back";
  // What the job printed stands in its workers' output.
  const Ended logs = RunOnCluster({"logs", job_id});
  EXPECT_EQ(logs.status, 0) << logs.err;
  EXPECT_THAT(logs.out, HasSubstr("998001"));  // 999 squared
  const Ended info = RunOnCluster({"info", job_id});
  EXPECT_EQ(info.status, 0) << info.err;
  EXPECT_THAT(info.out, AllOf(HasSubstr("State:     FINISHED"), HasSubstr("square"), HasSubstr("Records in: 1,000"),
                              HasSubstr("  squares: 1000\n")));
}

TEST_F(JobLifeTest, ListAndCancelSpeakFlinksWords) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  EXPECT_EQ(RunOnCluster({"list"}).out, "Waiting for response...\nNo running jobs.\nNo scheduled jobs.\n");
  const std::string job_id = Submit("endless");
  ASSERT_TRUE(AwaitState(job_id, "RUNNING"));
  const Ended list = RunOnCluster({"list", "-r"});
  EXPECT_TRUE(std::regex_search(list.out, std::regex("------------------ Running/Restarting Jobs -------------------\n"
                                                     "[0-9]{2}\\.[0-9]{2}\\.[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} : " +
                                                     job_id + " : endless \\(RUNNING\\)\n")))
      << list.out;
  const Ended cancelled = RunOnCluster({"cancel", job_id});
  EXPECT_EQ(cancelled.status, 0) << cancelled.err;
  EXPECT_THAT(cancelled.out, HasSubstr("Cancelled job " + job_id + ".\n"));
  EXPECT_TRUE(AwaitState(job_id, "CANCELED"));
  EXPECT_THAT(RunOnCluster({"list", "-a"}).out, HasSubstr(job_id + " : endless (CANCELED)\n"));
  const Ended unknown = RunOnCluster({"cancel", "0123456789abcdef0123456789abcdef"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, HasSubstr("0123456789abcdef0123456789abcdef"));
}

TEST_F(JobLifeTest, CtrlCOnAnAttachedRunCancelsTheJobOnTheCluster) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const auto run = Start({"run", "-m", "localhost:" + std::to_string(rpc_port()), JobLibrary("endless")});
  const std::string line = run->AwaitLine("Job has been submitted with JobID ");
  ASSERT_NE(line, "") << run->Output();
  const std::string job_id = line.substr(line.size() - 32);
  ASSERT_TRUE(AwaitState(job_id, "RUNNING"));
  run->Signal(SIGINT);
  EXPECT_EQ(run->AwaitExit(), 1) << run->Output();
  EXPECT_EQ(State(job_id), "CANCELED");
}

TEST_F(JobLifeTest, AJobEndsWithTheTerminalOfItsRunOnlyWhenAskedTo) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  for (const char* flag : {"", "-sae", "--shutdownOnAttachedExit"}) {
    SCOPED_TRACE(flag);
    Words command = {"run", "-m", "localhost:" + std::to_string(rpc_port()), JobLibrary("endless")};
    if (*flag != '\0') command.insert(command.begin() + 1, flag);
    const auto run = Start(command);
    const std::string line = run->AwaitLine("Job has been submitted with JobID ");
    ASSERT_NE(line, "") << run->Output();
    const std::string job_id = line.substr(line.size() - 32);
    ASSERT_TRUE(AwaitFlow(job_id));
    run->Signal(SIGHUP);
    if (*flag != '\0') {
      EXPECT_EQ(run->AwaitExit(), 1) << run->Output();
      EXPECT_EQ(State(job_id), "CANCELED");
      continue;
    }
    EXPECT_EQ(run->AwaitExit(), 128 + SIGHUP);
    const int64_t before = RecordsIn(job_id);
    EXPECT_TRUE(AwaitTrue([&] { return RecordsIn(job_id) > before; })) << "the job ended with the run";
    EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
    EXPECT_TRUE(AwaitState(job_id, "CANCELED"));
    EXPECT_TRUE(AwaitSlots(1));
  }
}

TEST_F(JobLifeTest, AJobWithMoreSubtasksThanSlotsWaitsAndSaysSo) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const std::string job_id = Submit("hello", {}, {"-p", "3"});
  ASSERT_TRUE(AwaitJob(job_id, [](const proto::JobDetails& job) { return !job.waiting_for().empty(); }));
  EXPECT_THAT(RunOnCluster({"info", job_id}).out,
              AllOf(HasSubstr("State:     CREATED"), HasSubstr("Waiting:   for 3 slots")));
  EXPECT_THAT(RunOnCluster({"list", "-s"}).out, HasSubstr(job_id + " : hello (CREATED)\n"));
  StartTaskManager({"taskmanager.numberOfTaskSlots=2"});
  EXPECT_TRUE(AwaitState(job_id, "FINISHED"));
}

TEST_F(JobLifeTest, AMillionRecordsForOneInputNeitherBlockNorGrowWithoutBound) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1));
  const std::string job_id = Submit("million_emitter", {"--inputs", "32"}, {"-p", "2"});
  int64_t peak_bytes = 0;
  ASSERT_TRUE(AwaitTrue([&] {
    for (size_t i = 0; i < 2; ++i) {
      for (const pid_t worker : Workers(i)) peak_bytes = std::max(peak_bytes, CostOf(worker).peak_resident_bytes);
    }
    return State(job_id) == "FINISHED";
  })) << Job(job_id).DebugString();
  EXPECT_THAT(RunOnCluster({"info", job_id}).out, HasSubstr("Records to 'nowhere': 32,000,000\n"));
  EXPECT_GT(peak_bytes, 0);
  // Those of one input may wait for their outputs; the sixteen million of a worker would be 384 MiB.
  EXPECT_LT(peak_bytes, 128 << 20);
}

}  // namespace
}  // namespace eagre
