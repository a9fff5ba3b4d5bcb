// Jobs that take checkpoints, as users and TaskManagers see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "jobmanager/job_manager.h"
#include "state/checkpoint_metadata.h"
#include "tests/testing/manual_executor.h"
#include "tests/unit/connectors/scratch_directory.h"
#include "tests/unit/jobmanager/fake_task_manager.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Command = proto::CheckpointCommand;

// The vertices: (0) of parallelism 1 and (1) of parallelism 2, without sources.
proto::SubmitJobHeader TwoVertices() {
  proto::SubmitJobHeader header;
  header.mutable_graph()->set_name("job");
  for (int v = 0; v < 2; ++v) {
    proto::Vertex& vertex = *header.mutable_graph()->add_vertices();
    vertex.set_name(v == 0 ? "first" : "second");
    vertex.set_parallelism(v + 1);
    vertex.add_operators()->set_id(vertex.name());
  }
  return header;
}

class CheckpointedJobTest : public ::testing::Test {
 protected:
  CheckpointedJobTest() { StartJobManager(); }

  void StartJobManager(Executor* io = nullptr) {
    task_manager_.reset();
    job_manager_.reset();
    JobManagerOptions options;
    options.version = "test";
    options.io = io;
    EXPECT_TRUE(options.config.SetProperty("execution.checkpointing.dir=" + scratch_.path()).ok());
    EXPECT_TRUE(options.config.SetProperty("execution.checkpointing.savepoint-dir=" + SavepointFolder()).ok());
    job_manager_ = std::make_unique<JobManager>(executor_, random_, options);
    task_manager_ = std::make_unique<FakeTaskManager>(*job_manager_, executor_, "tm", 2);
    task_manager_->Register();
    executor_.RunReady();
  }

  std::string SavepointFolder() const { return JoinPath(scratch_.path(), "savepoints"); }
  StatusOr<std::string> TrySubmit(std::map<std::string, std::string> config, const std::string& restore_from = "") {
    proto::SubmitJobHeader header = TwoVertices();
    header.mutable_config()->insert(config.begin(), config.end());
    std::optional<proto::CheckpointMetadata> restored;
    if (!restore_from.empty()) {
      header.set_restore_from(restore_from);
      restored.emplace();
    }
    auto artifact = std::make_shared<StoredArtifact>();
    artifact->info.set_digest("d");
    auto id = job_manager_->SubmitJob(header, artifact, restored);
    executor_.RunReady();
    return id;
  }
  // A job whose only worker runs.
  std::string Run(std::map<std::string, std::string> config, const std::string& restore_from = "") {
    const auto id = TrySubmit(std::move(config), restore_from);
    EXPECT_TRUE(id.ok()) << id.status();
    StartWorker();
    return id.value_or("");
  }
  void StartWorker() {
    ASSERT_FALSE(task_manager_->deploys().empty());
    attempt_ = task_manager_->deploys().back().attempt();
    task_manager_->SendReady(attempt_, 0);
    executor_.RunReady();
  }
  void AcknowledgeNewest() {
    ASSERT_FALSE(task_manager_->checkpoints().empty());
    task_manager_->SendAcknowledgements(task_manager_->checkpoints().back(), {{0, 0}, {1, 0}, {1, 1}});
    executor_.RunReady();
  }
  // Of the newest command: "TRIGGER 1", "COMPLETE 1 SUSPEND".
  std::string LastCommand() const {
    const std::vector<Command> commands = task_manager_->checkpoints();
    if (commands.empty()) return "";
    const Command& last = commands.back();
    return fmt::format("{} {}{}", Command::Kind_Name(last.kind()), last.checkpoint_id(),
                       last.after() == Command::CONTINUE ? "" : " " + Command::After_Name(last.after()));
  }
  void WorkerCrashes() {
    task_manager_->SendCrashed(attempt_, 9, "killed");
    executor_.RunReady();
  }
  void WorkerFinishes() {
    task_manager_->SendFinished(attempt_);
    executor_.RunReady();
    task_manager_->SendExited(attempt_);
    executor_.RunReady();
  }
  proto::JobDetails Details(const std::string& id) {
    executor_.RunReady();
    return job_manager_->GetJob(id).value_or(proto::JobDetails());
  }
  std::string StateOf(const std::string& id) { return Details(id).summary().state(); }
  CheckpointCoordinator::Done KeepAnswer() {
    return [this](const StatusOr<CheckpointCoordinator::Completed>& completed) {
      answers_.push_back(completed.ok() ? completed->path : std::string(StatusMessage(completed.status())));
    };
  }
  static std::map<std::string, std::string> EverySecond() { return {{"execution.checkpointing.interval", "1 s"}}; }

  ScratchDirectory scratch_;
  ManualExecutor executor_;
  SeededRandom random_{7};
  std::unique_ptr<JobManager> job_manager_;
  std::unique_ptr<FakeTaskManager> task_manager_;
  proto::AttemptId attempt_;
  std::vector<std::string> answers_;
};

TEST_F(CheckpointedJobTest, ARestartBeginsWithTheNewestCompleteCheckpoint) {
  const std::string id = Run(EverySecond());
  const std::string folder = JoinPath(scratch_.path(), id);
  const proto::CheckpointPlan first = task_manager_->deploys().back().checkpoints();
  EXPECT_EQ(first.directory(), folder);
  EXPECT_EQ(first.restore_from(), "");
  EXPECT_TRUE(first.commits_on_checkpoint());
  executor_.Advance(1000);
  AcknowledgeNewest();
  EXPECT_EQ(LastCommand(), "COMPLETE 1");
  executor_.Advance(1000);
  EXPECT_EQ(LastCommand(), "TRIGGER 2");
  const Command second = task_manager_->checkpoints().back();
  WorkerCrashes();
  EXPECT_EQ(StateOf(id), "RESTARTING") << "a job with checkpoints is restarted by default";
  executor_.Advance(2000);
  StartWorker();
  EXPECT_EQ(task_manager_->deploys().back().attempt().attempt(), 1);
  EXPECT_EQ(task_manager_->deploys().back().checkpoints().restore_from(), JoinPath(folder, "chk-1"));

  task_manager_->SendAcknowledgements(second, {{0, 0}, {1, 0}, {1, 1}});
  executor_.RunReady();
  EXPECT_EQ(Details(id).checkpoints().latest().checkpoint_id(), 1) << "the first attempt has nothing to say any more";
  executor_.Advance(1000);
  EXPECT_EQ(LastCommand(), "TRIGGER 3");
  AcknowledgeNewest();
  EXPECT_EQ(Details(id).checkpoints().latest().checkpoint_id(), 3);
  EXPECT_EQ(Details(id).checkpoints().restored_from(), JoinPath(folder, "chk-1"));
}

TEST_F(CheckpointedJobTest, AJobBeginsWithItsSavepointUntilItHasACheckpointOfItsOwn) {
  std::map<std::string, std::string> config = EverySecond();
  config["restart-strategy.exponential-delay.initial-backoff"] = "10 ms";
  Run(config, "/somewhere/savepoint-1");
  EXPECT_EQ(task_manager_->deploys().back().checkpoints().restore_from(), "/somewhere/savepoint-1");
  WorkerCrashes();
  executor_.Advance(100);
  StartWorker();
  EXPECT_EQ(task_manager_->deploys().back().checkpoints().restore_from(), "/somewhere/savepoint-1");
  executor_.Advance(1000);
  AcknowledgeNewest();
  WorkerCrashes();
  executor_.Advance(100);
  EXPECT_THAT(task_manager_->deploys().back().checkpoints().restore_from(), HasSubstr("/chk-1"));
}

TEST_F(CheckpointedJobTest, ARestartThatFindsItsCheckpointDamagedGoesBackToAnOlderOne) {
  std::map<std::string, std::string> config = EverySecond();
  config["execution.checkpointing.num-retained"] = "2";
  config["restart-strategy.exponential-delay.initial-backoff"] = "10 ms";
  const std::string id = Run(config);
  for (int i = 0; i < 2; ++i) {
    executor_.Advance(1000);
    AcknowledgeNewest();
  }
  const auto restart_and_find_damage = [&] {
    WorkerCrashes();
    executor_.Advance(100);
    StartWorker();
    proto::FailureInfo failure;
    failure.set_message("shared/0-2 is damaged");
    failure.set_damaged_checkpoint(true);
    failure.set_retryable(true);
    task_manager_->SendFailed(attempt_, failure);
    task_manager_->SendFailed(attempt_, failure);  // another subtask of the same attempt
    task_manager_->SendExited(attempt_);
    executor_.Advance(200);
  };
  restart_and_find_damage();
  EXPECT_EQ(task_manager_->deploys().back().checkpoints().restore_from(), JoinPath(scratch_.path(), id + "/chk-1"));
  EXPECT_EQ(StateOf(id), "RUNNING");
  StartWorker();
  restart_and_find_damage();
  EXPECT_EQ(StateOf(id), "FAILED");
  EXPECT_THAT(Details(id).failures(0).message(),
              AllOf(HasSubstr("/chk-1 cannot be used: shared/0-2 is damaged"), HasSubstr("num-retained")));
}

TEST_F(CheckpointedJobTest, ACheckpointThatOneMachineDoesNotFindIsTakenAgainUnlessItIsGone) {
  std::map<std::string, std::string> config = EverySecond();
  config["restart-strategy.exponential-delay.initial-backoff"] = "10 ms";
  const std::string id = Run(config);
  executor_.Advance(1000);
  AcknowledgeNewest();
  const std::string newest = JoinPath(scratch_.path(), id + "/chk-1");
  WorkerCrashes();
  executor_.Advance(100);
  const auto not_found = [&] {
    StartWorker();
    proto::FailureInfo failure;
    failure.set_message("there is no checkpoint or savepoint at " + newest);
    failure.set_missing_checkpoint(true);
    failure.set_retryable(true);
    task_manager_->SendFailed(attempt_, failure);
    task_manager_->SendFailed(attempt_, failure);  // another subtask of the same attempt
    task_manager_->SendExited(attempt_);
    executor_.Advance(200);
  };
  not_found();
  EXPECT_EQ(StateOf(id), "RUNNING") << "the JobManager finds it whole";
  EXPECT_EQ(task_manager_->deploys().back().attempt().attempt(), 2);
  EXPECT_EQ(task_manager_->deploys().back().checkpoints().restore_from(), newest);

  ASSERT_TRUE(PosixFileSystem().RemoveTree(newest).ok());
  not_found();
  EXPECT_EQ(StateOf(id), "FAILED");
  EXPECT_THAT(Details(id).failures(2).message(),
              AllOf(HasSubstr("/chk-1 cannot be used: "), HasSubstr("num-retained")));
}

TEST_F(CheckpointedJobTest, SettingsThatCannotWorkAreRefusedByName) {
  const std::vector<std::pair<std::map<std::string, std::string>, std::string>> cases = {
      {{{"execution.checkpointing.interval", "1 s"}, {"execution.checkpointing.dir", ""}},
       "execution.checkpointing.dir is not set"},
      {{{"execution.checkpointing.dir", "relative/folder"}}, "execution.checkpointing.dir: 'relative/folder'"},
      {{{"execution.checkpointing.dir", "s3://bucket"}}, "execution.checkpointing.dir: 's3://bucket'"},
      {{{"execution.checkpointing.savepoint-dir", "x"}}, "execution.checkpointing.savepoint-dir: 'x'"},
      {{{"execution.checkpointing.timeout", "0 s"}}, "execution.checkpointing.timeout"},
  };
  for (const auto& [config, message] : cases) {
    SCOPED_TRACE(message);
    const auto id = TrySubmit(config);
    EXPECT_EQ(id.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(StatusMessage(id.status())), HasSubstr(message));
  }
}

TEST_F(CheckpointedJobTest, FoldersMayBeWrittenAsUris) {
  const std::string id = Run({{"execution.checkpointing.dir", "file://" + scratch_.path() + "/uri/"}});
  EXPECT_EQ(task_manager_->deploys().back().checkpoints().directory(), JoinPath(scratch_.path(), "uri/" + id));
}

TEST_F(CheckpointedJobTest, SinksCommitWithWhatIsAskedForWhereThereIsNoInterval) {
  Run({});
  EXPECT_TRUE(task_manager_->deploys().back().checkpoints().commits_on_checkpoint());
}

TEST_F(CheckpointedJobTest, AJobWithoutAFolderBeginsWithItsSavepointAndTakesNoCheckpoints) {
  const std::string id = Run({{"execution.checkpointing.dir", ""},
                              {"restart-strategy.type", "fixed-delay"},
                              {"restart-strategy.fixed-delay.delay", "10 ms"}},
                             "/somewhere/savepoint-1");
  for (const int attempt : {0, 1}) {
    SCOPED_TRACE(attempt);
    const proto::CheckpointPlan plan = task_manager_->deploys().back().checkpoints();
    EXPECT_EQ(plan.restore_from(), "/somewhere/savepoint-1");
    EXPECT_EQ(plan.directory(), "");
    EXPECT_FALSE(plan.commits_on_checkpoint());
    EXPECT_EQ(Details(id).checkpoints().restored_from(), "/somewhere/savepoint-1");
    if (attempt > 0) break;
    WorkerCrashes();
    executor_.Advance(100);
    StartWorker();
  }
}

TEST_F(CheckpointedJobTest, ADamagedSavepointFailsAJobWithoutAFolderAtOnce) {
  const std::string id =
      Run({{"execution.checkpointing.dir", ""}, {"restart-strategy.type", "fixed-delay"}}, "/somewhere/savepoint-1");
  proto::FailureInfo failure;
  failure.set_message("savepoint.state is damaged");
  failure.set_damaged_checkpoint(true);
  failure.set_retryable(true);
  task_manager_->SendFailed(attempt_, failure);
  task_manager_->SendExited(attempt_);
  executor_.RunReady();
  EXPECT_EQ(StateOf(id), "FAILED");
  EXPECT_THAT(Details(id).failures(0).message(),
              HasSubstr("/somewhere/savepoint-1, which the job was to begin with, cannot be used: savepoint.state"));
}

TEST_F(CheckpointedJobTest, AJobRunsWithTheMaximumParallelismOfItsState) {
  proto::SubmitJobHeader header = TwoVertices();
  header.set_restore_from("/somewhere/savepoint-1");
  proto::CheckpointMetadata restored;
  for (proto::Vertex& vertex : *header.mutable_graph()->mutable_vertices()) {
    vertex.set_id(vertex.name());
    vertex.set_max_parallelism(128);
    vertex.set_derived_max_parallelism(vertex.name() == "second");
    proto::OperatorSnapshot& op = *restored.add_operators();
    op.set_operator_id(vertex.name());
    op.set_max_parallelism(vertex.name() == "second" ? 6 : 128);
    op.add_subtasks()->add_states()->add_segments()->set_entries(1);
  }
  const auto submitted = job_manager_->SubmitJob(header, std::make_shared<StoredArtifact>(), restored);
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  executor_.RunReady();
  const proto::JobGraph deployed = task_manager_->deploys().back().graph();
  EXPECT_EQ(deployed.vertices(0).max_parallelism(), 128);
  EXPECT_EQ(deployed.vertices(1).max_parallelism(), 6);
}

TEST_F(CheckpointedJobTest, AFolderThatCannotBeMadeFailsTheJob) {
  scratch_.Write("file", "");
  const auto id = TrySubmit({{"execution.checkpointing.dir", JoinPath(scratch_.path(), "file/below")}});
  ASSERT_TRUE(id.ok()) << id.status();
  const proto::JobDetails details = Details(*id);
  EXPECT_EQ(details.summary().state(), "FAILED");
  EXPECT_THAT(details.failures(0).message(), AllOf(HasSubstr("execution.checkpointing.dir"), HasSubstr("file/below")));
  EXPECT_THAT(task_manager_->deploys(), IsEmpty());
}

TEST_F(CheckpointedJobTest, AJobWithCommitsIsFinishedOnlyBehindItsLastCheckpoint) {
  const std::string id = Run(EverySecond());
  for (const auto& [vertex, subtask] : {std::pair(0, 0), std::pair(1, 0), std::pair(1, 1)}) {
    proto::CheckpointReport ended;
    *ended.mutable_attempt() = attempt_;
    ended.set_kind(proto::CheckpointReport::ENDED);
    ended.set_vertex(vertex);
    ended.set_subtask(subtask);
    ended.set_awaits_commit(vertex == 1);
    task_manager_->SendCheckpointReport(ended);
  }
  executor_.RunReady();
  EXPECT_EQ(LastCommand(), "TRIGGER 1");
  AcknowledgeNewest();
  EXPECT_EQ(LastCommand(), "COMPLETE 1");
  EXPECT_EQ(StateOf(id), "RUNNING");
  WorkerFinishes();
  EXPECT_EQ(StateOf(id), "FINISHED");
  EXPECT_FALSE(PosixFileSystem().Exists(JoinPath(scratch_.path(), id))) << "nothing is left of its checkpoints";
}

TEST_F(CheckpointedJobTest, StoppingWithASavepointFinishesTheJob) {
  const std::string id = Run(EverySecond());
  job_manager_->StopJob(id, {}, /*drain=*/true, KeepAnswer());
  EXPECT_EQ((executor_.RunReady(), LastCommand()), "TRIGGER 1 DRAIN");
  AcknowledgeNewest();
  EXPECT_EQ(LastCommand(), "COMPLETE 1 DRAIN");
  EXPECT_THAT(answers_, IsEmpty()) << "its sinks are still committing";
  WorkerFinishes();
  EXPECT_EQ(StateOf(id), "FINISHED");
  ASSERT_THAT(answers_, ElementsAre(StartsWith(SavepointFolder() + "/savepoint-" + id.substr(0, 6) + "-")));
  const auto metadata = ReadCheckpointMetadata(PosixFileSystem(), answers_[0]);
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  EXPECT_EQ(metadata->job_id(), id);
}

TEST_F(CheckpointedJobTest, WorkersThatDoNotEndBehindTheirSavepointAreStopped) {
  const std::string id = Run({});
  job_manager_->StopJob(id, {}, /*drain=*/false, KeepAnswer());
  executor_.RunReady();
  AcknowledgeNewest();
  for (int seconds = 0; seconds < 15; ++seconds) {
    executor_.Advance(1000);
    task_manager_->Heartbeat();
  }
  EXPECT_THAT(task_manager_->cancels(), SizeIs(1));
  task_manager_->SendExited(attempt_);
  EXPECT_EQ(StateOf(id), "FINISHED");
  EXPECT_THAT(answers_, ElementsAre(StartsWith(SavepointFolder())));
}

TEST_F(CheckpointedJobTest, WhatIsCommittedBehindTheSavepointIsNotCutOff) {
  const std::string id = Run({});
  job_manager_->StopJob(id, {}, /*drain=*/true, KeepAnswer());
  executor_.RunReady();
  AcknowledgeNewest();
  proto::SubtaskReport committing;
  committing.set_committing(true);
  task_manager_->SendReport(attempt_, {committing});
  for (int seconds = 0; seconds < 60; ++seconds) {
    executor_.Advance(1000);
    task_manager_->Heartbeat();
  }
  EXPECT_THAT(task_manager_->cancels(), IsEmpty());
  EXPECT_THAT(answers_, IsEmpty());
  WorkerFinishes();
  EXPECT_EQ(StateOf(id), "FINISHED");
  EXPECT_THAT(answers_, ElementsAre(StartsWith(SavepointFolder())));
}

TEST_F(CheckpointedJobTest, AStopWhoseSavepointFailsLeavesTheJobRunning) {
  const std::string id = Run({});
  scratch_.Write("savepoints", "a file where a folder should be");
  job_manager_->StopJob(id, {}, /*drain=*/false, KeepAnswer());
  executor_.RunReady();
  AcknowledgeNewest();
  EXPECT_EQ(LastCommand(), "ABORT 1 SUSPEND");
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("cannot write the savepoint")));
  EXPECT_EQ(StateOf(id), "RUNNING");
}

TEST_F(CheckpointedJobTest, AWorkerThatDiesBehindTheSavepointIsToldWithItsPath) {
  const std::string id = Run(EverySecond());
  job_manager_->StopJob(id, {}, /*drain=*/false, KeepAnswer());
  executor_.RunReady();
  AcknowledgeNewest();
  WorkerCrashes();
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_THAT(answers_[0], AllOf(HasSubstr("the savepoint was made at " + SavepointFolder()), HasSubstr("RESTARTING")));
}

TEST_F(CheckpointedJobTest, ADetachedOrderIsAnsweredWhenItIsTaken) {
  const std::string id = Run(EverySecond());
  job_manager_->TriggerSavepoint(id, {.detached = true}, KeepAnswer());
  ASSERT_THAT(answers_, ElementsAre(StartsWith(SavepointFolder() + "/savepoint-")));
  executor_.RunReady();
  AcknowledgeNewest();
  EXPECT_EQ(Details(id).checkpoints().latest_savepoint(), answers_[0]);
  // One that fails later is told of in the job's details.
  EXPECT_TRUE(PosixFileSystem().RemoveTree(SavepointFolder()).ok());
  scratch_.Write("savepoints", "a file where a folder should be");
  job_manager_->StopJob(id, {.detached = true}, /*drain=*/false, KeepAnswer());
  executor_.RunReady();
  AcknowledgeNewest();
  EXPECT_THAT(answers_, ElementsAre(StartsWith(SavepointFolder()), StartsWith(SavepointFolder())));
  EXPECT_THAT(Details(id).checkpoints().latest_failure(), HasSubstr("cannot write the savepoint"));
  // One that cannot be begun is refused.
  WorkerCrashes();
  job_manager_->TriggerSavepoint(id, {.detached = true}, KeepAnswer());
  ASSERT_THAT(answers_, SizeIs(3));
  EXPECT_THAT(answers_[2], HasSubstr("it must be RUNNING"));
}

TEST_F(CheckpointedJobTest, ASavepointNeedsARunningJobThatTakesThem) {
  const std::string plain = Run({{"execution.checkpointing.dir", ""}});
  EXPECT_FALSE(Details(plain).has_checkpoints());
  job_manager_->TriggerSavepoint(plain, {}, KeepAnswer());
  job_manager_->TriggerCheckpoint("0123456789abcdef0123456789abcdef", KeepAnswer());
  job_manager_->TriggerCheckpoint("x", KeepAnswer());
  job_manager_->TriggerSavepoint(plain, {.directory = "relative"}, KeepAnswer());
  EXPECT_THAT(answers_,
              ElementsAre(HasSubstr("execution.checkpointing.dir was not set"), HasSubstr("no job has the id"),
                          HasSubstr("is not a job id"), HasSubstr("'relative'")));
}

TEST_F(CheckpointedJobTest, CancellingDeletesCheckpointsUnlessTheyAreToBeRetained) {
  for (const bool retained : {false, true}) {
    SCOPED_TRACE(retained);
    std::map<std::string, std::string> config = EverySecond();
    if (retained) config["execution.checkpointing.externalized-checkpoint-retention"] = "RETAIN_ON_CANCELLATION";
    const std::string id = Run(config);
    executor_.Advance(1000);
    AcknowledgeNewest();
    ASSERT_TRUE(job_manager_->CancelJob(id).ok());
    executor_.RunReady();
    task_manager_->SendExited(attempt_);
    EXPECT_EQ(StateOf(id), "CANCELED");
    EXPECT_EQ(PosixFileSystem().Exists(JoinPath(scratch_.path(), id + "/chk-1/_metadata")), retained);
  }
}

TEST_F(CheckpointedJobTest, ASavepointOnItsWayToTheDiskIsAnsweredBeforeTheJobIsGone) {
  ManualExecutor io;
  StartJobManager(&io);
  const auto id = TrySubmit(EverySecond());
  ASSERT_TRUE(id.ok()) << id.status();
  io.RunReady();
  executor_.RunReady();
  StartWorker();
  job_manager_->TriggerSavepoint(*id, {}, KeepAnswer());
  executor_.RunReady();
  AcknowledgeNewest();
  ASSERT_TRUE(job_manager_->CancelJob(*id).ok());
  executor_.RunReady();
  task_manager_->SendExited(attempt_);
  EXPECT_EQ(StateOf(*id), "CANCELLING");
  EXPECT_THAT(answers_, IsEmpty());
  while (io.RunReady() + executor_.RunReady() > 0) {
  }
  EXPECT_EQ(StateOf(*id), "CANCELED");
  EXPECT_THAT(answers_, ElementsAre(StartsWith(SavepointFolder())));
}

TEST_F(CheckpointedJobTest, MetricsHaveFlinksNames) {
  Run(EverySecond());
  executor_.Advance(1000);
  AcknowledgeNewest();
  std::map<std::string, double> values;
  for (const MetricSample& sample : job_manager_->CollectMetrics()) values[sample.name] = sample.value;
  EXPECT_EQ(values["flink_jobmanager_job_numberOfCompletedCheckpoints"], 1);
  EXPECT_EQ(values["flink_jobmanager_job_numberOfFailedCheckpoints"], 0);
  EXPECT_EQ(values["flink_jobmanager_job_lastCompletedCheckpointId"], 1);
  EXPECT_EQ(values["flink_jobmanager_job_lastCheckpointRestoreTimestamp"], -1);
  EXPECT_GE(values["flink_jobmanager_job_lastCheckpointDuration"], 0);
  EXPECT_GT(values["flink_jobmanager_job_lastCheckpointMetadataSize"], 0);
}

}  // namespace
}  // namespace eagre
