// What a JobManager leaves to the one after it.
#include "jobmanager/job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jobmanager/job_manager.h"
#include "tests/testing/faulty_file_system.h"
#include "tests/testing/manual_executor.h"
#include "tests/unit/connectors/scratch_directory.h"
#include "tests/unit/jobmanager/fake_task_manager.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class JobStoreTest : public ::testing::Test {
 protected:
  // What a new JobManager finds there.
  JobStore::Contents Load() {
    store_ = std::make_unique<JobStore>(files_, scratch_.path(), "writer-" + std::to_string(++writers_));
    auto contents = store_->Load();
    EXPECT_TRUE(contents.ok()) << contents.status();
    return contents.ok() ? *std::move(contents) : JobStore::Contents();
  }

  static proto::SubmitJobHeader SomeJob() {
    proto::SubmitJobHeader header;
    header.mutable_graph()->set_name("job");
    proto::Vertex& vertex = *header.mutable_graph()->add_vertices();
    vertex.set_name("only");
    vertex.set_parallelism(1);
    vertex.add_operators()->set_id("only");
    return header;
  }
  std::shared_ptr<const StoredArtifact> SomeArtifact() {
    auto artifact = std::make_shared<StoredArtifact>();
    artifact->info.set_digest("d");
    artifact->path = scratch_.Write("upload.so", "the library");
    return artifact;
  }
  // As if the process had been killed: nothing is told to anybody. `running`: what the TaskManager runs meanwhile.
  void StartJobManager(const std::vector<proto::RunningWorker>& running = {}) {
    task_manager_.reset();
    job_manager_.reset();
    executor_ = std::make_unique<ManualExecutor>();
    JobStore::Contents contents = Load();
    JobManagerOptions options;
    options.version = "test";
    options.store = store_.get();
    options.files = &files_;
    options.on_replaced = [this](const Status& reason) { replaced_ = reason; };
    replaced_ = OkStatus();
    EXPECT_TRUE(options.config.SetProperty("execution.checkpointing.dir=" + JoinPath(scratch_.path(), "chk")).ok());
    job_manager_ = std::make_unique<JobManager>(*executor_, random_, options);
    for (proto::JobDetails& result : contents.results) job_manager_->RecoverResult(std::move(result));
    for (const JobStore::Job& job : contents.jobs) {
      EXPECT_TRUE(job_manager_->RecoverJob(job.job, job.attempt, SomeArtifact()).ok());
    }
    executor_->Advance(recovery_ms_);
    job_manager_->OnListening();
    if (comes_back_) ConnectTaskManager(running);
    executor_->RunReady();
  }
  void ConnectTaskManager(const std::vector<proto::RunningWorker>& running = {}) {
    task_manager_ = std::make_unique<FakeTaskManager>(*job_manager_, *executor_, "tm", 1);
    task_manager_->Register("test", running);
    executor_->RunReady();
  }
  std::string SubmitCheckpointed() {
    proto::SubmitJobHeader header = SomeJob();
    (*header.mutable_config())["execution.checkpointing.interval"] = "1 s";
    const StatusOr<std::string> id = Submit(header);
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or("");
  }
  void CompleteCheckpoint() {
    executor_->Advance(1000);
    task_manager_->SendAcknowledgements(task_manager_->checkpoints().back(), {{0, 0}});
    executor_->RunReady();
  }
  static proto::RunningWorker Running(const proto::AttemptId& attempt, int64_t checkpoint_id = 0) {
    proto::RunningWorker worker;
    *worker.mutable_attempt() = attempt;
    worker.add_job_slots(0);
    worker.set_checkpoint_id(checkpoint_id);
    return worker;
  }
  std::string StateOf(const std::string& id) { return job_manager_->GetJob(id)->summary().state(); }
  StatusOr<std::string> Submit(const proto::SubmitJobHeader& header) {
    std::optional<StatusOr<std::string>> id;
    job_manager_->SubmitJobDurably(header, SomeArtifact(), std::nullopt,
                                   [&](StatusOr<std::string> submitted) { id = std::move(submitted); });
    executor_->RunReady();
    return *id;
  }
  proto::AttemptId StartWorker() {
    const proto::AttemptId attempt = task_manager_->deploys().back().attempt();
    task_manager_->SendReady(attempt, 0);
    executor_->RunReady();
    return attempt;
  }

  FaultyFileSystem files_;
  ScratchDirectory scratch_;
  SeededRandom random_{7};
  bool comes_back_ = true;
  int64_t recovery_ms_ = 0;  // from the first job that is taken up until TaskManagers can connect
  int writers_ = 0;
  Status replaced_;
  std::unique_ptr<ManualExecutor> executor_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<JobManager> job_manager_;
  std::unique_ptr<FakeTaskManager> task_manager_;
};

TEST_F(JobStoreTest, ASuccessorGoesOnFromTheLastCheckpointWithAnAttemptOfItsOwn) {
  StartJobManager();
  proto::SubmitJobHeader header = SomeJob();
  (*header.mutable_config())["execution.checkpointing.interval"] = "1 s";
  const StatusOr<std::string> id = Submit(header);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(StartWorker().attempt(), 0);
  executor_->Advance(1000);
  task_manager_->SendAcknowledgements(task_manager_->checkpoints().back(), {{0, 0}});
  executor_->RunReady();

  StartJobManager();
  ASSERT_THAT(task_manager_->deploys(), SizeIs(1));
  const proto::DeployWorker deploy = task_manager_->deploys()[0];
  EXPECT_EQ(deploy.attempt().job_id(), *id);
  EXPECT_EQ(deploy.attempt().attempt(), 1) << "whoever still speaks for attempt 0 is recognised";
  EXPECT_EQ(deploy.checkpoints().restore_from(), JoinPath(scratch_.path(), "chk/" + *id + "/chk-1"));
  StartWorker();
  executor_->Advance(1000);
  EXPECT_EQ(task_manager_->checkpoints().back().checkpoint_id(), 2);
}

TEST_F(JobStoreTest, ASuccessorAdoptsWorkersThatHaveRunOn) {
  StartJobManager();
  const std::string id = SubmitCheckpointed();
  const proto::AttemptId attempt = StartWorker();
  CompleteCheckpoint();

  StartJobManager({Running(attempt, /*checkpoint_id=*/4)});
  EXPECT_EQ(StateOf(id), "RUNNING");
  EXPECT_THAT(task_manager_->deploys(), IsEmpty()) << "the attempt goes on";
  EXPECT_THAT(task_manager_->cancels(), IsEmpty());
  std::vector<std::string> told;
  for (const proto::JobManagerToTaskManager& message : task_manager_->received()) {
    if (message.has_adopt()) told.push_back("adopt");
    if (!message.has_checkpoint()) continue;
    told.push_back(fmt::format("{} {}", proto::CheckpointCommand::Kind_Name(message.checkpoint().kind()),
                               message.checkpoint().checkpoint_id()));
  }
  EXPECT_THAT(told, ElementsAre("adopt", "COMPLETE 1", "ABORT 4"));
  executor_->Advance(1000);
  EXPECT_EQ(task_manager_->checkpoints().back().checkpoint_id(), 5) << "no number is used twice";
  EXPECT_EQ(job_manager_->GetCluster().slots_available(), 0);

  task_manager_->SendFinished(attempt);
  task_manager_->SendExited(attempt);
  executor_->RunReady();
  EXPECT_EQ(StateOf(id), "FINISHED");
  EXPECT_EQ(job_manager_->GetCluster().slots_available(), 1);
}

TEST_F(JobStoreTest, AJobThatIsTakenUpBeganWhenItWasSubmitted) {
  StartJobManager();
  executor_->Advance(60'000);
  const std::string id = SubmitCheckpointed();
  const int64_t submitted_ms = executor_->clock().NowMs();
  EXPECT_EQ(job_manager_->GetJob(id)->summary().start_time_ms(), submitted_ms);
  StartJobManager();
  EXPECT_EQ(job_manager_->GetJob(id)->summary().start_time_ms(), submitted_ms);
}

TEST_F(JobStoreTest, AWorkerOfAnAttemptThatIsOverIsKilledAndItsSlotsAreFreeWhenItIsGone) {
  StartJobManager();
  const std::string id = SubmitCheckpointed();
  proto::AttemptId older = StartWorker();
  older.set_attempt(-1);
  StartJobManager({Running(older)});
  ASSERT_THAT(task_manager_->cancels(), SizeIs(1));
  EXPECT_THAT(task_manager_->deploys(), IsEmpty()) << "its slot is still in use";
  EXPECT_EQ(job_manager_->GetCluster().slots_available(), 0);
  task_manager_->SendExited(older);
  executor_->RunReady();
  ASSERT_THAT(task_manager_->deploys(), SizeIs(1));
  EXPECT_EQ(task_manager_->deploys()[0].attempt().attempt(), 1);
  EXPECT_EQ(StateOf(id), "RUNNING");
}

TEST_F(JobStoreTest, ASuccessorWaitsForTaskManagersButNotForEver) {
  StartJobManager();
  const std::string id = SubmitCheckpointed();
  StartWorker();
  comes_back_ = false;
  StartJobManager();
  EXPECT_EQ(StateOf(id), "CREATED");
  EXPECT_THAT(job_manager_->GetJob(id)->waiting_for(), HasSubstr("1 of 1 workers of attempt 0"));
  FakeTaskManager other(*job_manager_, *executor_, "other", 1);
  other.Register();
  executor_->Advance(4'500);
  EXPECT_THAT(other.deploys(), IsEmpty()) << "the first may still come back";
  executor_->Advance(500);
  executor_->RunReady();
  ASSERT_THAT(other.deploys(), SizeIs(1));
  EXPECT_EQ(other.deploys()[0].attempt().attempt(), 1);
  EXPECT_THAT(job_manager_->GetJob(id)->failures(0).message(), HasSubstr("jobmanager.reconciliation.timeout"));

  proto::AttemptId late;
  late.set_job_id(id);
  ConnectTaskManager({Running(late)});
  EXPECT_THAT(task_manager_->cancels(), SizeIs(1)) << "too late";
}

TEST_F(JobStoreTest, TheWaitForTaskManagersBeginsWhenTheyCanConnect) {
  StartJobManager();
  const std::string id = SubmitCheckpointed();
  const proto::AttemptId attempt = StartWorker();
  recovery_ms_ = 6'000;
  StartJobManager({Running(attempt)});
  EXPECT_THAT(task_manager_->cancels(), IsEmpty());
  EXPECT_EQ(StateOf(id), "RUNNING");
}

TEST_F(JobStoreTest, WorkersThatAreAllThereRunOnWhileTheCheckpointsCannotBeRead) {
  StartJobManager();
  const std::string id = SubmitCheckpointed();
  const proto::AttemptId attempt = StartWorker();
  CompleteCheckpoint();
  const auto break_log = [this] {
    files_.SetFault([](FaultyFileSystem::Operation operation, const std::string& path) {
      const bool hit = operation == FaultyFileSystem::Operation::kRead && path.find("/log/") != std::string::npos;
      return hit ? Unavailable("cannot read {}: Input/output error", path) : OkStatus();
    });
  };
  break_log();
  StartJobManager({Running(attempt, 1)});
  executor_->Advance(8'000);
  EXPECT_THAT(task_manager_->cancels(), IsEmpty());
  EXPECT_THAT(job_manager_->GetJob(id)->waiting_for(), HasSubstr("Input/output error"));
  files_.SetFault({});
  executor_->Advance(1'500);
  EXPECT_EQ(StateOf(id), "RUNNING");
  EXPECT_THAT(task_manager_->deploys(), IsEmpty());

  break_log();
  StartJobManager({Running(attempt, 1)});
  executor_->Advance(9'000);
  task_manager_.reset();
  executor_->Advance(4'500);
  EXPECT_THAT(job_manager_->GetJob(id)->failures(), IsEmpty()) << "it may come back";
  executor_->Advance(500);
  EXPECT_THAT(job_manager_->GetJob(id)->failures(0).message(), HasSubstr("jobmanager.reconciliation.timeout"));
}

TEST_F(JobStoreTest, AWorkerThatEndsBeforeTheOthersAreThereEndsTheWait) {
  StartJobManager();
  proto::SubmitJobHeader header = SomeJob();
  header.mutable_graph()->mutable_vertices(0)->set_parallelism(2);
  FakeTaskManager other(*job_manager_, *executor_, "other", 1);
  other.Register();
  executor_->RunReady();
  const StatusOr<std::string> id = Submit(header);
  ASSERT_TRUE(id.ok()) << id.status();
  ASSERT_THAT(other.deploys(), SizeIs(1));
  const proto::DeployWorker deploy = task_manager_->deploys().back();
  proto::RunningWorker running = Running(deploy.attempt());
  running.set_worker_index(deploy.worker_index());
  running.set_job_slots(0, deploy.job_slots(0));
  StartJobManager({running});
  EXPECT_EQ(StateOf(*id), "CREATED");
  EXPECT_THAT(task_manager_->cancels(), IsEmpty());
  task_manager_->SendExited(deploy.attempt());
  executor_->RunReady();
  EXPECT_THAT(job_manager_->GetJob(*id)->waiting_for(), HasSubstr("2 slots"));
  EXPECT_EQ(job_manager_->GetCluster().slots_available(), 1);
}

TEST_F(JobStoreTest, AJobIsCancelledWhileItWaitsForItsWorkers) {
  StartJobManager();
  const std::string id = SubmitCheckpointed();
  StartWorker();
  comes_back_ = false;
  StartJobManager();
  ASSERT_TRUE(job_manager_->CancelJob(id).ok());
  EXPECT_EQ((executor_->RunReady(), StateOf(id)), "CANCELED");
}

TEST_F(JobStoreTest, WhoHasBeenTakenOverChangesNothingAnyMore) {
  StartJobManager();
  const StatusOr<std::string> id = Submit(SomeJob());
  ASSERT_TRUE(id.ok()) << id.status();
  JobStore successor(files_, scratch_.path(), "successor");
  ASSERT_TRUE(successor.Load().ok());

  EXPECT_TRUE(absl::IsAborted(store_->SaveAttempt(*id, {})));
  proto::JobDetails result;
  result.mutable_summary()->set_job_id(*id);
  EXPECT_TRUE(absl::IsAborted(store_->SaveResult(result)));
  store_->Forget(*id);
  JobStore third(files_, scratch_.path(), "third");
  const auto contents = third.Load();
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_THAT(contents->jobs, SizeIs(1));
  EXPECT_THAT(contents->results, IsEmpty());
}

// It stood still between finding that it leads and writing, and another took over meanwhile.
TEST_F(JobStoreTest, WhatWasWrittenByOneThatWasReplacedRightBeforeCountsForNothing) {
  for (const bool ends : {false, true}) {
    SCOPED_TRACE(ends);
    StartJobManager();
    const StatusOr<std::string> id = Submit(SomeJob());
    ASSERT_TRUE(id.ok()) << id.status();
    proto::StoredAttempt attempt;
    attempt.set_attempt(3);
    ASSERT_TRUE(store_->SaveAttempt(*id, attempt).ok());
    // In another process, so to speak: with files of its own.
    JobStore successor(PosixFileSystem(), scratch_.path(), "successor");
    std::optional<Status> taken_over;
    files_.SetFault([&](FaultyFileSystem::Operation operation, const std::string& path) {
      const bool writes = BaseName(path).starts_with(ends ? "result-" : "attempt-");
      if (operation == FaultyFileSystem::Operation::kOpen && writes && !taken_over) {
        taken_over = successor.Load().status();
      }
      return OkStatus();
    });
    proto::JobDetails result;
    result.mutable_summary()->set_job_id(*id);
    attempt.set_attempt(4);
    const Status saved = ends ? store_->SaveResult(result) : store_->SaveAttempt(*id, attempt);
    files_.SetFault({});
    ASSERT_TRUE(taken_over.has_value() && taken_over->ok());
    EXPECT_TRUE(absl::IsAborted(saved)) << saved;
    JobStore third(PosixFileSystem(), scratch_.path(), "third");
    const auto contents = third.Load();
    ASSERT_TRUE(contents.ok()) << contents.status();
    EXPECT_THAT(contents->results, IsEmpty());
    const auto job = std::find_if(contents->jobs.begin(), contents->jobs.end(),
                                  [&](const JobStore::Job& one) { return one.job.job_id() == *id; });
    ASSERT_TRUE(job != contents->jobs.end() && job->attempt.has_value());
    EXPECT_EQ(job->attempt->attempt(), 3);
  }
}

TEST_F(JobStoreTest, WhoWasReplacedSaysNothingOfItsJobsAndIsToEnd) {
  StartJobManager();
  const StatusOr<std::string> id = Submit(SomeJob());
  ASSERT_TRUE(id.ok()) << id.status();
  const proto::AttemptId attempt = StartWorker();
  std::vector<std::string> told;
  ASSERT_TRUE(job_manager_
                  ->WatchJob(*id, 100,
                             [&](const proto::JobDetails& details, bool) { told.push_back(details.summary().state()); })
                  .ok());
  executor_->RunReady();
  JobStore successor(PosixFileSystem(), scratch_.path(), "successor");
  ASSERT_TRUE(successor.Load().ok());
  const size_t before = told.size();
  task_manager_->SendFinished(attempt);
  task_manager_->SendExited(attempt);
  executor_->RunReady();
  EXPECT_TRUE(absl::IsAborted(replaced_)) << replaced_;
  EXPECT_EQ(told.size(), before) << told.back();
  EXPECT_TRUE(absl::IsUnavailable(job_manager_->GetJob(*id).status())) << "a client is to ask again";
  EXPECT_TRUE(absl::IsUnavailable(Submit(SomeJob()).status()));
}

TEST_F(JobStoreTest, WhoHasNothingToStoreFindsThatItWasReplacedToo) {
  StartJobManager();
  JobStore successor(PosixFileSystem(), scratch_.path(), "successor");
  ASSERT_TRUE(successor.Load().ok());
  executor_->Advance(5'000);
  EXPECT_TRUE(absl::IsAborted(replaced_)) << replaced_;
}

TEST_F(JobStoreTest, NobodyHearsOfAnEndThatIsNotStoredYet) {
  StartJobManager();
  const StatusOr<std::string> id = Submit(SomeJob());
  ASSERT_TRUE(id.ok()) << id.status();
  const proto::AttemptId attempt = StartWorker();
  files_.SetFault([](FaultyFileSystem::Operation operation, const std::string& path) {
    const bool hit = operation == FaultyFileSystem::Operation::kAppend && path.find("/result-") != std::string::npos;
    return hit ? ResourceExhausted("cannot write to {}: No space left on device", path) : OkStatus();
  });
  task_manager_->SendFinished(attempt);
  task_manager_->SendExited(attempt);
  executor_->Advance(10'000);
  const StatusOr<proto::JobDetails> waiting = job_manager_->GetJob(*id);
  ASSERT_TRUE(waiting.ok());
  EXPECT_EQ(waiting->summary().end_time_ms(), 0);
  EXPECT_THAT(waiting->waiting_for(), testing::AllOf(HasSubstr("FINISHED"), HasSubstr("No space left")));
  EXPECT_THAT(std::string(StatusMessage(job_manager_->CancelJob(*id))), HasSubstr("has already ended: FINISHED"));
  files_.SetFault({});
  executor_->Advance(2'000);
  EXPECT_EQ(StateOf(*id), "FINISHED");
  StartJobManager();
  EXPECT_EQ(StateOf(*id), "FINISHED");
}

TEST_F(JobStoreTest, AJobThatCannotBeReadNowIsNotForgotten) {
  StartJobManager();
  const StatusOr<std::string> id = Submit(SomeJob());
  ASSERT_TRUE(id.ok()) << id.status();
  files_.SetFault([](FaultyFileSystem::Operation operation, const std::string& path) {
    const bool hit = operation == FaultyFileSystem::Operation::kRead && BaseName(path) == "job";
    return hit ? Unavailable("cannot read {}: Input/output error", path) : OkStatus();
  });
  JobStore store(files_, scratch_.path(), "unlucky");
  EXPECT_THAT(std::string(StatusMessage(store.Load().status())), HasSubstr("Input/output error"));
  files_.SetFault({});
  EXPECT_THAT(Load().jobs, SizeIs(1));
}

TEST_F(JobStoreTest, AJobThatIsTakenUpWaitsForItsCheckpointsWhileTheyCannotBeRead) {
  StartJobManager();
  const std::string id = SubmitCheckpointed();
  StartWorker();
  CompleteCheckpoint();
  files_.SetFault([](FaultyFileSystem::Operation operation, const std::string& path) {
    const bool hit = operation == FaultyFileSystem::Operation::kRead && path.find("/log/") != std::string::npos;
    return hit ? Unavailable("cannot read {}: Input/output error", path) : OkStatus();
  });
  StartJobManager();
  executor_->Advance(5'000);
  EXPECT_THAT(task_manager_->deploys(), IsEmpty());
  EXPECT_THAT(job_manager_->GetJob(id)->waiting_for(), HasSubstr("Input/output error"));
  files_.SetFault({});
  executor_->Advance(2'000);
  ASSERT_THAT(task_manager_->deploys(), SizeIs(1));
  EXPECT_THAT(task_manager_->deploys()[0].checkpoints().restore_from(), HasSubstr("chk-1"));
}

TEST_F(JobStoreTest, WhatHasEndedIsKnownAndDoesNotRunAgain) {
  StartJobManager();
  const StatusOr<std::string> id = Submit(SomeJob());
  ASSERT_TRUE(id.ok()) << id.status();
  const proto::AttemptId attempt = StartWorker();
  task_manager_->SendFinished(attempt);
  task_manager_->SendExited(attempt);
  executor_->RunReady();
  StartJobManager();
  EXPECT_THAT(task_manager_->deploys(), IsEmpty());
  EXPECT_EQ(job_manager_->GetJob(*id)->summary().state(), "FINISHED");
  EXPECT_FALSE(files_.Exists(JoinPath(scratch_.path(), "jobs/" + *id + "/library"))) << "only the result is kept";
}

TEST_F(JobStoreTest, TheEndIsStoredBeforeTheCheckpointsAreDeleted) {
  StartJobManager();
  proto::SubmitJobHeader header = SomeJob();
  (*header.mutable_config())["execution.checkpointing.interval"] = "1 s";
  const StatusOr<std::string> id = Submit(header);
  ASSERT_TRUE(id.ok()) << id.status();
  const proto::AttemptId attempt = StartWorker();
  std::vector<std::string> order;
  files_.SetFault([&](FaultyFileSystem::Operation operation, const std::string& path) {
    if (operation == FaultyFileSystem::Operation::kSync && BaseName(path) == "result-1.tmp") order.push_back("result");
    if (operation == FaultyFileSystem::Operation::kRemove && BaseName(path) == *id) order.push_back("checkpoints");
    return OkStatus();
  });
  task_manager_->SendFinished(attempt);
  task_manager_->SendExited(attempt);
  executor_->RunReady();
  EXPECT_THAT(order, testing::ElementsAre("result", "checkpoints"));
}

TEST_F(JobStoreTest, AJobThatCannotBeStoredIsRefusedAndDoesNotStay) {
  StartJobManager();
  files_.SetFault([](FaultyFileSystem::Operation operation, const std::string& path) {
    const bool hit = operation == FaultyFileSystem::Operation::kAppend && path.find("/jobs/") != std::string::npos;
    return hit ? ResourceExhausted("cannot write to {}: No space left on device", path) : OkStatus();
  });
  const StatusOr<std::string> id = Submit(SomeJob());
  EXPECT_THAT(std::string(StatusMessage(id.status())),
              testing::AllOf(HasSubstr("high-availability.storageDir"), HasSubstr("No space left")));
  files_.SetFault({});
  EXPECT_EQ(job_manager_->ListJobs().jobs(0).state(), "CANCELED");
  EXPECT_THAT(*files_.List(JoinPath(scratch_.path(), "jobs")), IsEmpty());
}

TEST_F(JobStoreTest, ADamagedJobIsNamedAndHarmsNoOther) {
  StartJobManager();
  const StatusOr<std::string> damaged = Submit(SomeJob());
  const StatusOr<std::string> good = Submit(SomeJob());
  ASSERT_TRUE(damaged.ok() && good.ok());
  const std::string file = "jobs/" + *damaged + "/job";
  std::string bytes = scratch_.Read(file);
  bytes.back() ^= 1;
  scratch_.Write(file, bytes);
  const JobStore::Contents contents = Load();
  ASSERT_THAT(contents.jobs, SizeIs(1));
  EXPECT_EQ(contents.jobs[0].job.job_id(), *good);
  ASSERT_THAT(contents.damaged, SizeIs(1));
  EXPECT_THAT(std::string(StatusMessage(contents.damaged[0])), HasSubstr(file));
}

}  // namespace
}  // namespace eagre
