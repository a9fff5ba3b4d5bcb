// What the JobManager promises to users and TaskManagers, in virtual time.
#include "jobmanager/job_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/testing/manual_executor.h"
#include "tests/unit/jobmanager/fake_task_manager.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::shared_ptr<const StoredArtifact> ArtifactNamed(const std::string& digest) {
  auto artifact = std::make_shared<StoredArtifact>();
  artifact->info.set_digest(digest);
  artifact->info.set_file_name("job.so");
  return artifact;
}

// A source of parallelism 1 that feeds a sink of the given one.
proto::SubmitJobHeader JobOf(int parallelism, const std::string& name = "job") {
  proto::SubmitJobHeader header;
  proto::JobGraph& graph = *header.mutable_graph();
  graph.set_name(name);
  for (int i = 0; i < 2; ++i) {
    proto::Vertex& vertex = *graph.add_vertices();
    vertex.set_name(i == 0 ? "source" : "sink");
    vertex.set_parallelism(i == 0 ? 1 : parallelism);
    vertex.add_operators()->set_name(vertex.name());
  }
  proto::Edge& edge = *graph.add_edges();
  edge.set_source_vertex(0);
  edge.set_target_vertex(1);
  return header;
}

proto::FailureInfo FailureOf(const std::string& message, bool retryable = true, bool secondary = false) {
  proto::FailureInfo failure;
  failure.set_message(message);
  failure.set_vertex("sink");
  failure.set_subtask(0);
  failure.set_retryable(retryable);
  failure.set_secondary(secondary);
  return failure;
}

std::vector<int> SlotsOf(const proto::DeployWorker& deploy) {
  return {deploy.job_slots().begin(), deploy.job_slots().end()};
}

class JobManagerTest : public ::testing::Test {
 protected:
  JobManagerTest() { Restart({}); }

  void Restart(const std::vector<std::string>& properties) {
    task_managers_.clear();
    job_manager_.reset();
    JobManagerOptions options;
    options.version = "test";
    for (const std::string& property : properties) ASSERT_TRUE(options.config.SetProperty(property).ok()) << property;
    job_manager_ = std::make_unique<JobManager>(executor_, random_, options);
  }

  FakeTaskManager& AddTaskManager(const std::string& id, int slots) {
    task_managers_.push_back(std::make_unique<FakeTaskManager>(*job_manager_, executor_, id, slots));
    task_managers_.back()->Register();
    executor_.RunReady();
    return *task_managers_.back();
  }

  std::string Submit(const proto::SubmitJobHeader& header, const std::string& digest = "d") {
    const auto id = job_manager_->SubmitJob(header, ArtifactNamed(digest));
    EXPECT_TRUE(id.ok()) << id.status();
    executor_.RunReady();
    return id.ok() ? *id : "";
  }

  proto::JobDetails Details(const std::string& id) {
    executor_.RunReady();
    const auto details = job_manager_->GetJob(id);
    EXPECT_TRUE(details.ok()) << details.status();
    return details.ok() ? *details : proto::JobDetails();
  }
  std::string StateOf(const std::string& id) { return Details(id).summary().state(); }

  // Brings the newest attempt that was deployed on these TaskManagers up to its start.
  proto::AttemptId RunWorkers(const std::vector<FakeTaskManager*>& task_managers) {
    proto::AttemptId attempt;
    for (FakeTaskManager* task_manager : task_managers) {
      const proto::DeployWorker deploy = task_manager->deploys().back();
      attempt = deploy.attempt();
      task_manager->SendReady(attempt, deploy.worker_index());
    }
    executor_.RunReady();
    return attempt;
  }

  void CancelAndRun(const std::string& id) {
    const Status status = job_manager_->CancelJob(id);
    EXPECT_TRUE(status.ok()) << status;
    executor_.RunReady();
  }

  ManualExecutor executor_;
  SeededRandom random_{7};
  std::unique_ptr<JobManager> job_manager_;
  std::vector<std::unique_ptr<FakeTaskManager>> task_managers_;
};

TEST_F(JobManagerTest, AJobRunsFromSubmissionToFinished) {
  FakeTaskManager& a = AddTaskManager("a", 2);
  FakeTaskManager& b = AddTaskManager("b", 2);
  const std::string id = Submit(JobOf(3));
  EXPECT_EQ(StateOf(id), "RUNNING");

  ASSERT_THAT(a.deploys(), SizeIs(1));
  ASSERT_THAT(b.deploys(), SizeIs(1));
  EXPECT_THAT(SlotsOf(a.deploys()[0]), ElementsAre(0, 2)) << "slots are dealt round robin";
  EXPECT_THAT(SlotsOf(b.deploys()[0]), ElementsAre(1));
  EXPECT_EQ(a.deploys()[0].token(), b.deploys()[0].token());
  EXPECT_EQ(a.deploys()[0].attempt().attempt(), 0);

  const proto::AttemptId attempt = a.deploys()[0].attempt();
  a.SendReady(attempt, 0);
  executor_.RunReady();
  EXPECT_THAT(a.starts(), IsEmpty()) << "workers start together";
  b.SendReady(attempt, 1);
  executor_.RunReady();
  ASSERT_THAT(b.starts(), SizeIs(1));
  EXPECT_EQ(b.starts()[0].peers(0).data_address(), "a:5000");
  EXPECT_EQ(b.starts()[0].peers(1).data_address(), "b:5000");

  a.SendFinished(attempt);
  b.SendFinished(attempt);
  a.SendExited(attempt);
  EXPECT_EQ(StateOf(id), "RUNNING") << "a job has ended only when all its workers are gone";
  b.SendExited(attempt);
  EXPECT_EQ(StateOf(id), "FINISHED");
  EXPECT_EQ(job_manager_->GetCluster().slots_available(), 4);
  EXPECT_THAT(Details(id).failures(), IsEmpty());
}

TEST_F(JobManagerTest, WorkersAreLetGoWhenAllHaveFinishedAndNeededUntilThen) {
  FakeTaskManager& a = AddTaskManager("a", 1);
  FakeTaskManager& b = AddTaskManager("b", 1);
  const std::string id = Submit(JobOf(2));
  const proto::AttemptId attempt = RunWorkers({&a, &b});
  a.SendFinished(attempt);
  executor_.RunReady();
  EXPECT_THAT(a.cancels(), IsEmpty()) << "b may still read what a has sent";
  b.SendFinished(attempt);
  executor_.RunReady();
  EXPECT_THAT(a.cancels(), SizeIs(1));
  EXPECT_THAT(b.cancels(), SizeIs(1));
  a.SendCrashed(attempt, SIGSEGV, "in a destructor");
  b.Disconnect();
  EXPECT_EQ(StateOf(id), "FINISHED") << "what happens after all have finished cannot fail the job any more";
}

TEST_F(JobManagerTest, ATaskManagerLostAfterItsWorkerFinishedFailsTheJob) {
  FakeTaskManager& a = AddTaskManager("a", 1);
  FakeTaskManager& b = AddTaskManager("b", 1);
  const std::string id = Submit(JobOf(2));
  const proto::AttemptId attempt = RunWorkers({&a, &b});
  a.SendFinished(attempt);
  executor_.RunReady();
  a.Disconnect();
  EXPECT_EQ(StateOf(id), "FAILING");
  b.SendExited(attempt);
  EXPECT_EQ(StateOf(id), "FAILED");
}

TEST_F(JobManagerTest, AJobWaitsForSlotsAndSaysSo) {
  const std::string id = Submit(JobOf(4));
  EXPECT_EQ(StateOf(id), "CREATED");
  EXPECT_EQ(Details(id).waiting_for(), "4 slots; no TaskManager is registered");
  AddTaskManager("a", 2);
  EXPECT_THAT(Details(id).waiting_for(), StartsWith("4 slots; only 2 are registered"));
  AddTaskManager("b", 2);
  EXPECT_EQ(StateOf(id), "RUNNING");
  EXPECT_EQ(Details(id).waiting_for(), "");

  const std::string second = Submit(JobOf(2));
  EXPECT_EQ(Details(second).waiting_for(), "2 slots; 4 of 4 registered are in use");
}

TEST_F(JobManagerTest, ASmallJobOvertakesALargeOneThatDoesNotFit) {
  FakeTaskManager& a = AddTaskManager("a", 3);
  const std::string first = Submit(JobOf(2));
  const std::string large = Submit(JobOf(3));
  const std::string small = Submit(JobOf(1));
  EXPECT_EQ(StateOf(first), "RUNNING");
  EXPECT_EQ(StateOf(large), "CREATED");
  EXPECT_EQ(StateOf(small), "RUNNING");

  for (const proto::DeployWorker& deploy : a.deploys()) {
    a.SendFinished(deploy.attempt());
    a.SendExited(deploy.attempt());
  }
  EXPECT_EQ(StateOf(large), "RUNNING");
}

TEST_F(JobManagerTest, AJobThatWaitsTooLongForSlotsFails) {
  Restart({"slot.request.timeout=10 s"});
  const std::string id = Submit(JobOf(4));
  executor_.Advance(9'999);
  EXPECT_EQ(StateOf(id), "CREATED");
  executor_.Advance(1);
  EXPECT_EQ(StateOf(id), "FAILED");
  EXPECT_EQ(Details(id).failures(0).message(),
            "waited 10 s (slot.request.timeout) for 4 slots; no TaskManager is registered");
}

TEST_F(JobManagerTest, SharesOfTheMemoryOfASlotAreNoMoreThanTheWhole) {
  proto::SubmitJobHeader header = JobOf(1);
  (*header.mutable_config())["state.backend.rocksdb.memory.object-cache-ratio"] = "0.9";
  const auto refused = job_manager_->SubmitJob(header, ArtifactNamed("d"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      std::string(StatusMessage(refused.status())),
      "'state.backend.rocksdb.memory.object-cache-ratio' (0.9, -D) and "
      "'state.backend.rocksdb.memory.write-buffer-ratio' (0.3, default) are 1.2 together; expected at most 1, the "
      "whole of a slot's memory: lower one of them");
  (*header.mutable_config())["state.backend.rocksdb.memory.write-buffer-ratio"] = "0.1";
  Submit(header);
}

TEST_F(JobManagerTest, AFailureWithoutRestartStrategyEndsTheJobWithItsCause) {
  FakeTaskManager& a = AddTaskManager("a", 1);
  FakeTaskManager& b = AddTaskManager("b", 1);
  const std::string id = Submit(JobOf(2));
  const proto::AttemptId attempt = RunWorkers({&a, &b});
  a.SendFailed(attempt, FailureOf("std::runtime_error: no such user"));
  EXPECT_EQ(StateOf(id), "FAILING");
  EXPECT_THAT(a.cancels(), SizeIs(1));
  EXPECT_THAT(b.cancels(), SizeIs(1));
  a.SendExited(attempt);
  EXPECT_EQ(StateOf(id), "FAILING");
  b.SendExited(attempt);
  const proto::JobDetails details = Details(id);
  EXPECT_EQ(details.summary().state(), "FAILED");
  ASSERT_THAT(details.failures(), SizeIs(1));
  EXPECT_EQ(details.failures(0).message(), "std::runtime_error: no such user");
  EXPECT_EQ(details.failures(0).vertex(), "sink");
  EXPECT_EQ(details.failures(0).host(), "host-of-a");
  EXPECT_EQ(details.failures(0).task_manager_id(), "a");
  EXPECT_EQ(details.vertices(1).status_counts().at("FAILED"), 1);
  EXPECT_EQ(details.vertices(1).status_counts().at("CANCELED"), 1);
}

TEST_F(JobManagerTest, ABrokenConnectionNeverHidesTheCrashThatBrokeIt) {
  FakeTaskManager& a = AddTaskManager("a", 1);
  FakeTaskManager& b = AddTaskManager("b", 1);
  const std::string id = Submit(JobOf(2));
  const proto::AttemptId attempt = RunWorkers({&a, &b});
  a.SendFailed(attempt, FailureOf("connection to worker 1 broke", /*retryable=*/true, /*secondary=*/true));
  EXPECT_EQ(Details(id).failures(0).message(), "connection to worker 1 broke");
  b.SendCrashed(attempt, SIGSEGV, "signal 11 (SIGSEGV) in operator 'parse'");
  a.SendExited(attempt);
  const proto::JobDetails details = Details(id);
  EXPECT_EQ(details.summary().state(), "FAILED");
  ASSERT_THAT(details.failures(), SizeIs(1));
  EXPECT_EQ(details.failures(0).message(), "signal 11 (SIGSEGV) in operator 'parse'");
}

TEST_F(JobManagerTest, ALateSecondaryFailureDoesNotReplaceTheCause) {
  FakeTaskManager& a = AddTaskManager("a", 1);
  FakeTaskManager& b = AddTaskManager("b", 1);
  const std::string id = Submit(JobOf(2));
  const proto::AttemptId attempt = RunWorkers({&a, &b});
  b.SendCrashed(attempt, SIGKILL, "");
  a.SendFailed(attempt, FailureOf("connection to worker 1 broke", /*retryable=*/true, /*secondary=*/true));
  a.SendExited(attempt);
  ASSERT_THAT(Details(id).failures(), SizeIs(1));
  EXPECT_THAT(Details(id).failures(0).message(), HasSubstr("signal 9 (SIGKILL)"));
}

TEST_F(JobManagerTest, ARestartWaitsForTheOldWorkersAndForTheDelay) {
  Restart({"restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.attempts=2",
           "restart-strategy.fixed-delay.delay=3 s"});
  FakeTaskManager& a = AddTaskManager("a", 1);
  FakeTaskManager& b = AddTaskManager("b", 1);
  const std::string id = Submit(JobOf(2));
  proto::AttemptId attempt = RunWorkers({&a, &b});
  a.SendFailed(attempt, FailureOf("first"));
  EXPECT_EQ(StateOf(id), "RESTARTING");
  EXPECT_EQ(Details(id).waiting_for(), "2 of 2 workers of attempt 0 to exit");
  a.SendExited(attempt);
  a.Heartbeat();
  b.Heartbeat();
  executor_.Advance(4'000);
  EXPECT_EQ(StateOf(id), "RESTARTING") << "the delay is over, but a worker of the old attempt still lives";
  EXPECT_THAT(a.deploys(), SizeIs(1));
  b.SendExited(attempt);
  EXPECT_EQ(StateOf(id), "RUNNING");
  ASSERT_THAT(b.deploys(), SizeIs(2));
  EXPECT_EQ(b.deploys()[1].attempt().attempt(), 1);
  EXPECT_NE(b.deploys()[1].token(), b.deploys()[0].token());
  EXPECT_EQ(Details(id).summary().restarts(), 1);

  attempt = RunWorkers({&a, &b});
  b.SendFailed(attempt, FailureOf("second"));
  a.SendExited(attempt);
  b.SendExited(attempt);
  EXPECT_EQ(Details(id).waiting_for(), "the restart delay of 3 s (fixed-delay, restart 2 of 2)");
  executor_.Advance(2'999);
  EXPECT_EQ(StateOf(id), "RESTARTING");
  executor_.Advance(1);
  EXPECT_EQ(StateOf(id), "RUNNING");

  attempt = RunWorkers({&a, &b});
  a.SendFailed(attempt, FailureOf("third"));
  a.SendExited(attempt);
  b.SendExited(attempt);
  const proto::JobDetails details = Details(id);
  EXPECT_EQ(details.summary().state(), "FAILED");
  ASSERT_THAT(details.failures(), SizeIs(3));
  EXPECT_EQ(details.failures(0).message(), "third");
  EXPECT_EQ(details.failures(2).message(), "first");
}

TEST_F(JobManagerTest, AJobThatRecoversFromLocalStateGetsItsSlotsBackAndSaysWhenItHasEnded) {
  for (const bool local : {false, true}) {
    SCOPED_TRACE(local);
    Restart({"restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.delay=0 s",
             std::string("execution.state-recovery.from-local=") + (local ? "true" : "false")});
    FakeTaskManager& a = AddTaskManager("a", 1);
    const std::string id = Submit(JobOf(1));
    proto::AttemptId attempt = RunWorkers({&a});
    FakeTaskManager& emptier = AddTaskManager("emptier", 2);
    a.SendFailed(attempt, FailureOf("first"));
    a.SendExited(attempt);
    executor_.RunReady();
    executor_.Advance(1);
    EXPECT_EQ(StateOf(id), "RUNNING");
    EXPECT_THAT(a.deploys(), SizeIs(local ? 2 : 1));
    EXPECT_THAT(emptier.deploys(), SizeIs(local ? 0 : 1));
    CancelAndRun(id);
    FakeTaskManager& last = local ? a : emptier;
    last.SendExited(last.deploys().back().attempt());
    EXPECT_EQ(StateOf(id), "CANCELED");
    std::vector<std::string> told;
    for (const auto& message : a.received()) {
      for (const auto& ended : message.release_artifacts().ended_job_ids()) told.push_back(ended);
    }
    EXPECT_EQ(told, local ? std::vector{id} : std::vector<std::string>());
  }
}

TEST_F(JobManagerTest, ANonRetryableFailureEndsTheJobWhateverTheStrategy) {
  Restart({"restart-strategy.type=exponential-delay"});
  FakeTaskManager& a = AddTaskManager("a", 1);
  const std::string id = Submit(JobOf(1));
  const proto::AttemptId attempt = RunWorkers({&a});
  a.SendFailed(attempt, FailureOf("built for another version", /*retryable=*/false));
  EXPECT_EQ(StateOf(id), "FAILING");
  a.SendExited(attempt);
  EXPECT_EQ(StateOf(id), "FAILED");
}

TEST_F(JobManagerTest, ANonRetryableCauseBehindASecondaryFailureStopsTheRestart) {
  Restart({"restart-strategy.type=fixed-delay"});
  FakeTaskManager& a = AddTaskManager("a", 1);
  FakeTaskManager& b = AddTaskManager("b", 1);
  const std::string id = Submit(JobOf(2));
  const proto::AttemptId attempt = RunWorkers({&a, &b});
  a.SendFailed(attempt, FailureOf("connection to worker 1 broke", true, /*secondary=*/true));
  EXPECT_EQ(StateOf(id), "RESTARTING");
  b.SendFailed(attempt, FailureOf("bad configuration", /*retryable=*/false));
  EXPECT_EQ(StateOf(id), "FAILING");
  a.SendExited(attempt);
  b.SendExited(attempt);
  EXPECT_EQ(StateOf(id), "FAILED");
  EXPECT_EQ(Details(id).failures(0).message(), "bad configuration");
}

TEST_F(JobManagerTest, WhoSpeaksForAnOldAttemptIsToldToStopAndOtherwiseIgnored) {
  Restart({"restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.delay=0 ms"});
  FakeTaskManager& a = AddTaskManager("a", 1);
  const std::string id = Submit(JobOf(1));
  const proto::AttemptId old = RunWorkers({&a});
  a.SendFailed(old, FailureOf("first"));
  a.SendExited(old);
  executor_.Advance(0);
  ASSERT_EQ(StateOf(id), "RUNNING");
  const size_t cancels = a.cancels().size();
  a.SendFailed(old, FailureOf("late"));
  a.SendFinished(old);
  a.SendExited(old);
  EXPECT_EQ(StateOf(id), "RUNNING");
  EXPECT_EQ(Details(id).failures_size(), 1);
  ASSERT_EQ(a.cancels().size(), cancels + 2) << "one for each message but WorkerExited";
  EXPECT_EQ(a.cancels().back().attempt(), 0);
  EXPECT_EQ(job_manager_->GetCluster().slots_available(), 0) << "a late exit frees nothing";

  proto::AttemptId unknown;
  unknown.set_job_id("ffffffffffffffffffffffffffffffff");
  a.SendReport(unknown, {});
  executor_.RunReady();
  EXPECT_EQ(a.cancels().back().job_id(), unknown.job_id());
}

TEST_F(JobManagerTest, ALostTaskManagerFailsItsJobsAtOnceAndOthersGoOn) {
  FakeTaskManager& a = AddTaskManager("a", 1);
  FakeTaskManager& b = AddTaskManager("b", 1);
  const std::string on_a = Submit(JobOf(1, "one"));
  const std::string on_b = Submit(JobOf(1, "two"));
  ASSERT_THAT(a.deploys(), SizeIs(1));
  ASSERT_THAT(b.deploys(), SizeIs(1));
  a.Disconnect();
  EXPECT_EQ(StateOf(on_a), "FAILED");
  EXPECT_EQ(Details(on_a).failures(0).message(), "lost TaskManager a at host-of-a: its connection closed");
  EXPECT_EQ(StateOf(on_b), "RUNNING");
  EXPECT_EQ(job_manager_->GetCluster().slots_total(), 1);
}

TEST_F(JobManagerTest, ASilentTaskManagerIsLostAfterTheHeartbeatTimeout) {
  Restart({"heartbeat.interval=1 s", "heartbeat.timeout=5 s"});
  FakeTaskManager& a = AddTaskManager("a", 1);
  FakeTaskManager& b = AddTaskManager("b", 1);
  for (int i = 0; i < 6; ++i) {
    executor_.Advance(1'000);
    b.Heartbeat();
    executor_.RunReady();
  }
  EXPECT_TRUE(a.closed());
  EXPECT_FALSE(b.closed());
  ASSERT_EQ(job_manager_->GetCluster().task_managers_size(), 1);
  EXPECT_EQ(job_manager_->GetCluster().task_managers(0).id(), "b");
}

TEST_F(JobManagerTest, ATaskManagerOfAnotherVersionIsRefusedWithTheReason) {
  FakeTaskManager other(*job_manager_, executor_, "old", 1);
  other.Register("0.0.1");
  executor_.RunReady();
  ASSERT_THAT(other.received(), SizeIs(1));
  EXPECT_THAT(other.received()[0].registration_refused().reason(), HasSubstr("it is version 0.0.1"));
  EXPECT_TRUE(other.closed());
  EXPECT_EQ(job_manager_->GetCluster().slots_total(), 0);
}

TEST_F(JobManagerTest, AConnectionThatNeverRegistersIsClosed) {
  FakeTaskManager silent(*job_manager_, executor_, "silent", 1);
  executor_.Advance(10'000);
  EXPECT_TRUE(silent.closed());
}

TEST_F(JobManagerTest, ATaskManagerThatConnectsAnewReplacesItsOldConnection) {
  Restart({"restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.delay=0 ms"});
  FakeTaskManager& old = AddTaskManager("a", 1);
  const std::string id = Submit(JobOf(1));
  FakeTaskManager& anew = AddTaskManager("a", 1);
  executor_.Advance(0);
  EXPECT_TRUE(old.closed());
  EXPECT_EQ(job_manager_->GetCluster().slots_total(), 1);
  EXPECT_EQ(StateOf(id), "RUNNING");
  ASSERT_THAT(anew.deploys(), SizeIs(1));
  EXPECT_EQ(anew.deploys()[0].attempt().attempt(), 1);
}

TEST_F(JobManagerTest, CancelWorksInEveryState) {
  const std::string waiting = Submit(JobOf(1));
  CancelAndRun(waiting);
  EXPECT_EQ(StateOf(waiting), "CANCELED");

  Restart({"restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.delay=1 h"});
  FakeTaskManager& a = AddTaskManager("a", 1);
  const std::string running = Submit(JobOf(1));
  proto::AttemptId attempt = RunWorkers({&a});
  CancelAndRun(running);
  EXPECT_EQ(StateOf(running), "CANCELLING");
  EXPECT_THAT(a.cancels(), SizeIs(1));
  EXPECT_TRUE(job_manager_->CancelJob(running).ok()) << "again, while it is under way";
  a.SendFailed(attempt, FailureOf("dies while it is stopped"));
  a.SendExited(attempt);
  EXPECT_EQ(StateOf(running), "CANCELED");
  EXPECT_THAT(Details(running).failures(), IsEmpty());
  EXPECT_THAT(std::string(StatusMessage(job_manager_->CancelJob(running))), HasSubstr("has already ended: CANCELED"));

  const std::string restarting = Submit(JobOf(1));
  attempt = RunWorkers({&a});
  a.SendFailed(attempt, FailureOf("x"));
  a.SendExited(attempt);
  ASSERT_EQ(StateOf(restarting), "RESTARTING");
  CancelAndRun(restarting);
  EXPECT_EQ(StateOf(restarting), "CANCELED");

  const std::string failing = Submit(JobOf(1));
  attempt = RunWorkers({&a});
  a.SendFailed(attempt, FailureOf("x", /*retryable=*/false));
  ASSERT_EQ(StateOf(failing), "FAILING");
  CancelAndRun(failing);
  EXPECT_EQ(StateOf(failing), "CANCELLING");
  a.SendExited(attempt);
  EXPECT_EQ(StateOf(failing), "CANCELED");

  const std::string deploying = Submit(JobOf(1));
  ASSERT_EQ(StateOf(deploying), "RUNNING");
  CancelAndRun(deploying);
  attempt = RunWorkers({&a});
  EXPECT_EQ(a.starts().back().attempt().job_id(), failing) << "a job that is being cancelled is not started any more";
  a.SendExited(attempt);
  EXPECT_EQ(StateOf(deploying), "CANCELED");
  EXPECT_EQ(job_manager_->GetCluster().slots_available(), 1);
}

TEST_F(JobManagerTest, AskingForAnUnknownJobSaysWhatToDo) {
  const auto details = job_manager_->GetJob("0123456789abcdef0123456789abcdef");
  EXPECT_EQ(details.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(StatusMessage(details.status())), HasSubstr("eagre list -a"));
  EXPECT_THAT(std::string(StatusMessage(job_manager_->CancelJob("nonsense"))), HasSubstr("'nonsense' is not a job id"));
}

TEST_F(JobManagerTest, GraphsAndConfigurationThatCannotRunAreRefused) {
  EXPECT_THAT(std::string(StatusMessage(job_manager_->SubmitJob(JobOf(0), ArtifactNamed("d")).status())),
              HasSubstr("'sink' has parallelism 0"));
  proto::SubmitJobHeader header = JobOf(1);
  (*header.mutable_config())["restart-strategy.type"] = "sometimes";
  EXPECT_EQ(job_manager_->SubmitJob(header, ArtifactNamed("d")).status().code(), absl::StatusCode::kInvalidArgument);
  header = JobOf(1);
  header.mutable_graph()->mutable_edges(0)->set_target_vertex(2);
  EXPECT_THAT(std::string(StatusMessage(job_manager_->SubmitJob(header, ArtifactNamed("d")).status())),
              HasSubstr("edge"));
  EXPECT_EQ(job_manager_->ListJobs().jobs_size(), 0);
}

TEST_F(JobManagerTest, TheJobsSettingsGoOverTheClientsOverTheClusters) {
  Restart({"restart-strategy.type=fixed-delay", "taskmanager.network.queue-batches=1", "taskmanager.host=cluster-host",
           "pipeline.auto-watermark-interval=1 s"});
  FakeTaskManager& a = AddTaskManager("a", 1);
  proto::SubmitJobHeader header = JobOf(1);
  (*header.mutable_graph()->mutable_config())["taskmanager.network.queue-batches"] = "2";
  (*header.mutable_graph()->mutable_config())["restart-strategy.type"] = "failure-rate";
  (*header.mutable_config())["taskmanager.network.queue-batches"] = "3";
  (*header.mutable_config())["pipeline.auto-watermark-interval"] = "2 s";
  header.add_args("--input");
  Submit(header);
  const proto::DeployWorker deploy = a.deploys().at(0);
  const auto& config = deploy.config();
  EXPECT_EQ(config.at("taskmanager.network.queue-batches"), "2");
  EXPECT_EQ(config.at("restart-strategy.type"), "failure-rate");
  EXPECT_EQ(config.at("pipeline.auto-watermark-interval"), "2 s");
  EXPECT_FALSE(config.contains("taskmanager.host")) << "each TaskManager has its own";
  EXPECT_EQ(deploy.args(0), "--input");
}

TEST_F(JobManagerTest, HistoryIsBoundedAndWhatLeavesItIsReleased) {
  Restart({"jobstore.max-capacity=2"});
  FakeTaskManager& a = AddTaskManager("a", 1);
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(Submit(JobOf(1), i == 0 ? "only-first" : "shared"));
    const proto::AttemptId attempt = RunWorkers({&a});
    a.SendFinished(attempt);
    a.SendExited(attempt);
    executor_.RunReady();
  }
  ASSERT_EQ(job_manager_->ListJobs().jobs_size(), 2);
  EXPECT_EQ(job_manager_->ListJobs().jobs(0).job_id(), ids[2]);
  EXPECT_EQ(job_manager_->GetJob(ids[0]).status().code(), absl::StatusCode::kNotFound);
  std::vector<std::string> forgotten, digests;
  for (const auto& message : a.received()) {
    for (const auto& id : message.release_artifacts().job_ids()) forgotten.push_back(id);
    for (const auto& digest : message.release_artifacts().digests()) digests.push_back(digest);
  }
  EXPECT_THAT(forgotten, ElementsAre(ids[0], ids[1]));
  EXPECT_THAT(digests, ElementsAre("only-first")) << "the other library is still used by jobs in the history";
}

TEST_F(JobManagerTest, ATaskManagerThatMissedAReleaseHearsWhatToKeepWhenItComesBack) {
  Restart({"jobstore.max-capacity=1"});
  const auto run = [&](FakeTaskManager& on, const std::string& digest) {
    const std::string id = Submit(JobOf(1), digest);
    const proto::AttemptId attempt = RunWorkers({&on});
    on.SendFinished(attempt);
    on.SendExited(attempt);
    EXPECT_EQ(StateOf(id), "FINISHED");
    on.Disconnect();
    executor_.RunReady();
    return id;
  };
  FakeTaskManager& a = AddTaskManager("a", 1);
  ASSERT_THAT(a.received(), SizeIs(2));
  EXPECT_TRUE(a.received()[1].has_retain_artifacts()) << "with no job, nothing is to be kept";
  EXPECT_THAT(a.received()[1].retain_artifacts().job_ids(), IsEmpty());
  run(a, "forgotten");
  const std::string ended = run(AddTaskManager("b", 1), "ended");
  const std::string waiting = Submit(JobOf(1), "waiting");

  const proto::RetainArtifacts retain = AddTaskManager("a", 1).received().at(1).retain_artifacts();
  EXPECT_THAT(retain.job_ids(), ElementsAre(ended, waiting));
  EXPECT_THAT(retain.digests(), ElementsAre("ended", "waiting"));
}

TEST_F(JobManagerTest, ReportsAreSummedPerVertex) {
  FakeTaskManager& a = AddTaskManager("a", 2);
  const std::string id = Submit(JobOf(2));
  const proto::AttemptId attempt = RunWorkers({&a});
  std::vector<proto::SubtaskReport> reports(2);
  for (int i = 0; i < 2; ++i) {
    reports[i].set_vertex(1);
    reports[i].set_subtask(i);
    reports[i].set_status("RUNNING");
    reports[i].set_watermark_ms(100 * (i + 1));
    reports[i].set_busy_ms(10);
    reports[i].add_operators()->set_records_in(5 + i);
  }
  a.SendReport(attempt, reports);
  proto::JobDetails details = Details(id);
  EXPECT_EQ(details.vertices(1).operators(0).records_in(), 11);
  EXPECT_EQ(details.vertices(1).watermark_ms(), 100) << "a vertex is as far as its slowest subtask";
  EXPECT_EQ(details.vertices(1).busy_ms(), 20);
  EXPECT_EQ(details.vertices(1).status_counts().at("RUNNING"), 2);

  reports[0].set_vertex(9);
  reports[1].set_subtask(-1);
  a.SendReport(attempt, reports);
  a.SendFinished(attempt);
  a.SendExited(attempt);
  details = Details(id);
  EXPECT_EQ(details.summary().state(), "FINISHED");
  EXPECT_EQ(details.vertices(1).operators(0).records_in(), 11) << "an ended job keeps its counters";
  EXPECT_EQ(details.vertices(1).status_counts().at("FINISHED"), 2);
}

TEST_F(JobManagerTest, AWatcherSeesEveryStateAndTheEndLast) {
  FakeTaskManager& a = AddTaskManager("a", 1);
  const std::string id = Submit(JobOf(1));
  std::vector<std::string> seen;
  bool ended = false;
  const auto watch = job_manager_->WatchJob(id, 500, [&](const proto::JobDetails& details, bool last) {
    EXPECT_FALSE(ended);
    seen.push_back(details.summary().state());
    ended = last;
  });
  ASSERT_TRUE(watch.ok());
  executor_.RunReady();
  EXPECT_THAT(seen, ElementsAre("RUNNING"));
  const proto::AttemptId attempt = RunWorkers({&a});
  executor_.Advance(500);
  EXPECT_THAT(seen, ElementsAre("RUNNING", "RUNNING"));
  a.SendFailed(attempt, FailureOf("x"));
  a.SendExited(attempt);
  executor_.RunReady();
  EXPECT_TRUE(ended);
  EXPECT_EQ(seen.back(), "FAILED");
  const size_t count = seen.size();
  executor_.Advance(5'000);
  EXPECT_EQ(seen.size(), count);

  ended = false;
  ASSERT_TRUE(job_manager_->WatchJob(id, 500, [&](const proto::JobDetails&, bool last) { ended = last; }).ok());
  executor_.RunReady();
  EXPECT_TRUE(ended) << "whoever watches an ended job learns its end";
}

TEST_F(JobManagerTest, LogsComeFromEveryTaskManagerInTurn) {
  FakeTaskManager& a = AddTaskManager("a", 1);
  AddTaskManager("b", 1);
  const std::string id = Submit(JobOf(2));
  std::vector<std::string> pieces;
  bool done = false;
  ASSERT_TRUE(job_manager_
                  ->GetLogs(id, {.on_part =
                                     [&](proto::LogPart part, Closure consumed) {
                                       pieces.push_back(part.data());
                                       consumed();
                                     },
                                 .on_done = [&] { done = true; }})
                  .ok());
  executor_.Advance(0);
  ASSERT_TRUE(a.received().back().has_collect_logs());
  proto::LogPart part;
  part.set_request_id(a.received().back().collect_logs().request_id());
  part.set_data("hello");
  int accepted = 0;
  job_manager_->OnLogPart(part, [&](Status status) { accepted += status.ok(); });
  part.set_data("world");
  part.set_last(true);
  job_manager_->OnLogPart(part, [&](Status status) { accepted += status.ok(); });
  EXPECT_EQ(accepted, 2);
  job_manager_->OnLogPart(part, [&](Status status) { EXPECT_EQ(status.code(), absl::StatusCode::kNotFound); });
  executor_.RunReady();
  EXPECT_FALSE(done) << "b was not heard yet";
  for (int i = 0; i < 8 && !done; ++i) {
    executor_.Advance(2'000);
    for (auto& task_manager : task_managers_) task_manager->Heartbeat();
    executor_.RunReady();
  }
  EXPECT_TRUE(done);
  ASSERT_THAT(pieces, SizeIs(3));
  EXPECT_THAT(pieces[2], HasSubstr("it sent nothing for 10 s"));
}

TEST_F(JobManagerTest, MetricsTellSlotsAndJobsAndForgetJobsThatEnded) {
  FakeTaskManager& a = AddTaskManager("a", 2);
  const std::string id = Submit(JobOf(1, "fraud detection"));
  executor_.Advance(1'000);
  const auto value_of = [&](const std::string& name) {
    for (const MetricSample& sample : job_manager_->CollectMetrics()) {
      if (sample.name == name) return sample.value;
    }
    return -1.0;
  };
  EXPECT_EQ(value_of("flink_jobmanager_numRegisteredTaskManagers"), 1);
  EXPECT_EQ(value_of("flink_jobmanager_taskSlotsTotal"), 2);
  EXPECT_EQ(value_of("flink_jobmanager_taskSlotsAvailable"), 1);
  EXPECT_EQ(value_of("flink_jobmanager_numRunningJobs"), 1);
  EXPECT_EQ(value_of("flink_jobmanager_job_runningTime"), 1'000);
  EXPECT_EQ(value_of("flink_jobmanager_job_numRestarts"), 0);
  CancelAndRun(id);
  a.SendExited(a.deploys()[0].attempt());
  executor_.RunReady();
  EXPECT_EQ(value_of("flink_jobmanager_numRunningJobs"), 0);
  EXPECT_EQ(value_of("flink_jobmanager_job_runningTime"), -1);
}

}  // namespace
}  // namespace eagre
