// What a TaskManager promises its JobManager, whatever its workers do.
#include "taskmanager/task_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/manual_executor.h"
#include "tests/unit/taskmanager/fakes.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ToJobManager = proto::TaskManagerToJobManager;
using ToWorker = proto::TaskManagerToWorker;

class TaskManagerTest : public ::testing::Test {
 protected:
  TaskManagerTest() {
    options_.id = "tm-1";
    options_.host = "node7";
    options_.slots = 4;
    options_.heartbeat_interval_ms = 1'000;
    options_.heartbeat_timeout_ms = 5'000;
    options_.deployment_timeout_ms = 20'000;
    options_.cancellation_timeout_ms = 30'000;
    options_.worker_exit_timeout_ms = 2'000;
    options_.registration_timeout_ms = 60'000;
  }

  void Start() {
    TaskManagerEnvironment env;
    env.executor = &executor_;
    env.connect = [this] {
      auto [ours, theirs] = NewMemoryLinkPair();
      ++connects_;
      if (reachable_) {
        job_manager_ = std::make_unique<FakeJobManager>(std::move(theirs), executor_);
      } else {
        theirs->Close();
      }
      return std::move(ours);
    };
    env.launcher = &launcher_;
    env.artifacts = &fetcher_;
    env.collect_logs = [this](const proto::CollectLogs& request) { collected_.push_back(request.job_id()); };
    env.delete_logs = [this](const std::string& job) { deleted_.push_back(job); };
    env.delete_other_logs = [this](const std::set<std::string>& jobs) { kept_.push_back(jobs); };
    env.delete_local_state = [this](const std::string& job) { deleted_state_.push_back(job); };
    env.delete_other_local_state = [this](const std::set<std::string>& jobs) { kept_state_.push_back(jobs); };
    env.on_give_up = [this](Status reason) { gave_up_ = reason; };
    task_manager_ = std::make_unique<TaskManager>(options_, env);
    task_manager_->Start();
    executor_.RunReady();
  }

  void Register() {
    Start();
    AnswerRegistration();
  }

  void AnswerRegistration() {
    ASSERT_NE(job_manager_->Take(ToJobManager::kRegister), nullptr);
    proto::JobManagerToTaskManager message;
    message.mutable_registered()->set_cluster_id("c");
    Send(message);
    ASSERT_TRUE(task_manager_->registered());
  }

  void Send(const proto::JobManagerToTaskManager& message) {
    job_manager_->Send(message);
    executor_.RunReady();
  }

  void Deploy(const std::string& job, int attempt, std::vector<int> slots) {
    proto::JobManagerToTaskManager message;
    proto::DeployWorker& deploy = *message.mutable_deploy();
    deploy.mutable_attempt()->set_job_id(job);
    deploy.mutable_attempt()->set_attempt(attempt);
    deploy.mutable_graph()->set_name("fraud");
    deploy.mutable_artifact()->set_digest("d1");
    deploy.mutable_artifact()->set_file_name("fraud.so");
    deploy.set_worker_index(2);
    for (int slot : slots) deploy.add_job_slots(slot);
    Send(message);
  }

  void StartWorker(const std::string& job, int attempt) {
    proto::JobManagerToTaskManager message;
    message.mutable_start()->mutable_attempt()->set_job_id(job);
    message.mutable_start()->mutable_attempt()->set_attempt(attempt);
    Send(message);
  }

  void Cancel(const std::string& job, int attempt) {
    proto::JobManagerToTaskManager message;
    message.mutable_cancel()->mutable_attempt()->set_job_id(job);
    message.mutable_cancel()->mutable_attempt()->set_attempt(attempt);
    Send(message);
  }

  // Lets time pass while the JobManager is well.
  void Pass(int64_t duration_ms) {
    for (int64_t passed = 0; passed < duration_ms; passed += 500) {
      proto::JobManagerToTaskManager heartbeat;
      heartbeat.mutable_heartbeat();
      Send(heartbeat);
      executor_.Advance(500);
    }
  }

  FakeLauncher::FakeWorker& worker(size_t index) { return *launcher_.workers.at(index); }

  void SendFromWorker(size_t index, const proto::WorkerToTaskManager& message) {
    worker(index).side->Send(message);
    executor_.RunReady();
  }

  void Exit(size_t index, WorkerExit exit) {
    launcher_.Exit(worker(index), std::move(exit));
    executor_.RunReady();
  }

  // The WorkerExited that must be the next of its kind.
  proto::WorkerExited TakeExit() {
    const ToJobManager* message = job_manager_->Take(ToJobManager::kWorkerExited);
    EXPECT_NE(message, nullptr) << "no WorkerExited arrived";
    return message == nullptr ? proto::WorkerExited() : message->worker_exited();
  }

  ManualExecutor executor_;
  FakeLauncher launcher_{executor_};
  FakeFetcher fetcher_;
  TaskManagerOptions options_;
  std::unique_ptr<FakeJobManager> job_manager_;
  bool reachable_ = true;
  int connects_ = 0;
  std::vector<std::string> collected_, deleted_, deleted_state_;
  std::vector<std::set<std::string>> kept_, kept_state_;
  Status gave_up_;
  std::unique_ptr<TaskManager> task_manager_;
};

TEST_F(TaskManagerTest, RegistersWithItsSlotsAndThenSendsHeartbeats) {
  Start();
  const ToJobManager* message = job_manager_->Take(ToJobManager::kRegister);
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->register_().task_manager_id(), "tm-1");
  EXPECT_EQ(message->register_().host(), "node7");
  EXPECT_EQ(message->register_().slots(), 4);
  executor_.Advance(3'000);
  EXPECT_EQ(job_manager_->Count(ToJobManager::kHeartbeat), 0) << "a heartbeat before the registration stands";
  proto::JobManagerToTaskManager registered;
  registered.mutable_registered()->set_cluster_id("c");
  Send(registered);
  executor_.Advance(3'000);
  EXPECT_EQ(job_manager_->Count(ToJobManager::kHeartbeat), 3);
}

TEST_F(TaskManagerTest, KeepsConnectingWithBackoffUntilTheJobManagerIsThere) {
  reachable_ = false;
  Start();
  executor_.Advance(10'000);
  EXPECT_GT(connects_, 4);
  EXPECT_LT(connects_, 12) << "no backoff";
  reachable_ = true;
  executor_.Advance(5'000);
  AnswerRegistration();
}

TEST_F(TaskManagerTest, GivesUpWhenNobodyTakesItInTime) {
  reachable_ = false;
  Start();
  executor_.Advance(70'000);
  EXPECT_THAT(std::string(StatusMessage(gave_up_)), HasSubstr("(taskmanager.registration.timeout): "));
  int connects = connects_;
  executor_.Advance(70'000);
  EXPECT_EQ(connects_, connects);
}

TEST_F(TaskManagerTest, GivesUpWhenRefused) {
  Start();
  proto::JobManagerToTaskManager message;
  message.mutable_registration_refused()->set_reason("version 0.0 is not 0.1");
  Send(message);
  EXPECT_THAT(std::string(StatusMessage(gave_up_)), HasSubstr("version 0.0 is not 0.1"));
}

TEST_F(TaskManagerTest, SilentJobManagerIsLost) {
  Register();
  executor_.Advance(6'500);
  EXPECT_EQ(connects_, 2);
  AnswerRegistration();
  for (int i = 0; i < 10; ++i) {
    proto::JobManagerToTaskManager heartbeat;
    heartbeat.mutable_heartbeat();
    Send(heartbeat);
    executor_.Advance(4'000);
  }
  EXPECT_TRUE(task_manager_->registered()) << "lost although heartbeats arrived";
}

TEST_F(TaskManagerTest, AfterItStoodStillItFirstHearsWhatTheJobManagerSaidMeanwhile) {
  Register();
  executor_.StandStill(11'000);
  executor_.Advance(0);
  EXPECT_TRUE(task_manager_->registered());
  proto::JobManagerToTaskManager heartbeat;
  heartbeat.mutable_heartbeat();
  Send(heartbeat);
  executor_.Advance(4'000);
  EXPECT_TRUE(task_manager_->registered());

  executor_.StandStill(11'000);
  executor_.Advance(1'000);
  EXPECT_FALSE(task_manager_->registered()) << "nothing was said";
}

TEST_F(TaskManagerTest, CarriesAnAttemptFromDeployToFinish) {
  Register();
  Deploy("job", 0, {0, 1});
  EXPECT_EQ(task_manager_->used_slots(), 2);
  const ToWorker* deploy = worker(0).side->Take(ToWorker::kDeploy);
  ASSERT_NE(deploy, nullptr);
  EXPECT_EQ(deploy->deploy().library_path(), "/cache/d1");

  proto::WorkerToTaskManager ready;
  ready.mutable_ready()->mutable_attempt()->set_job_id("somebody else's");
  ready.mutable_ready()->set_data_address("node7:4000");
  SendFromWorker(0, ready);
  const ToJobManager* forwarded = job_manager_->Take(ToJobManager::kWorkerReady);
  ASSERT_NE(forwarded, nullptr);
  EXPECT_EQ(forwarded->worker_ready().attempt().job_id(), "job") << "a worker speaks for its own attempt only";
  EXPECT_EQ(forwarded->worker_ready().data_address(), "node7:4000");
  EXPECT_EQ(forwarded->worker_ready().worker_index(), 2);

  proto::JobManagerToTaskManager start;
  start.mutable_start()->mutable_attempt()->set_job_id("job");
  start.mutable_start()->add_peers()->set_data_address("node7:4000");
  Send(start);
  ASSERT_NE(worker(0).side->Take(ToWorker::kStart), nullptr);

  proto::WorkerToTaskManager report;
  report.mutable_report()->add_subtasks()->set_busy_ms(7);
  SendFromWorker(0, report);
  forwarded = job_manager_->Take(ToJobManager::kWorkerReport);
  ASSERT_NE(forwarded, nullptr);
  EXPECT_EQ(forwarded->worker_report().subtasks(0).busy_ms(), 7);

  proto::WorkerToTaskManager finished;
  finished.mutable_finished();
  SendFromWorker(0, finished);
  ASSERT_NE(job_manager_->Take(ToJobManager::kWorkerFinished), nullptr);
  Pass(60'000);
  EXPECT_FALSE(worker(0).killed)
      << "others may still need what a finished worker holds: it stays until it is cancelled";
  Cancel("job", 0);
  ASSERT_NE(worker(0).side->Take(ToWorker::kCancel), nullptr);
  Exit(0, {.exit_code = 0});
  proto::WorkerExited exited = TakeExit();
  EXPECT_TRUE(exited.expected());
  EXPECT_FALSE(exited.has_failure());
  EXPECT_EQ(task_manager_->used_slots(), 0);
  EXPECT_EQ(fetcher_.pins["d1"], 0);
  EXPECT_FALSE(worker(0).handle_alive);
}

TEST_F(TaskManagerTest, TaskFailureGetsHostAndTaskManagerAndAnExitAfterItIsSecondary) {
  Register();
  Deploy("job", 3, {0});
  proto::WorkerToTaskManager failed;
  failed.mutable_failed()->mutable_failure()->set_message("bad line");
  SendFromWorker(0, failed);
  const ToJobManager* message = job_manager_->Take(ToJobManager::kTaskFailed);
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->task_failed().attempt().attempt(), 3);
  EXPECT_EQ(message->task_failed().failure().message(), "bad line");
  EXPECT_EQ(message->task_failed().failure().host(), "node7");
  EXPECT_EQ(message->task_failed().failure().task_manager_id(), "tm-1");
  EXPECT_EQ(message->task_failed().failure().time_ms(), executor_.now_ms());
  Exit(0, {.exit_code = 1});
  proto::WorkerExited exited = TakeExit();
  EXPECT_FALSE(exited.expected());
  EXPECT_TRUE(exited.failure().secondary());
}

TEST_F(TaskManagerTest, CrashBecomesARootCauseWithOperatorAndStack) {
  Register();
  Deploy("job", 0, {0});
  Exit(0, {.signal = 11,
           .crash_report = "signal: SIGSEGV\naddress: 0x0\nvertex: risk -> alerts\noperator: boom\noperator-id: "
                           "a1\nsubtask: 0\nstack:\n"
                           "#0 f\n"});
  proto::WorkerExited exited = TakeExit();
  EXPECT_FALSE(exited.expected());
  EXPECT_EQ(exited.signal(), 11);
  EXPECT_EQ(exited.failure().message(),
            "subtask 0 of 'risk -> alerts' died by SIGSEGV (address 0x0) in operator 'boom'");
  EXPECT_EQ(exited.failure().operator_name(), "boom");
  EXPECT_EQ(exited.failure().operator_id(), "a1");
  EXPECT_EQ(exited.failure().subtask(), 0);
  EXPECT_EQ(exited.failure().stack(), "#0 f\n");
  EXPECT_EQ(exited.failure().host(), "node7");
  EXPECT_TRUE(exited.failure().retryable());
}

TEST_F(TaskManagerTest, CrashIsReportedAlthoughTheCancellationWasFaster) {
  Register();
  Deploy("job", 0, {0});
  Cancel("job", 0);
  Exit(0, {.signal = 11, .crash_report = "signal: SIGSEGV\nvertex: a\noperator: boom\nsubtask: 1\n"});
  proto::WorkerExited exited = TakeExit();
  EXPECT_FALSE(exited.expected());
  EXPECT_EQ(exited.failure().message(), "subtask 1 of 'a' died by SIGSEGV in operator 'boom'");
}

TEST_F(TaskManagerTest, ExitWithoutAWordIsAFailureThatSaysHow) {
  Register();
  Deploy("job", 0, {0});
  Exit(0, {.exit_code = 3});
  EXPECT_THAT(TakeExit().failure().message(), HasSubstr("worker of job 'fraud' exited with code 3"));
  Deploy("job", 1, {0});
  Exit(1, {.signal = 9});
  EXPECT_THAT(TakeExit().failure().message(), HasSubstr("SIGKILL from outside"));
}

TEST_F(TaskManagerTest, LastMessagesOfADeadWorkerAreNotLost) {
  Register();
  Deploy("job", 0, {0});
  // The exit is known before the link has handed over what was sent.
  proto::WorkerToTaskManager failed;
  failed.mutable_failed()->mutable_failure()->set_message("the real cause");
  worker(0).on_exit({.exit_code = 1});
  SendFromWorker(0, failed);
  worker(0).side->Close();
  executor_.RunReady();
  ASSERT_NE(job_manager_->Take(ToJobManager::kTaskFailed), nullptr);
  EXPECT_TRUE(TakeExit().failure().secondary());
}

TEST_F(TaskManagerTest, ExitIsReportedAlthoughSomebodyHoldsTheWorkersSocketOpen) {
  Register();
  Deploy("job", 0, {0});
  worker(0).on_exit({.exit_code = 1});
  worker(0).exited = true;
  executor_.Advance(1'500);
  EXPECT_EQ(TakeExit().exit_code(), 1);
}

TEST_F(TaskManagerTest, WorkerThatDoesNotLoadItsLibraryInTimeIsKilledAndTheKeyIsNamed) {
  Register();
  Deploy("job", 0, {0});
  Pass(19'000);
  EXPECT_FALSE(worker(0).killed);
  Pass(1'500);
  EXPECT_TRUE(worker(0).killed);
  proto::WorkerExited exited = TakeExit();
  EXPECT_FALSE(exited.expected());
  EXPECT_THAT(exited.failure().message(), HasSubstr("worker of job 'fraud' was killed by its TaskManager: it had not "
                                                    "loaded the library 'fraud.so' after 20 s "
                                                    "(task.deployment.timeout)"));
  EXPECT_EQ(task_manager_->used_slots(), 0);
}

TEST_F(TaskManagerTest, TheTimeToLoadIsOverOnceTheWorkerSpeaksOrIsToStop) {
  Register();
  for (const char* job : {"ready", "failed", "cancelled"}) Deploy(job, 0, {0});
  proto::WorkerToTaskManager ready;
  ready.mutable_ready()->set_data_address("node7:4000");
  SendFromWorker(0, ready);
  proto::WorkerToTaskManager failed;
  failed.mutable_failed()->mutable_failure()->set_message("of another build");
  SendFromWorker(1, failed);
  Pass(15'000);
  Cancel("cancelled", 0);
  Pass(25'000);
  for (size_t i = 0; i < 3; ++i) EXPECT_FALSE(worker(i).killed) << worker(i).deploy.attempt().job_id();
  Pass(6'000);
  EXPECT_TRUE(worker(2).killed) << "30 s after it was cancelled";
  EXPECT_TRUE(TakeExit().expected());
}

TEST_F(TaskManagerTest, WithoutADeploymentTimeoutAWorkerMayTakeAnyTimeToLoad) {
  options_.deployment_timeout_ms = 0;
  Register();
  Deploy("job", 0, {0});
  Pass(600'000);
  EXPECT_FALSE(worker(0).killed);
}

TEST_F(TaskManagerTest, CancelledWorkerThatStopsIsNotKilled) {
  Register();
  Deploy("job", 0, {0});
  Cancel("job", 0);
  ASSERT_NE(worker(0).side->Take(ToWorker::kCancel), nullptr);
  Pass(10'000);
  EXPECT_FALSE(worker(0).killed);
  Exit(0, {.exit_code = 0});
  EXPECT_TRUE(TakeExit().expected());
  Pass(60'000);
  EXPECT_EQ(job_manager_->Count(ToJobManager::kWorkerExited), 1);
}

TEST_F(TaskManagerTest, CancelledWorkerThatHangsIsKilledAfterTheTimeout) {
  Register();
  Deploy("job", 0, {0});
  Cancel("job", 0);
  Pass(29'000);
  EXPECT_FALSE(worker(0).killed);
  Cancel("job", 0);  // asking again does not begin the time anew
  Pass(1'500);
  EXPECT_TRUE(worker(0).killed);
  proto::WorkerExited exited = TakeExit();
  EXPECT_TRUE(exited.expected());
  EXPECT_EQ(exited.signal(), 9);
}

TEST_F(TaskManagerTest, FinishedWorkerThatCrashesWhileOthersNeedItIsAFailure) {
  Register();
  Deploy("job", 0, {0});
  proto::WorkerToTaskManager finished;
  finished.mutable_finished();
  SendFromWorker(0, finished);
  Exit(0, {.signal = 11});
  EXPECT_FALSE(TakeExit().expected());
}

TEST_F(TaskManagerTest, WorkerWithABrokenLinkIsKilledAndBlamed) {
  Register();
  Deploy("job", 0, {0});
  worker(0).side->Close();
  Pass(2'500);
  EXPECT_TRUE(worker(0).killed);
  EXPECT_THAT(TakeExit().failure().message(),
              HasSubstr("killed by its TaskManager: it did not exit in time after its link"));
}

TEST_F(TaskManagerTest, WorkerThatSpeaksGarbageIsKilled) {
  Register();
  Deploy("job", 0, {0});
  worker(0).side->SendBytes("\xff\xff garbage");
  executor_.RunReady();
  EXPECT_TRUE(worker(0).killed);
  EXPECT_THAT(TakeExit().failure().message(), HasSubstr("none of the protocol"));
}

TEST_F(TaskManagerTest, CancelOfAnAttemptThatIsNotHereIsAnswered) {
  Register();
  Cancel("job", 7);
  proto::WorkerExited exited = TakeExit();
  EXPECT_TRUE(exited.expected());
  EXPECT_EQ(exited.attempt().attempt(), 7);
}

TEST_F(TaskManagerTest, CancelWhileTheLibraryIsFetchedStartsNoWorker) {
  Register();
  fetcher_.hold = true;
  Deploy("job", 0, {0});
  EXPECT_EQ(task_manager_->used_slots(), 1);
  Cancel("job", 0);
  EXPECT_TRUE(TakeExit().expected());
  fetcher_.held.at(0)("/cache/d1");
  executor_.RunReady();
  EXPECT_TRUE(launcher_.workers.empty());
  EXPECT_EQ(fetcher_.pins["d1"], 0);
  EXPECT_EQ(task_manager_->used_slots(), 0);
}

TEST_F(TaskManagerTest, LibraryThatCannotBeFetchedFailsTheAttempt) {
  Register();
  fetcher_.hold = true;
  Deploy("job", 0, {0});
  fetcher_.held.at(0)(Unavailable("no space left"));
  executor_.RunReady();
  proto::WorkerExited exited = TakeExit();
  EXPECT_FALSE(exited.expected());
  EXPECT_EQ(exited.failure().message(), "cannot fetch the library 'fraud.so' of job 'fraud': no space left");
}

TEST_F(TaskManagerTest, WorkerThatCannotBeStartedFailsTheAttempt) {
  Register();
  launcher_.refuse = ResourceExhausted("too many processes");
  Deploy("job", 0, {0});
  EXPECT_THAT(TakeExit().failure().message(), HasSubstr("too many processes"));
  EXPECT_EQ(fetcher_.pins["d1"], 0);
  EXPECT_EQ(task_manager_->used_slots(), 0);
}

TEST_F(TaskManagerTest, RefusesMoreSlotsThanItHas) {
  Register();
  Deploy("a", 0, {0, 1, 2});
  Deploy("b", 0, {0, 1});
  EXPECT_EQ(launcher_.workers.size(), 1u);
  proto::WorkerExited exited = TakeExit();
  EXPECT_EQ(exited.attempt().job_id(), "b");
  EXPECT_THAT(exited.failure().message(), HasSubstr("refused 2 slots: 3 of its 4 are in use"));
  Deploy("c", 0, {0});
  EXPECT_EQ(launcher_.workers.size(), 2u);
}

TEST_F(TaskManagerTest, JobsDoNotNoticeEachOthersCrash) {
  Register();
  Deploy("a", 0, {0});
  Deploy("b", 0, {0});
  Exit(0, {.signal = 11});
  EXPECT_EQ(TakeExit().attempt().job_id(), "a");
  executor_.Advance(1'000);
  EXPECT_FALSE(worker(1).killed);
  proto::WorkerToTaskManager report;
  report.mutable_report();
  SendFromWorker(1, report);
  EXPECT_NE(job_manager_->Take(ToJobManager::kWorkerReport), nullptr);
}

TEST_F(TaskManagerTest, RunningWorkersOutliveTheirJobManagerAndAreTakenUpByTheNext) {
  Register();
  Deploy("a", 3, {0, 1});
  StartWorker("a", 3);
  proto::JobManagerToTaskManager trigger;
  trigger.mutable_checkpoint()->mutable_attempt()->set_job_id("a");
  trigger.mutable_checkpoint()->mutable_attempt()->set_attempt(3);
  trigger.mutable_checkpoint()->set_checkpoint_id(17);
  Send(trigger);
  job_manager_->Close();
  executor_.RunReady();
  EXPECT_FALSE(worker(0).killed);
  proto::WorkerToTaskManager ended;
  ended.mutable_checkpoint()->set_kind(proto::CheckpointReport::ENDED);
  ended.mutable_checkpoint()->set_vertex(4);
  SendFromWorker(0, ended);
  proto::WorkerToTaskManager finished;
  finished.mutable_finished();
  SendFromWorker(0, finished);
  executor_.Advance(1'000);
  const ToJobManager* registration = job_manager_->Take(ToJobManager::kRegister);
  ASSERT_NE(registration, nullptr);
  ASSERT_EQ(registration->register_().workers_size(), 1);
  const proto::RunningWorker running = registration->register_().workers(0);
  EXPECT_EQ(running.attempt().attempt(), 3);
  EXPECT_EQ(running.worker_index(), 2);
  EXPECT_EQ(running.job_slots_size(), 2);
  EXPECT_EQ(running.checkpoint_id(), 17);
  EXPECT_EQ(job_manager_->received.size(), 1u) << "nobody has taken the worker up yet";

  proto::JobManagerToTaskManager registered;
  registered.mutable_registered()->set_cluster_id("c");
  Send(registered);
  proto::JobManagerToTaskManager adopt;
  *adopt.mutable_adopt()->mutable_attempt() = running.attempt();
  Send(adopt);
  const ToJobManager* end = job_manager_->Take(ToJobManager::kCheckpointReport);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->checkpoint_report().vertex(), 4);
  EXPECT_NE(job_manager_->Take(ToJobManager::kWorkerFinished), nullptr);
  Cancel("a", 3);
  Exit(0, {});
  EXPECT_TRUE(TakeExit().expected());
}

TEST_F(TaskManagerTest, TheEndOfAWorkerIsToldToTheNextJobManager) {
  Register();
  Deploy("a", 0, {0});
  StartWorker("a", 0);
  job_manager_->Close();
  executor_.RunReady();
  Exit(0, {.signal = 11});
  executor_.Advance(1'000);
  AnswerRegistration();
  EXPECT_EQ(TakeExit().signal(), 11);
}

TEST_F(TaskManagerTest, AWorkerThatNobodyTakesUpIsKilledAtOnce) {
  Register();
  Deploy("a", 0, {0});
  StartWorker("a", 0);
  job_manager_->Close();
  executor_.Advance(1'000);
  AnswerRegistration();
  proto::JobManagerToTaskManager message;
  message.mutable_cancel()->mutable_attempt()->set_job_id("a");
  message.mutable_cancel()->set_at_once(true);
  Send(message);
  EXPECT_TRUE(worker(0).killed);
  EXPECT_TRUE(TakeExit().expected());
}

TEST_F(TaskManagerTest, WorkersThatDoNotRunYetAreKilledAndGoneBeforeTheTaskManagerRegistersAnew) {
  Register();
  launcher_.dies_when_killed = false;
  Deploy("a", 0, {0});
  Deploy("b", 0, {0});
  job_manager_->Close();
  executor_.Advance(1'000);
  EXPECT_TRUE(worker(0).killed);
  EXPECT_TRUE(worker(1).killed);
  EXPECT_EQ(connects_, 2);
  EXPECT_EQ(job_manager_->Take(ToJobManager::kRegister), nullptr) << "registered with slots that are still taken";
  Exit(0, {.signal = 9});
  Exit(1, {.signal = 9});
  AnswerRegistration();
  EXPECT_EQ(job_manager_->Count(ToJobManager::kWorkerExited), 0)
      << "told the new JobManager about the old one's worker";
  Deploy("c", 0, {0, 1, 2, 3});
  EXPECT_EQ(launcher_.workers.size(), 3u);
}

TEST_F(TaskManagerTest, GarbageFromTheJobManagerIsALoss) {
  Register();
  job_manager_->SendBytes("\xff\xff\xff");
  executor_.Advance(200);
  EXPECT_EQ(connects_, 2);
  AnswerRegistration();
}

TEST_F(TaskManagerTest, DeployOfTheSameAttemptTwiceStartsOneWorker) {
  Register();
  Deploy("a", 0, {0});
  Deploy("a", 0, {0});
  EXPECT_EQ(launcher_.workers.size(), 1u);
}

TEST_F(TaskManagerTest, StopKillsAllWorkersAndTellsWhenTheyAreGone) {
  Register();
  launcher_.dies_when_killed = false;
  Deploy("a", 0, {0});
  bool stopped = false;
  task_manager_->Stop([&] { stopped = true; });
  executor_.RunReady();
  EXPECT_TRUE(worker(0).killed);
  EXPECT_TRUE(job_manager_->closed);
  EXPECT_FALSE(stopped);
  Exit(0, {.signal = 9});
  EXPECT_TRUE(stopped);
  executor_.Advance(60'000);
  EXPECT_EQ(connects_, 1);
  EXPECT_EQ(executor_.pending_timers(), 0u);
}

TEST_F(TaskManagerTest, DestroyedInTheMiddleLeavesNothingBehind) {
  Register();
  Deploy("a", 0, {0});
  fetcher_.hold = true;
  Deploy("b", 0, {0});
  task_manager_.reset();
  fetcher_.held.at(0)("/cache/d1");
  executor_.Advance(100'000);
  EXPECT_TRUE(worker(0).killed);
  EXPECT_EQ(executor_.pending_timers(), 0u);
}

TEST_F(TaskManagerTest, PassesOnRequestsForLogsAndReleases) {
  Register();
  proto::JobManagerToTaskManager message;
  message.mutable_collect_logs()->set_job_id("a");
  Send(message);
  message.mutable_release_artifacts()->add_digests("d1");
  message.mutable_release_artifacts()->add_job_ids("b");
  message.mutable_release_artifacts()->add_ended_job_ids("c");
  Send(message);
  EXPECT_THAT(collected_, ElementsAre("a"));
  EXPECT_THAT(fetcher_.released, ElementsAre("d1"));
  EXPECT_THAT(deleted_, ElementsAre("b"));
  EXPECT_THAT(deleted_state_, ElementsAre("b", "c"));
}

TEST_F(TaskManagerTest, DropsWhatItsJobManagerKnowsNothingOf) {
  Register();
  proto::JobManagerToTaskManager message;
  message.mutable_retain_artifacts()->add_digests("d1");
  message.mutable_retain_artifacts()->add_job_ids("a");
  message.mutable_retain_artifacts()->add_job_ids("b");
  Send(message);
  EXPECT_THAT(fetcher_.retained, ElementsAre(std::set<std::string>{"d1"}));
  EXPECT_THAT(kept_, ElementsAre(std::set<std::string>{"a", "b"}));
  EXPECT_EQ(kept_state_, kept_);
}

}  // namespace
}  // namespace eagre
