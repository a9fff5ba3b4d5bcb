// Jobs and TaskManagers that fail: the root cause is shown, neighbours do not notice, the daemons live on.
#include <csignal>

#include "tests/cluster/cluster_fixture.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class FailureTest : public ClusterTest {
 protected:
  // The job goes on: its counter moves.
  void ExpectProgress(const std::string& job_id) {
    const int64_t before = RecordsIn(job_id);
    EXPECT_TRUE(AwaitTrue([&] { return RecordsIn(job_id) > before; })) << "job " << job_id << " stands still";
    EXPECT_EQ(State(job_id), "RUNNING");
    EXPECT_EQ(Job(job_id).attempt(), 0) << "the neighbour was restarted";
  }
};

TEST_F(FailureTest, ANullDereferenceFailsItsJobWithSignalOperatorAndStackAndNoOtherJob) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  const std::string neighbour = Submit("endless");
  ASSERT_TRUE(AwaitFlow(neighbour));
  const Ended crashed = RunOnCluster({"run", JobLibrary("null_dereference"), "--", "--at", "2000"});
  EXPECT_EQ(crashed.status, 1);
  EXPECT_THAT(crashed.err, AllOf(HasSubstr("has failed."), HasSubstr("Root cause:"), HasSubstr("SIGSEGV"),
                                 HasSubstr("operator 'dereference' (1/1)"), HasSubstr("on host localhost")));
  const std::string job_id = crashed.out.substr(crashed.out.find("JobID ") + 6, 32);
  const proto::JobDetails job = Job(job_id);
  ASSERT_GT(job.failures_size(), 0);
  EXPECT_THAT(job.failures(0).stack(), Not(IsEmpty()));
  EXPECT_THAT(RunOnCluster({"info", job_id}).out, AllOf(HasSubstr("State:     FAILED"), HasSubstr("SIGSEGV")));
  ExpectProgress(neighbour);
  ExpectDaemonsAlive();
}

TEST_F(FailureTest, AnExceptionFailsItsJobWithOperatorAndMessage) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  const Ended failed = RunOnCluster({"run", JobLibrary("throwing"), "-p", "2", "--", "--at", "501"});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err,
              AllOf(HasSubstr("record 501 is not welcome"), HasSubstr("operator 'picky'"), HasSubstr("/2)")));
  EXPECT_TRUE(AwaitSlots(2)) << "the failed job keeps its slots";
  EXPECT_THAT(Workers(0), IsEmpty());
}

TEST_F(FailureTest, AJobThatNeverReturnsIsCancelledByKillingItsWorker) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1, {"task.cancellation.timeout=300 ms"}));
  const std::string job_id = Submit("stuck", {"--at", "100"});
  ASSERT_TRUE(AwaitFlow(job_id));
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
  EXPECT_TRUE(AwaitState(job_id, "CANCELED"));
  EXPECT_TRUE(AwaitSlots(1));
  EXPECT_TRUE(AwaitTrue([&] { return Workers(0).empty(); }));
  ExpectDaemonsAlive();
}

TEST_F(FailureTest, AKilledTaskManagerIsNoticedAtOnceAndNamed) {
  // So long that nothing but the connection can tell in the time of this test.
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1, {"heartbeat.timeout=1 h"}));
  const std::string announcement = task_manager(1).AwaitLine(" joins the JobManager at ");
  ASSERT_THAT(announcement, ::testing::StartsWith("TaskManager "));
  const std::string id = announcement.substr(12, announcement.find(' ', 12) - 12);
  const std::string job_id = Submit("endless", {}, {"-p", "2"});
  ASSERT_TRUE(AwaitFlow(job_id));
  task_manager(1).Signal(SIGKILL);
  ASSERT_TRUE(AwaitState(job_id, "FAILED"));
  const proto::JobDetails job = Job(job_id);
  const proto::FailureInfo& cause = job.failures(0);
  EXPECT_THAT(cause.message(), HasSubstr("lost TaskManager " + id + " at localhost: "));
  EXPECT_EQ(cause.task_manager_id(), id);
  EXPECT_EQ(cause.host(), "localhost");
  EXPECT_THAT(RunOnCluster({"info", job_id}).out,
              AllOf(HasSubstr("Root cause:"), HasSubstr("Z, on host localhost, TaskManager " + id)));
  EXPECT_TRUE(AwaitSlots(1)) << "the lost TaskManager's slots still count";
  EXPECT_TRUE(job_manager().Running());
  // What is left of the cluster works.
  EXPECT_EQ(RunOnCluster({"run", JobLibrary("hello")}).status, 0);
}

TEST_F(FailureTest, AJobSurvivesALostTaskManagerWhenItsRestartStrategySaysSo) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1));
  const std::string job_id =
      Submit("endless", {},
             {"-p", "2", "-D", "restart-strategy.type=fixed-delay", "-D", "restart-strategy.fixed-delay.attempts=3",
              "-D", "restart-strategy.fixed-delay.delay=50 ms"});
  ASSERT_TRUE(AwaitFlow(job_id));
  task_manager(0).Signal(SIGKILL);
  ASSERT_TRUE(AwaitJob(job_id, [](const proto::JobDetails& job) { return job.waiting_for().starts_with("2 slots"); }))
      << Job(job_id).DebugString();
  StartTaskManager();
  ASSERT_TRUE(AwaitState(job_id, "RUNNING"));
  EXPECT_EQ(Job(job_id).summary().restarts(), 1);
  EXPECT_TRUE(AwaitFlow(job_id));
}

TEST_F(FailureTest, RestartStrategiesEndAsTheySay) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const Ended fixed = RunOnCluster({"run", JobLibrary("throwing"), "-D", "restart-strategy.type=fixed-delay", "-D",
                                    "restart-strategy.fixed-delay.attempts=2", "-D",
                                    "restart-strategy.fixed-delay.delay=10 ms", "--", "--at", "5"});
  EXPECT_EQ(fixed.status, 1);
  EXPECT_THAT(fixed.err, AllOf(HasSubstr("Restarts: 2\n"), HasSubstr("record 5 is not welcome")));
  const Ended rate = RunOnCluster({"run", JobLibrary("throwing"), "-D", "restart-strategy.type=failure-rate", "-D",
                                   "restart-strategy.failure-rate.max-failures-per-interval=1", "-D",
                                   "restart-strategy.failure-rate.delay=10 ms", "--", "--at", "5"});
  EXPECT_EQ(rate.status, 1);
  EXPECT_THAT(rate.err, HasSubstr("Restarts: 1\n"));
  const Ended backoff =
      RunOnCluster({"run", JobLibrary("null_dereference"), "-D", "restart-strategy.type=exponential-delay", "-D",
                    "restart-strategy.exponential-delay.initial-backoff=10 ms", "-D",
                    "restart-strategy.exponential-delay.attempts-before-reset-backoff=2", "--", "--at", "5"});
  EXPECT_EQ(backoff.status, 1);
  EXPECT_THAT(backoff.err, AllOf(HasSubstr("Restarts: 2\n"), HasSubstr("SIGSEGV")));
  EXPECT_TRUE(AwaitSlots(1));
}

TEST_F(FailureTest, ATruncatedLineFailsTheJobNamingFileAndLine) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const std::string input = WriteFile("numbers.ndjson", "{\"value\":1}\n{\"value\":2}\n{\"val");
  const Ended failed = RunOnCluster({"run", JobLibrary("read_ndjson"), "--", "--input", input});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("numbers.ndjson"), HasSubstr("3")));
  EXPECT_THAT(failed.err, ::testing::ContainsRegex("numbers.ndjson.*(:3|line 3)"));
}

TEST_F(FailureTest, AMissingFileFailsTheJobNamingIt) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const Ended failed = RunOnCluster({"run", JobLibrary("read_ndjson"), "--", "--input", Path("nothing-here.ndjson")});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("nothing-here.ndjson"), Not(HasSubstr("SIG"))));
  EXPECT_TRUE(AwaitSlots(1));
}

TEST_F(FailureTest, WorkersDieWithTheirTaskManagerAndItsWorkFolderIsSweptByTheNext) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const std::string job_id = Submit("stuck", {"--at", "100"});
  ASSERT_TRUE(AwaitFlow(job_id));
  const std::vector<pid_t> workers = Workers(0);
  ASSERT_EQ(workers.size(), 1u);
  task_manager(0).Signal(SIGKILL);
  EXPECT_TRUE(AwaitTrue([&] { return kill(workers[0], 0) != 0; })) << "an orphaned worker lives on in stuck user code";
  const size_t left = FilesBelow(Path("work")).size();
  StartTaskManager();
  ASSERT_TRUE(AwaitSlots(1));
  EXPECT_LE(FilesBelow(Path("work")).size(), left) << "the dead TaskManager's folder is still there";
}

}  // namespace
}  // namespace eagre
