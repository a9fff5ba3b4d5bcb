// When checkpoints are triggered and what becomes of them, in virtual time, with workers played by the test.
#include "jobmanager/checkpoint_coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "state/checkpoint_metadata.h"
#include "tests/testing/faulty_file_system.h"
#include "tests/testing/manual_executor.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Command = proto::CheckpointCommand;
using Report = proto::CheckpointReport;

// A source (1) that feeds a sink (2).
proto::JobGraph TwoVertices() {
  proto::JobGraph graph;
  graph.set_name("job");
  for (const char* name : {"source", "sink"}) {
    proto::Vertex& vertex = *graph.add_vertices();
    vertex.set_name(name);
    vertex.set_parallelism(vertex.name() == "source" ? 1 : 2);
    vertex.set_max_parallelism(128);
    proto::OperatorNode& node = *vertex.add_operators();
    node.set_id(std::string("id-of-") + name);
    node.set_name(name);
    node.set_kind(name);
  }
  return graph;
}

class CheckpointCoordinatorTest : public ::testing::Test {
 protected:
  CheckpointCoordinatorTest() {
    options_.directory = scratch_.path();
    options_.mode = "EXACTLY_ONCE";
    options_.interval_ms = 1000;
    options_.timeout_ms = 10'000;
  }

  void Open(const std::string& restore_from = "") {
    CheckpointCoordinator::Handlers handlers;
    handlers.send_to_workers = [this](const proto::JobManagerToTaskManager& message) {
      commands_.push_back(message.checkpoint());
    };
    handlers.fail_job = [this](const std::string& reason, bool retryable) {
      failures_.push_back((retryable ? "retryable: " : "final: ") + reason);
      coordinator_->OnStopping("it failed");
    };
    handlers.on_idle = [this] { ++idle_; };
    handlers.on_change = [] {};
    coordinator_ = std::make_unique<CheckpointCoordinator>(
        executor_, io_,
        std::make_shared<CheckpointStorage>(files_, JoinPath(scratch_.path(), "job"), "writer",
                                            static_cast<size_t>(options_.retained)),
        CheckpointedJob{"job", &graph_, "test", restore_from}, options_, std::move(handlers));
    RunDisk();
  }
  void Start(int attempt = 0) {
    coordinator_->OnDeployed(attempt);
    coordinator_->OnRunning();
  }
  void OpenAndStart() {
    Open();
    Start();
  }
  // What waits for the disk is done.
  void RunDisk() {
    while (executor_.RunReady() + io_.RunReady() > 0) {
    }
  }

  Report ReportOf(int64_t id, Report::Kind kind, int vertex, int subtask) {
    Report report;
    report.set_checkpoint_id(id);
    report.set_kind(kind);
    report.set_vertex(vertex);
    report.set_subtask(subtask);
    return report;
  }
  Report AckOf(int64_t id, int vertex, int subtask) {
    Report report = ReportOf(id, Report::ACKNOWLEDGE, vertex, subtask);
    proto::SubtaskOperatorSnapshot& op = *report.add_operators();
    op.set_operator_id(graph_.vertices(vertex).operators(0).id());
    proto::StateSnapshot& state = *op.mutable_snapshot()->add_states();
    state.set_name("state");
    state.add_segments()->set_file(fmt::format("shared/0-{}-{}-{}", id, vertex, subtask));
    report.set_state_bytes(100);
    report.set_written_bytes(10);
    return report;
  }
  Report CoordinatorOf(int64_t id) {
    Report report = ReportOf(id, Report::COORDINATOR, 0, 0);
    report.add_operators()->set_operator_id("id-of-source");
    report.mutable_operators(0)->set_coordinator("enumerator");
    return report;
  }
  void AcknowledgeAll(int64_t id) {
    for (const Report& report : {CoordinatorOf(id), AckOf(id, 0, 0), AckOf(id, 1, 0), AckOf(id, 1, 1)}) {
      coordinator_->OnReport(report);
    }
  }
  void EndAll(bool awaits_commit) {
    for (const auto& [vertex, subtask] : {std::pair(0, 0), std::pair(1, 0), std::pair(1, 1)}) {
      Report report = ReportOf(0, Report::ENDED, vertex, subtask);
      report.set_awaits_commit(awaits_commit && vertex == 1);
      coordinator_->OnReport(report);
    }
  }

  // "trigger 1", "complete 1", ... since the last call.
  std::vector<std::string> Commands() {
    std::vector<std::string> texts;
    for (const Command& command : commands_) {
      const char* kind = command.kind() == Command::TRIGGER    ? "trigger"
                         : command.kind() == Command::COMPLETE ? "complete"
                                                               : "abort";
      const char* after = command.after() == Command::SUSPEND ? " suspend"
                          : command.after() == Command::DRAIN ? " drain"
                                                              : "";
      texts.push_back(fmt::format("{} {}{}", kind, command.checkpoint_id(), after));
    }
    commands_.clear();
    return texts;
  }
  std::string PathOf(int64_t id) const { return JoinPath(scratch_.path(), fmt::format("job/chk-{}", id)); }

  CheckpointCoordinator::Done KeepAnswer() {
    return [this](StatusOr<CheckpointCoordinator::Completed> completed) {
      answers_.push_back(completed.ok() ? fmt::format("{} at {}", completed->checkpoint_id, completed->path)
                                        : std::string(StatusMessage(completed.status())));
    };
  }

  const proto::JobGraph graph_ = TwoVertices();
  ScratchDirectory scratch_;
  FaultyFileSystem files_;
  ManualExecutor executor_;
  ManualExecutor io_;
  CheckpointOptions options_;
  std::vector<Command> commands_;
  std::vector<std::string> failures_;
  std::vector<std::string> answers_;
  int idle_ = 0;
  std::unique_ptr<CheckpointCoordinator> coordinator_;  // after what its handlers use
};

TEST_F(CheckpointCoordinatorTest, ACheckpointIsCompleteWhenAllHaveAcknowledgedAndTheDiskHasIt) {
  Open();
  EXPECT_EQ(idle_, 1);
  EXPECT_TRUE(coordinator_->idle());
  EXPECT_EQ(coordinator_->restore_from(), "");
  Start();
  executor_.Advance(999);
  EXPECT_THAT(Commands(), IsEmpty());
  executor_.Advance(1);
  EXPECT_THAT(Commands(), ElementsAre("trigger 1"));
  executor_.Advance(5);
  AcknowledgeAll(1);
  executor_.RunReady();
  EXPECT_THAT(Commands(), IsEmpty()) << "nothing is on the disk";
  EXPECT_FALSE(coordinator_->idle());
  RunDisk();
  EXPECT_THAT(Commands(), ElementsAre("complete 1"));
  EXPECT_EQ(coordinator_->restore_from(), PathOf(1));

  const auto metadata = ReadCheckpointMetadata(files_, PathOf(1));
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  ASSERT_EQ(metadata->operators_size(), 2);
  EXPECT_EQ(metadata->operators(0).coordinator(), "enumerator");
  EXPECT_EQ(metadata->operators(1).max_parallelism(), 128);
  ASSERT_EQ(metadata->operators(1).subtasks_size(), 2);
  EXPECT_EQ(metadata->operators(1).subtasks(1).states(0).segments(0).file(), "shared/0-1-1-1");

  const proto::CheckpointDetails& details = coordinator_->details();
  EXPECT_EQ(details.completed_count(), 1);
  EXPECT_EQ(details.latest().state_bytes(), 300);
  EXPECT_EQ(details.latest().written_bytes(), 30);
  EXPECT_EQ(details.latest().duration_ms(), 5);
  EXPECT_GT(details.latest().metadata_bytes(), 0);
}

// Who goes on from a savepoint may be another version of the job, so nothing is in flight in it.
TEST_F(CheckpointCoordinatorTest, CheckpointsAreUnalignedWhereTheJobSaysSoAndSavepointsNever) {
  options_.unaligned = true;
  options_.aligned_timeout_ms = 70;
  OpenAndStart();
  coordinator_->TriggerCheckpoint(KeepAnswer());
  ASSERT_EQ(commands_.size(), 1u);
  EXPECT_TRUE(commands_[0].unaligned());
  EXPECT_EQ(commands_[0].aligned_timeout_ms(), 70);
  Report report = AckOf(1, 1, 0);
  report.set_in_flight_bytes(7);
  coordinator_->OnReport(report);
  AcknowledgeAll(1);
  RunDisk();
  EXPECT_EQ(coordinator_->details().latest().in_flight_bytes(), 7);
  commands_.clear();
  coordinator_->TriggerSavepoint(JoinPath(scratch_.path(), "savepoint"), Command::CONTINUE, KeepAnswer());
  ASSERT_EQ(commands_.size(), 1u);
  EXPECT_EQ(commands_[0].kind(), Command::TRIGGER);
  EXPECT_FALSE(commands_[0].unaligned());
}

// What may happen to acknowledgements on their way. Each case ends with checkpoint 1 complete or not.
TEST_F(CheckpointCoordinatorTest, AcknowledgementsMayBeLostDoubledLateOrWrong) {
  struct Case {
    const char* name;
    std::function<void()> deliver;
    bool complete;
    std::string failure;  // part of what is shown
  };
  const std::vector<Case> cases = {
      {"all of them", [&] { AcknowledgeAll(1); }, true, ""},
      {"in another order",
       [&] {
         for (const Report& report : {AckOf(1, 1, 1), AckOf(1, 0, 0), AckOf(1, 1, 0), CoordinatorOf(1)}) {
           coordinator_->OnReport(report);
         }
       },
       true, ""},
      {"each twice",
       [&] {
         for (const Report& report : {CoordinatorOf(1), AckOf(1, 0, 0), AckOf(1, 1, 0)}) {
           coordinator_->OnReport(report);
           coordinator_->OnReport(report);
         }
         coordinator_->OnReport(AckOf(1, 1, 1));
         coordinator_->OnReport(AckOf(1, 1, 1));
       },
       true, ""},
      {"one is lost",
       [&] {
         for (const Report& report : {CoordinatorOf(1), AckOf(1, 0, 0), AckOf(1, 1, 0)}) coordinator_->OnReport(report);
         executor_.Advance(10'000);
       },
       false, "1 of 3 subtasks have not acknowledged, the first is 'sink' (2/2)"},
      {"the coordinator's is lost",
       [&] {
         for (const Report& report : {AckOf(1, 0, 0), AckOf(1, 1, 0), AckOf(1, 1, 1)}) coordinator_->OnReport(report);
         executor_.Advance(10'000);
       },
       false, "1 coordinators of sources have not acknowledged"},
      {"one is late",
       [&] {
         for (const Report& report : {CoordinatorOf(1), AckOf(1, 0, 0), AckOf(1, 1, 0)}) coordinator_->OnReport(report);
         executor_.Advance(10'000);
         coordinator_->OnReport(AckOf(1, 1, 1));
       },
       false, "execution.checkpointing.timeout"},
      {"of another checkpoint",
       [&] {
         AcknowledgeAll(2);
         executor_.Advance(10'000);
       },
       false, "3 of 3 subtasks"},
      {"declined",
       [&] {
         Report report = ReportOf(1, Report::DECLINE, 1, 0);
         report.set_reason("the disk is full");
         coordinator_->OnReport(report);
         AcknowledgeAll(1);
       },
       false, "'sink' (1) declined it: the disk is full"},
      {"of a subtask that the job does not have", [&] { coordinator_->OnReport(AckOf(1, 1, 2)); }, false,
       "'sink' has no subtask 2"},
      {"of a vertex that the job does not have",
       [&] { coordinator_->OnReport(ReportOf(1, Report::ACKNOWLEDGE, 7, 0)); }, false, "no vertex 7"},
      {"with a file of somebody else",
       [&] {
         Report report = AckOf(1, 1, 0);
         report.mutable_operators(0)->mutable_snapshot()->mutable_states(0)->mutable_segments(0)->set_file(
             "shared/../../other/file");
         coordinator_->OnReport(report);
       },
       false, "not in the job's folder shared/"},
  };
  options_.tolerable_failures = 1;
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    coordinator_.reset();
    ASSERT_TRUE(files_.RemoveTree(JoinPath(scratch_.path(), "job")).ok());
    commands_.clear();
    OpenAndStart();
    executor_.Advance(1000);
    test.deliver();
    RunDisk();
    const std::vector<std::string> commands = Commands();
    ASSERT_GE(commands.size(), 2u);
    EXPECT_EQ(commands[0], "trigger 1");
    EXPECT_EQ(commands[1], test.complete ? "complete 1" : "abort 1");
    EXPECT_EQ(coordinator_->details().completed_count(), test.complete ? 1 : 0);
    EXPECT_EQ(coordinator_->restore_from(), test.complete ? PathOf(1) : "");
    EXPECT_THAT(coordinator_->details().latest_failure(), HasSubstr(test.failure));
    EXPECT_THAT(failures_, IsEmpty());
    // The next one is not disturbed by what came late.
    executor_.Advance(1000);
    AcknowledgeAll(2);
    RunDisk();
    EXPECT_EQ(coordinator_->restore_from(), PathOf(2));
  }
}

TEST_F(CheckpointCoordinatorTest, TheNextTriggerKeepsTheIntervalAndThePause) {
  options_.min_pause_ms = 400;
  OpenAndStart();
  executor_.Advance(1000);
  EXPECT_THAT(Commands(), ElementsAre("trigger 1"));
  executor_.Advance(100);
  AcknowledgeAll(1);
  RunDisk();
  executor_.Advance(899);
  EXPECT_THAT(Commands(), ElementsAre("complete 1"));
  executor_.Advance(1);
  EXPECT_THAT(Commands(), ElementsAre("trigger 2")) << "1000 ms after the trigger before";
  executor_.Advance(3000);
  EXPECT_THAT(Commands(), IsEmpty()) << "one at a time";
  AcknowledgeAll(2);
  RunDisk();
  executor_.Advance(399);
  EXPECT_THAT(Commands(), ElementsAre("complete 2"));
  executor_.Advance(1);
  EXPECT_THAT(Commands(), ElementsAre("trigger 3")) << "400 ms after the end of the one before";
}

TEST_F(CheckpointCoordinatorTest, FailuresInARowFailTheJobAndASuccessForgivesThem) {
  options_.tolerable_failures = 1;
  OpenAndStart();
  const auto fail = [&](int64_t id) {
    executor_.Advance(1000);
    coordinator_->OnReport(ReportOf(id, Report::DECLINE, 0, 0));
  };
  fail(1);
  executor_.Advance(1000);
  AcknowledgeAll(2);
  RunDisk();
  fail(3);
  EXPECT_THAT(failures_, IsEmpty());
  fail(4);
  ASSERT_THAT(failures_, SizeIs(1));
  EXPECT_THAT(failures_[0], HasSubstr("retryable: 2 checkpoints failed in a row, 1 may"));
  Commands();
  executor_.Advance(60'000);
  EXPECT_THAT(Commands(), IsEmpty()) << "the attempt is over";
  EXPECT_EQ(coordinator_->restore_from(), PathOf(2));

  Start(/*attempt=*/1);
  executor_.Advance(1000);
  EXPECT_THAT(Commands(), ElementsAre("trigger 5")) << "ids count over all attempts";
  EXPECT_EQ(coordinator_->details().restored_from(), PathOf(2));
}

TEST_F(CheckpointCoordinatorTest, AFullDiskFailsACheckpointAndTheLastGoodOneStays) {
  options_.tolerable_failures = 10;
  OpenAndStart();
  executor_.Advance(1000);
  AcknowledgeAll(1);
  RunDisk();
  Commands();
  files_.SetFault([](FaultyFileSystem::Operation operation, const std::string& path) {
    return operation == FaultyFileSystem::Operation::kAppend
               ? ResourceExhausted("cannot write to {}: No space left on device", path)
               : OkStatus();
  });
  executor_.Advance(1000);
  AcknowledgeAll(2);
  RunDisk();
  EXPECT_THAT(Commands(), ElementsAre("trigger 2", "abort 2"));
  EXPECT_THAT(coordinator_->details().latest_failure(), HasSubstr("No space left on device"));
  EXPECT_EQ(coordinator_->restore_from(), PathOf(1));
  EXPECT_TRUE(ReadCheckpointMetadata(files_, PathOf(1)).ok());
  files_.SetFault({});
  executor_.Advance(1000);
  AcknowledgeAll(3);
  RunDisk();
  EXPECT_EQ(coordinator_->restore_from(), PathOf(3));
}

// Workers delete what an aborted checkpoint alone had.
TEST_F(CheckpointCoordinatorTest, WhoAbortsSaysWhetherASuccessorMayFindTheCheckpointComplete) {
  options_.tolerable_failures = 10;
  options_.min_pause_ms = 1000;
  OpenAndStart();
  executor_.Advance(1000);
  executor_.Advance(options_.timeout_ms);
  ASSERT_EQ(commands_.size(), 2u);
  EXPECT_FALSE(commands_[1].may_be_complete()) << "it was never on its way to the log";
  commands_.clear();
  for (const auto& [folder, stands] : {std::pair("/log", true), std::pair("/job", false)}) {
    files_.SetFault([suffix = folder](FaultyFileSystem::Operation operation, const std::string& path) {
      return operation == FaultyFileSystem::Operation::kSync && path.ends_with(suffix) ? Unavailable("I/O error")
                                                                                       : OkStatus();
    });
    executor_.Advance(1000);
    ASSERT_EQ(commands_.size(), 1u);
    AcknowledgeAll(commands_[0].checkpoint_id());
    RunDisk();
    ASSERT_EQ(commands_.size(), 2u);
    EXPECT_EQ(commands_[1].kind(), Command::ABORT);
    EXPECT_EQ(commands_[1].may_be_complete(), stands) << folder;
    commands_.clear();
    files_.SetFault({});
    // Forgets what may stand.
    executor_.Advance(1000);
    AcknowledgeAll(commands_[0].checkpoint_id());
    RunDisk();
    commands_.clear();
  }
}

TEST_F(CheckpointCoordinatorTest, WhatEarlierAttemptsLeftGoesOnceTheNextOneRuns) {
  options_.tolerable_failures = 10;
  OpenAndStart();
  scratch_.Write("job/shared/0-1-v0-s0.state", "of a checkpoint that is never complete");
  coordinator_->OnStopping("a worker died");
  coordinator_->OnDeployed(1);
  RunDisk();
  EXPECT_TRUE(files_.Exists(JoinPath(scratch_.path(), "job/shared/0-1-v0-s0.state"))) << "its workers may not be gone";
  coordinator_->OnRunning();
  RunDisk();
  EXPECT_FALSE(files_.Exists(JoinPath(scratch_.path(), "job/shared/0-1-v0-s0.state")));
}

TEST_F(CheckpointCoordinatorTest, WhatIsOnItsWayToTheDiskWhenTheAttemptEndsIsWhatTheNextBeginsWith) {
  OpenAndStart();
  executor_.Advance(1000);
  AcknowledgeAll(1);
  coordinator_->OnStopping("a worker died");
  Commands();
  EXPECT_FALSE(coordinator_->idle()) << "no attempt may begin before it is known";
  idle_ = 0;
  RunDisk();
  EXPECT_EQ(idle_, 1);
  EXPECT_EQ(coordinator_->restore_from(), PathOf(1));
  EXPECT_THAT(Commands(), IsEmpty()) << "there is nobody to tell";
}

TEST_F(CheckpointCoordinatorTest, OneThatWasTakenOverFailsItsJobForGood) {
  OpenAndStart();
  executor_.Advance(1000);
  CheckpointStorage successor(files_, JoinPath(scratch_.path(), "job"), "successor", 1);
  ASSERT_TRUE(successor.Open(0).ok());
  AcknowledgeAll(1);
  RunDisk();
  ASSERT_THAT(failures_, SizeIs(1));
  EXPECT_THAT(failures_[0], HasSubstr("final: another JobManager has taken the job over"));
  EXPECT_EQ(coordinator_->restore_from(), "");
  for (const std::string& command : Commands()) EXPECT_THAT(command, testing::Not(HasSubstr("complete")));
}

TEST_F(CheckpointCoordinatorTest, AFolderThatCannotBeUsedFailsTheJobBeforeItRuns) {
  scratch_.Write("job", "a file where a folder should be");
  Open();
  ASSERT_THAT(failures_, SizeIs(1));
  EXPECT_THAT(failures_[0], HasSubstr("final: cannot use the folder of checkpoints (execution.checkpointing.dir)"));
  EXPECT_FALSE(coordinator_->idle());
}

// ---- the end of the input ----

TEST_F(CheckpointCoordinatorTest, ALastCheckpointIsTriggeredAtOnceForThoseWhoAwaitTheirCommit) {
  OpenAndStart();
  executor_.Advance(1000);
  EXPECT_THAT(Commands(), ElementsAre("trigger 1"));
  EndAll(/*awaits_commit=*/true);
  EXPECT_THAT(Commands(), IsEmpty()) << "1 was triggered before the end and is still being taken";
  AcknowledgeAll(1);
  RunDisk();
  EXPECT_THAT(Commands(), ElementsAre("complete 1", "trigger 2"));
  AcknowledgeAll(2);
  RunDisk();
  EXPECT_THAT(Commands(), ElementsAre("complete 2"));
  executor_.Advance(60'000);
  EXPECT_THAT(Commands(), IsEmpty()) << "nothing is left to commit";
}

TEST_F(CheckpointCoordinatorTest, ALastCheckpointThatFailsIsTriedAgain) {
  options_.tolerable_failures = 1;
  options_.interval_ms = 60'000;
  OpenAndStart();
  EndAll(/*awaits_commit=*/true);
  EXPECT_THAT(Commands(), ElementsAre("trigger 1"));
  coordinator_->OnReport(ReportOf(1, Report::DECLINE, 1, 1));
  EXPECT_THAT(Commands(), ElementsAre("abort 1"));
  executor_.Advance(1000);
  EXPECT_THAT(Commands(), ElementsAre("trigger 2"));
}

TEST_F(CheckpointCoordinatorTest, ALastCheckpointIsTakenAndTriedAgainWithoutAnInterval) {
  options_.tolerable_failures = 1;
  options_.interval_ms = 0;
  OpenAndStart();
  EndAll(/*awaits_commit=*/true);
  EXPECT_THAT(Commands(), ElementsAre("trigger 1"));
  coordinator_->OnReport(ReportOf(1, Report::DECLINE, 1, 1));
  executor_.Advance(999);
  EXPECT_THAT(Commands(), ElementsAre("abort 1"));
  executor_.Advance(1);
  EXPECT_THAT(Commands(), ElementsAre("trigger 2"));
}

TEST_F(CheckpointCoordinatorTest, WithoutCommitsTheEndTakesNoCheckpoint) {
  OpenAndStart();
  EndAll(/*awaits_commit=*/false);
  executor_.Advance(60'000);
  EXPECT_THAT(Commands(), IsEmpty());
}

TEST_F(CheckpointCoordinatorTest, CheckpointsGoOnAfterSomeTasksHaveEnded) {
  OpenAndStart();
  coordinator_->OnReport(ReportOf(0, Report::ENDED, 0, 0));
  executor_.Advance(1000);
  EXPECT_THAT(Commands(), ElementsAre("trigger 1"));
}

// A TaskManager repeats what it has said of ends.
TEST_F(CheckpointCoordinatorTest, WhoHasCommittedAllIsNotWaitedForWhateverIsRepeatedLater) {
  OpenAndStart();
  Report ended = ReportOf(0, Report::ENDED, 1, 1);
  for (const bool awaits_commit : {true, false, true}) {
    ended.set_awaits_commit(awaits_commit);
    coordinator_->OnReport(ended);
  }
  executor_.Advance(1000);
  EXPECT_THAT(Commands(), ElementsAre("trigger 1"));
  for (const Report& report : {CoordinatorOf(1), AckOf(1, 0, 0), AckOf(1, 1, 0)}) coordinator_->OnReport(report);
  RunDisk();
  EXPECT_THAT(Commands(), ElementsAre("complete 1"));
}

// ---- on demand ----

TEST_F(CheckpointCoordinatorTest, ASavepointIsTakenAtOnceAndAnswersWithItsPath) {
  options_.interval_ms = 0;
  OpenAndStart();
  executor_.Advance(100'000);
  EXPECT_THAT(Commands(), IsEmpty()) << "no interval, no checkpoints";
  for (const Report& report : {AckOf(1, 0, 0), AckOf(1, 1, 0), AckOf(1, 1, 1)}) {
    const std::string& file = report.operators(0).snapshot().states(0).segments(0).file();
    scratch_.Write("job/" + file, "state");
  }
  const std::string path = JoinPath(scratch_.path(), "savepoint-1");
  coordinator_->TriggerSavepoint(path, Command::CONTINUE, KeepAnswer());
  EXPECT_THAT(Commands(), ElementsAre("trigger 1"));
  AcknowledgeAll(1);
  EXPECT_THAT(answers_, IsEmpty());
  RunDisk();
  EXPECT_THAT(answers_, ElementsAre("1 at " + path));
  EXPECT_THAT(Commands(), ElementsAre("complete 1"));
  EXPECT_TRUE(ReadCheckpointMetadata(files_, path)->savepoint());
}

TEST_F(CheckpointCoordinatorTest, WhoAsksWaitsForTheOneThatIsBeingTaken) {
  OpenAndStart();
  executor_.Advance(1000);
  coordinator_->TriggerCheckpoint(KeepAnswer());
  coordinator_->TriggerCheckpoint(KeepAnswer());
  EXPECT_THAT(Commands(), ElementsAre("trigger 1"));
  AcknowledgeAll(1);
  RunDisk();
  EXPECT_THAT(Commands(), ElementsAre("complete 1", "trigger 2"));
  coordinator_->OnReport(ReportOf(2, Report::DECLINE, 0, 0));
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("checkpoint 2 of job job failed")));
  EXPECT_THAT(failures_, IsEmpty()) << "who asked is told, and decides";
  AcknowledgeAll(3);
  RunDisk();
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("failed"), "3 at " + PathOf(3)));
}

TEST_F(CheckpointCoordinatorTest, BehindASuspendingSavepointNoCheckpointFollows) {
  OpenAndStart();
  const std::string path = JoinPath(scratch_.path(), "s");
  coordinator_->TriggerSavepoint(path, Command::DRAIN, KeepAnswer());
  coordinator_->OnReport(ReportOf(1, Report::DECLINE, 0, 0));
  EXPECT_THAT(Commands(), ElementsAre("trigger 1 drain", "abort 1 drain"));
  executor_.Advance(1000);
  EXPECT_THAT(Commands(), ElementsAre("trigger 2")) << "the job goes on";
  AcknowledgeAll(2);
  RunDisk();
  Commands();
  for (int subtask : {0, 1}) scratch_.Write(fmt::format("job/shared/0-3-1-{}", subtask), "state");
  scratch_.Write("job/shared/0-3-0-0", "state");
  coordinator_->TriggerSavepoint(path, Command::SUSPEND, KeepAnswer());
  AcknowledgeAll(3);
  RunDisk();
  EXPECT_THAT(Commands(), ElementsAre("trigger 3 suspend", "complete 3 suspend"));
  executor_.Advance(60'000);
  EXPECT_THAT(Commands(), IsEmpty());
  coordinator_->TriggerCheckpoint(KeepAnswer());
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("failed"), "3 at " + path, HasSubstr("do not run at the moment")));
}

TEST_F(CheckpointCoordinatorTest, WhoeverWaitsIsToldWhenTheJobStops) {
  OpenAndStart();
  coordinator_->TriggerCheckpoint(KeepAnswer());
  coordinator_->TriggerCheckpoint(KeepAnswer());
  coordinator_->OnStopping("it is FAILING");
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("it is FAILING"), HasSubstr("it is FAILING")));
  coordinator_->TriggerCheckpoint(KeepAnswer());
  EXPECT_THAT(answers_, SizeIs(3));
  Start(1);
  coordinator_->TriggerCheckpoint(KeepAnswer());
  coordinator_.reset();
  EXPECT_THAT(answers_, SizeIs(4));
}

// ---- what is left of a job that has ended ----

TEST_F(CheckpointCoordinatorTest, RetentionDecidesWhatIsLeft) {
  using Retention = CheckpointOptions::Retention;
  struct Case {
    Retention retention;
    JobState state;
    bool kept;
  };
  const std::vector<Case> cases = {
      {Retention::kNever, JobState::kFinished, false},          {Retention::kNever, JobState::kFailed, false},
      {Retention::kNever, JobState::kCanceled, false},          {Retention::kOnFailure, JobState::kFinished, false},
      {Retention::kOnFailure, JobState::kFailed, true},         {Retention::kOnFailure, JobState::kCanceled, false},
      {Retention::kOnCancellation, JobState::kFinished, false}, {Retention::kOnCancellation, JobState::kFailed, true},
      {Retention::kOnCancellation, JobState::kCanceled, true},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(fmt::format("{} {}", static_cast<int>(test.retention), JobStateName(test.state)));
    options_.retention = test.retention;
    OpenAndStart();
    executor_.Advance(1000);
    AcknowledgeAll(coordinator_->details().in_progress_id());
    RunDisk();
    const std::string of_none = scratch_.Write("job/shared/0-2-v0-s0.state", "of a checkpoint that never was complete");
    coordinator_->OnStopping("it ends");
    coordinator_->OnJobEnded(test.state);
    RunDisk();
    EXPECT_EQ(files_.Exists(JoinPath(scratch_.path(), "job")), test.kept);
    EXPECT_FALSE(files_.Exists(of_none));
    coordinator_.reset();
    ASSERT_TRUE(files_.RemoveTree(JoinPath(scratch_.path(), "job")).ok());
  }
}

TEST_F(CheckpointCoordinatorTest, OfAJobThatEndsBeforeItsFirstCheckpointNothingIsLeft) {
  options_.retention = CheckpointOptions::Retention::kOnCancellation;
  for (const JobState state : {JobState::kFailed, JobState::kCanceled}) {
    OpenAndStart();
    ASSERT_TRUE(files_.Exists(JoinPath(scratch_.path(), "job")));
    coordinator_->OnStopping("it ends");
    coordinator_->OnJobEnded(state);
    RunDisk();
    EXPECT_FALSE(files_.Exists(JoinPath(scratch_.path(), "job")));
    coordinator_.reset();
  }
}

TEST_F(CheckpointCoordinatorTest, ADamagedCheckpointTakesNoPlaceAmongTheRetained) {
  options_.retained = 2;
  OpenAndStart();
  const auto complete = [this] {
    executor_.Advance(1000);
    AcknowledgeAll(coordinator_->details().in_progress_id());
    RunDisk();
  };
  complete();
  complete();
  coordinator_->OnStopping("it failed");
  coordinator_->OnDeployed(1);
  ASSERT_TRUE(coordinator_->OnDamagedCheckpoint("a flipped bit").ok());
  EXPECT_EQ(coordinator_->restore_from(), PathOf(1));
  Start(2);
  RunDisk();
  EXPECT_TRUE(files_.Exists(PathOf(2))) << "until there is a newer one";
  complete();
  EXPECT_TRUE(files_.Exists(PathOf(1)));
  EXPECT_FALSE(files_.Exists(PathOf(2)));
  EXPECT_TRUE(files_.Exists(PathOf(3)));

  coordinator_->OnStopping("it failed");
  coordinator_->OnDeployed(3);
  ASSERT_TRUE(coordinator_->OnDamagedCheckpoint("another").ok());
  EXPECT_EQ(coordinator_->restore_from(), PathOf(1));
}

// A damaged one is not complete any more, but it is not for us to delete it.
TEST_F(CheckpointCoordinatorTest, TheOnlyCheckpointIsLeftWhenItTurnsOutToBeDamaged) {
  OpenAndStart();
  executor_.Advance(1000);
  AcknowledgeAll(coordinator_->details().in_progress_id());
  RunDisk();
  coordinator_->OnStopping("it failed");
  Start(1);
  EXPECT_FALSE(coordinator_->OnDamagedCheckpoint("a flipped bit").ok());
  coordinator_->OnStopping("it ends");
  coordinator_->OnJobEnded(JobState::kFailed);
  RunDisk();
  EXPECT_TRUE(files_.Exists(PathOf(1)));
}

}  // namespace
}  // namespace eagre
