// Jobs that go on from their checkpoints: nothing lost, nothing twice, whatever is killed and when.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "base/unique_fd.h"
#include "tests/cluster/cluster_fixture.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RecoveryTest : public ClusterTest {
 protected:
  static constexpr int kRecords = 60'000;

  Words CheckpointOptions() {
    return {"execution.checkpointing.interval=50ms", "execution.checkpointing.dir=" + Path("checkpoints"),
            "restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.attempts=1000",
            "restart-strategy.fixed-delay.delay=1ms"};
  }

  std::string SubmitCounting(const Words& options, const Words& more = {}) {
    Words arguments = {
        "--records", std::to_string(kRecords), "--keys", std::to_string(keys_), "--rate", "20000", "--output",
        Path("out")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Submit("counting", arguments, options);
  }

  // The counts of every key in the committed files; a file in progress is none.
  std::map<int64_t, std::vector<int64_t>> Counts() {
    std::map<int64_t, std::vector<int64_t>> counts;
    for (const std::string& path : FilesBelow(Path("out"))) {
      if (path.substr(path.rfind('/') + 1)[0] == '.') continue;
      std::ifstream file(path);
      std::string line;
      while (std::getline(file, line)) {
        long long key = 0, count = 0;
        EXPECT_EQ(std::sscanf(line.c_str(), R"({"key":%lld,"count":%lld,)", &key, &count), 2) << line;
        counts[key].push_back(count);
      }
    }
    return counts;
  }

  void ExpectExactlyOnce() {
    std::map<int64_t, std::vector<int64_t>> counts = Counts();
    EXPECT_EQ(counts.size(), static_cast<size_t>(keys_));
    size_t records = 0;
    for (auto& [key, numbers] : counts) {
      std::sort(numbers.begin(), numbers.end());
      for (size_t i = 0; i < numbers.size(); ++i) {
        ASSERT_EQ(numbers[i], static_cast<int64_t>(i) + 1)
            << "key " << key << ": a count is missing or there twice, of " << numbers.size();
      }
      records += numbers.size();
    }
    EXPECT_EQ(records, size_t{kRecords});
  }

  // Waits until the log of checkpoints has an entry that was not there before: a complete checkpoint, or the claim with
  // which an attempt of the JobManager begins.
  bool AwaitCheckpoint(const std::string& job_id) {
    const bool done = AwaitTrue([&] {
      for (const std::string& path : FilesBelow(Path("checkpoints") + "/" + job_id + "/log")) {
        if (seen_.insert(path).second) return true;
      }
      return State(job_id) == "FINISHED";
    });
    for (const std::string& path : FilesBelow(Path("checkpoints") + "/" + job_id + "/log")) seen_.insert(path);
    return done;
  }

  // Stops a job with a savepoint once its tasks have taken a checkpoint, and gives its folder.
  std::string Stop(const std::string& job_id) {
    EXPECT_TRUE(AwaitJob(job_id, [](const proto::JobDetails& job) {
      return job.checkpoints().latest().checkpoint_id() > 0;
    })) << Job(job_id).DebugString();
    const Ended stopped = RunOnCluster({"stop", "-p", Path("savepoints"), job_id});
    EXPECT_EQ(stopped.status, 0) << stopped.err;
    EXPECT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
    return PathIn(stopped.out);
  }

  int keys_ = 97;
  std::set<std::string> seen_;
};

TEST_F(RecoveryTest, ABoundedJobCommitsEverythingBeforeItIsFinished) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 2, CheckpointOptions()));
  const std::string job_id = SubmitCounting({"-p", "3"});
  ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
  ExpectExactlyOnce();
}

class BackendRecoveryTest : public RecoveryTest, public testing::WithParamInterface<std::string> {};
INSTANTIATE_TEST_SUITE_P(Backends, BackendRecoveryTest, testing::Values("hashmap", "rocksdb"),
                         [](const auto& backend) { return backend.param; });

// Above RocksDB a slot has room for hardly an object.
const Words kNoRoom = {"taskmanager.memory.managed.size=32mb",
                       "state.backend.rocksdb.memory.object-cache-ratio=0.00001"};

TEST_P(BackendRecoveryTest, KilledWorkersLoseNothingAndDoNothingTwice) {
  Words options = CheckpointOptions();
  options.insert(options.end(), kNoRoom.begin(), kNoRoom.end());
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 2, options));
  const std::string job_id = SubmitCounting({"-p", "3", "-D", "state.backend.type=" + GetParam()});
  int kills = 0;
  while (kills < 6 && State(job_id) != "FINISHED") {
    ASSERT_TRUE(AwaitCheckpoint(job_id)) << Job(job_id).DebugString();
    const std::vector<pid_t> workers = Workers(static_cast<size_t>(kills % 2));
    if (workers.empty()) continue;
    kill(workers.front(), SIGKILL);
    ++kills;
  }
  ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
  EXPECT_GE(kills, 3) << "the job was too short for its test";
  EXPECT_GE(Job(job_id).summary().restarts(), 1);
  ExpectExactlyOnce();
}

// Killed ones begin again where they were, with what they had kept there, and the copies go with the job.
TEST_P(BackendRecoveryTest, WorkersGoOnFromTheLocalCopiesOfTheirState) {
  keys_ = 12'000;
  Words cluster = CheckpointOptions();
  cluster.push_back("taskmanager.state.local.root-dirs=" + Path("local"));
  ASSERT_NO_FATAL_FAILURE(StartCluster(3, 1, cluster));
  const std::string job_id = SubmitCounting(
      {"-p", "2", "-D", "execution.state-recovery.from-local=true", "-D", "state.backend.type=" + GetParam()},
      {"--padding", "3000"});
  const std::string said = GetParam() == "rocksdb" ? "the local snapshot" : "from local copies";
  // There is a snapshot, where there is a database.
  const auto has_snapshots = [&] {
    const std::vector<std::string> files = FilesBelow(Path("local"));
    return GetParam() == "hashmap" ||
           std::any_of(files.begin(), files.end(), [](const std::string& path) { return path.ends_with(".snapshot"); });
  };
  const auto logs = [&] { return RunOnCluster({"logs", job_id}).out; };
  bool found = false;
  for (int kills = 0; !found && State(job_id) != "FINISHED"; ++kills) {
    ASSERT_TRUE(AwaitTrue([&] { return State(job_id) == "FINISHED" || has_snapshots(); }));
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(AwaitCheckpoint(job_id)) << Job(job_id).DebugString();
    const size_t victim = static_cast<size_t>(kills % 3);
    const std::vector<pid_t> workers = Workers(victim);
    if (workers.empty()) continue;
    kill(workers.front(), SIGKILL);
    ASSERT_TRUE(AwaitTrue([&] { return State(job_id) == "FINISHED" || !Workers(victim).empty(); }))
        << "it was not given back to its TaskManager";
    found = logs().find(said) != std::string::npos;
  }
  ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
  EXPECT_TRUE(found || logs().find(said) != std::string::npos) << logs();
  ExpectExactlyOnce();
  EXPECT_TRUE(AwaitTrue([&] { return FilesBelow(Path("local")).empty(); })) << "copies outlive their job";
}

TEST_F(RecoveryTest, ABlockingOperatorGoesOnFromItsCheckpointsExactlyOnce) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 2, CheckpointOptions()));
  const std::string job_id = SubmitCounting({"-p", "2"}, {"--blocking"});
  // A TaskManager may have no worker: it is not there yet, or all slots that the job needs are elsewhere.
  int kills = 0;
  for (size_t i = 0; kills < 2 && State(job_id) != "FINISHED"; ++i) {
    ASSERT_TRUE(AwaitCheckpoint(job_id)) << Job(job_id).DebugString();
    for (const pid_t worker : Workers(i % 2)) kills += kill(worker, SIGKILL) == 0 ? 1 : 0;
  }
  ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
  EXPECT_GE(Job(job_id).summary().restarts(), 1);
  EXPECT_GT(Job(job_id).checkpoints().latest().attempt(), 0);
  ExpectExactlyOnce();
}

// A job whose sinks are blocked until OpenGate.
class BlockedSinkTest : public RecoveryTest {
 protected:
  // Checkpoints become complete although nothing has left the job.
  std::string SubmitBlocked(const Words& more_options = {}) {
    EXPECT_EQ(mkfifo(Path("gate").c_str(), 0600), 0);
    Words options = {"-p", "2", "-D", "execution.checkpointing.unaligned.enabled=true"};
    options.insert(options.end(), more_options.begin(), more_options.end());
    return SubmitGated(options);
  }
  std::string SubmitGated(const Words& options) {
    return Submit("gated",
                  {"--records", std::to_string(kRecords), "--keys", std::to_string(keys_), "--output", Path("out"),
                   "--gate", Path("gate")},
                  options);
  }
  // More of them than the one that may have begun before everything stood still; with what is in flight.
  bool AwaitInFlight(const std::string& job_id, int attempt) {
    const auto newest = [&] { return Job(job_id).checkpoints().latest(); };
    return AwaitTrue([&] { return newest().attempt() == attempt && newest().in_flight_bytes() > 0; }) &&
           AwaitJob(job_id, [first = newest().checkpoint_id()](const proto::JobDetails& job) {
             return job.checkpoints().latest().checkpoint_id() > first + 2;
           });
  }
  void OpenGate() {
    gate_ = UniqueFd(open(Path("gate").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_GE(gate_.get(), 0);
  }
  UniqueFd gate_;
};

TEST_F(BlockedSinkTest, UnalignedCheckpointsBecomeCompleteMeanwhileAndRestoreExactlyOnce) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 2, CheckpointOptions()));
  const std::string job_id = SubmitBlocked();
  ASSERT_TRUE(AwaitInFlight(job_id, 0)) << Job(job_id).DebugString();
  EXPECT_THAT(RunOnCluster({"info", job_id}).out, HasSubstr(" of them in flight)"));
  EXPECT_TRUE(Counts().empty());
  for (const pid_t worker : Workers(0)) kill(worker, SIGKILL);
  ASSERT_TRUE(AwaitInFlight(job_id, 1)) << Job(job_id).DebugString();
  EXPECT_TRUE(Counts().empty());
  ASSERT_NO_FATAL_FAILURE(OpenGate());
  ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
  ExpectExactlyOnce();
}

TEST_F(BlockedSinkTest, AnUnalignedCheckpointIsRescaled) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 2, CheckpointOptions()));
  const std::string first =
      SubmitBlocked({"-D", "execution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION", "-D",
                     "execution.checkpointing.aligned-checkpoint-timeout=20ms"});
  ASSERT_TRUE(AwaitInFlight(first, 0)) << Job(first).DebugString();
  EXPECT_EQ(RunOnCluster({"cancel", first}).status, 0);
  ASSERT_TRUE(AwaitState(first, "CANCELED"));
  const std::string checkpoint = Job(first).checkpoints().latest_path();
  EXPECT_THAT(Run({"state", "inspect", checkpoint}).out, HasSubstr("in flight"));
  ASSERT_NO_FATAL_FAILURE(OpenGate());
  const std::string second = SubmitGated({"-p", "3", "-s", checkpoint});
  ASSERT_TRUE(AwaitState(second, "FINISHED")) << Job(second).DebugString();
  ExpectExactlyOnce();
}

TEST_F(BlockedSinkTest, UnalignedCheckpointsThatAreNotExactlyOnceAreRefused) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1, CheckpointOptions()));
  const Ended refused = RunOnCluster({"run", "-d", "-D", "execution.checkpointing.unaligned.enabled=true", "-D",
                                      "execution.checkpointing.mode=AT_LEAST_ONCE", JobLibrary("ticks")});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("set the mode to EXACTLY_ONCE"));
}

TEST_F(RecoveryTest, AJobManagerThatWasStalledWhileAnotherTookOverEndsItselfAndCommitsNothing) {
  Words properties = CheckpointOptions();
  properties.push_back("high-availability.storageDir=" + Path("store"));
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1, properties));
  // Its client stays with it for as long as it is there.
  Words run = {"run", "-m", "localhost:" + std::to_string(rpc_port()), JobLibrary("counting"), "--", "--records"};
  run.insert(run.end(),
             {std::to_string(kRecords), "--keys", std::to_string(keys_), "--rate", "20000", "--output", Path("out")});
  const std::unique_ptr<ChildProcess> attached = Start(run);
  const std::string submitted = attached->AwaitLine("JobID ");
  ASSERT_FALSE(submitted.empty()) << attached->Output();
  const std::string job_id = submitted.substr(submitted.find("JobID ") + 6, 32);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(AwaitCheckpoint(job_id)) << Job(job_id).DebugString();
  job_manager().Signal(SIGSTOP);

  Words command = {"jobmanager", "-D", "jobmanager.rpc.port=0", "-D", "jobmanager.reconciliation.timeout=100ms"};
  for (const std::string& property : properties) command.insert(command.end(), {"-D", property});
  const std::unique_ptr<ChildProcess> second_job_manager = Start(command);
  const std::string line = second_job_manager->AwaitLine("JobManager is listening on");
  ASSERT_FALSE(line.empty()) << second_job_manager->Output();
  const std::string address = "localhost:" + line.substr(line.rfind(':') + 1);
  const std::unique_ptr<ChildProcess> second_task_manager = Start({"taskmanager", "-m", address});
  JobClient second(address);
  const auto await_second = [&](const std::function<bool(const proto::JobDetails&)>& condition) {
    return AwaitTrue([&] {
      const StatusOr<proto::JobDetails> job = second.GetJob(job_id);
      return job.ok() && condition(*job);
    });
  };
  ASSERT_TRUE(await_second([](const proto::JobDetails& job) { return job.checkpoints().latest().attempt() == 1; }))
      << second_job_manager->Output();

  job_manager().Signal(SIGCONT);
  EXPECT_EQ(job_manager().AwaitExit(), 1);
  EXPECT_THAT(job_manager().Output(), HasSubstr("this JobManager ends itself"));
  EXPECT_TRUE(await_second([](const proto::JobDetails& job) { return job.summary().state() == "FINISHED"; }))
      << second_job_manager->Output();
  ExpectExactlyOnce();
  second_task_manager->Signal(SIGTERM);
  second_job_manager->Signal(SIGTERM);
  EXPECT_EQ(second_task_manager->AwaitExit(), 0);
  EXPECT_EQ(second_job_manager->AwaitExit(), 0);

  // Whoever leads next at the old address tells the client how the job ended, and what is left of the old attempt to
  // go.
  EXPECT_TRUE(attached->Running()) << attached->Output();
  properties.push_back("jobmanager.rpc.port=" + std::to_string(rpc_port()));
  ASSERT_NO_FATAL_FAILURE(StartJobManager(properties));
  EXPECT_EQ(attached->AwaitExit(), 0) << attached->Output();
  EXPECT_THAT(attached->Output(), Not(HasSubstr("FAILED")));
  EXPECT_TRUE(AwaitTrue([this] { return Workers(0).empty(); }));
}

// Stopped with a savepoint and resumed from it by the other backend, at another parallelism.
TEST_F(RecoveryTest, ASavepointMovesFromMemoryToRocksDbAndBack) {
  Words cluster = CheckpointOptions();
  cluster.insert(cluster.end(), kNoRoom.begin(), kNoRoom.end());
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 4, cluster));
  struct Leg {
    const char* backend;
    const char* parallelism;
  };
  const Leg legs[] = {{"hashmap", "2"}, {"rocksdb", "8"}, {"hashmap", "3"}, {"rocksdb", "1"}};
  std::string savepoint;
  for (const Leg& leg : legs) {
    SCOPED_TRACE(std::string(leg.backend) + " at " + leg.parallelism);
    Words options = {"-p", leg.parallelism,
                     "-D", std::string("state.backend.type=") + leg.backend,
                     "-D", "pipeline.max-parallelism=128"};
    if (!savepoint.empty()) options.insert(options.end(), {"-s", savepoint});
    const std::string job_id = SubmitCounting(options);
    if (&leg == &legs[3]) {
      ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
      break;
    }
    ASSERT_TRUE(AwaitTrue([&] { return Job(job_id).checkpoints().completed_count() > 0; }))
        << Job(job_id).DebugString();
    savepoint = Stop(job_id);
  }
  ExpectExactlyOnce();
}

// A folder and no interval: checkpoints and savepoints only where somebody asks for them.
TEST_F(RecoveryTest, WhatASavepointCommittedStaysWhenTheJobGoesOnWithoutAnInterval) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 2, {"execution.checkpointing.dir=" + Path("checkpoints")}));
  const std::string first = SubmitCounting({"-p", "2"});
  ASSERT_TRUE(AwaitTrue([&] { return RecordsIn(first) > 5'000; })) << Job(first).DebugString();
  EXPECT_EQ(RunOnCluster({"savepoint", first, Path("savepoints")}).status, 0);
  const std::string second = SubmitCounting({"-p", "3", "-s", Stop(first)});
  ASSERT_TRUE(AwaitState(second, "FINISHED")) << Job(second).DebugString();
  ExpectExactlyOnce();
}

TEST_F(RecoveryTest, WhatACheckpointThatWasAskedForCommittedStaysBehindARestart) {
  ASSERT_NO_FATAL_FAILURE(
      StartCluster(2, 2,
                   {"execution.checkpointing.dir=" + Path("checkpoints"), "restart-strategy.type=fixed-delay",
                    "restart-strategy.fixed-delay.attempts=1000", "restart-strategy.fixed-delay.delay=1ms"}));
  const std::string job_id = SubmitCounting({"-p", "2"});
  ASSERT_TRUE(AwaitTrue([&] { return RecordsIn(job_id) > 5'000; })) << Job(job_id).DebugString();
  EXPECT_EQ(RunOnCluster({"checkpoint", job_id}).status, 0);
  ASSERT_FALSE(Workers(0).empty());
  kill(Workers(0).front(), SIGKILL);
  ASSERT_TRUE(AwaitState(job_id, "FINISHED")) << Job(job_id).DebugString();
  EXPECT_GE(Job(job_id).summary().restarts(), 1);
  ExpectExactlyOnce();
}

// It takes no checkpoints then, and begins at the savepoint again after a failure.
TEST_F(RecoveryTest, AJobGoesOnFromASavepointWithoutAFolderOfItsOwn) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 2, CheckpointOptions()));
  const std::string first = SubmitCounting({"-p", "2"});
  const std::string savepoint = Stop(first);
  const std::string second = SubmitCounting(
      {"-p", "3", "-s", savepoint, "-D", "execution.checkpointing.interval=0 s", "-D", "execution.checkpointing.dir="});
  ASSERT_TRUE(AwaitTrue([&] { return RecordsIn(second) > 1'000; })) << Job(second).DebugString();
  EXPECT_EQ(Job(second).checkpoints().restored_from(), savepoint);
  ASSERT_FALSE(Workers(0).empty());
  kill(Workers(0).front(), SIGKILL);
  ASSERT_TRUE(AwaitState(second, "FINISHED")) << Job(second).DebugString();
  EXPECT_GE(Job(second).summary().restarts(), 1);
  ExpectExactlyOnce();
}

TEST_F(RecoveryTest, AJobTakesTheMaximumParallelismOfItsSavepointUnlessItSetsOne) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 4, CheckpointOptions()));
  const std::string first = SubmitCounting({"-p", "2", "-D", "pipeline.max-parallelism=6"});
  const std::string savepoint = Stop(first);
  const auto refused = [&](const Words& options) {
    Words words = {"run", "-d", "-s", savepoint};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {JobLibrary("counting"), "--", "--output", Path("out")});
    const Ended ended = RunOnCluster(words);
    EXPECT_EQ(ended.status, 1) << ended.out;
    return ended.err;
  };
  EXPECT_THAT(refused({"-p", "7"}),
              HasSubstr("'KeyedProcess' has parallelism 7, its state can be divided among at most 6"));
  EXPECT_THAT(refused({"-p", "3", "-D", "pipeline.max-parallelism=128"}),
              HasSubstr("'KeyedProcess' has state in 6 key groups, but a maximum parallelism of 128 is set for it"));
  const std::string second = SubmitCounting({"-p", "5", "-s", savepoint}, {"--blocking"});
  ASSERT_TRUE(AwaitState(second, "FINISHED")) << Job(second).DebugString();
  ExpectExactlyOnce();
}

TEST_F(RecoveryTest, ALaterVersionWithAFieldMoreGoesOnFromTheSavepoint) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 2, CheckpointOptions()));
  const std::string first = SubmitCounting({"-p", "2", "-D", "pipeline.max-parallelism=128"});
  ASSERT_TRUE(AwaitCheckpoint(first)) << Job(first).DebugString();
  const std::string savepoint = Stop(first);
  const std::string second = SubmitCounting(
      {"-p", "3", "-D", "pipeline.max-parallelism=128", "-D", "state.backend.type=rocksdb", "-s", savepoint},
      {"--later"});
  ASSERT_TRUE(AwaitState(second, "FINISHED")) << Job(second).DebugString();
  ExpectExactlyOnce();
}

TEST_F(RecoveryTest, StateThatHasExpiredGoesFromRocksDbAndStaysAwayAfterARestart) {
  Words cluster = CheckpointOptions();
  cluster.insert(cluster.end(), kNoRoom.begin(), kNoRoom.end());
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2, cluster));
  keys_ = 5;
  const std::string job_id =
      Submit("counting",
             {"--records", "1000000000", "--keys", "5", "--unique", "20000", "--rate", "20000", "--ttl", "500",
              "--output", Path("out")},
             {"-p", "2", "-D", "state.backend.type=rocksdb", "-D", "pipeline.max-parallelism=128"});
  ASSERT_TRUE(AwaitTrue([&] { return RecordsIn(job_id) > 20'000; })) << Job(job_id).DebugString();
  for (const bool killed : {false, true}) {
    SCOPED_TRACE(killed);
    if (killed) kill(Workers(0).at(0), SIGKILL);
    Ended inspected;
    EXPECT_TRUE(AwaitTrue([&] {
      const Ended taken = RunOnCluster({"savepoint", job_id, Path("savepoints")});
      if (taken.status != 0) return false;  // it is being restarted
      inspected = Run({"state", "inspect", PathIn(taken.out)});
      return inspected.out.find("Entries of 'keyed state' per key group: 5 in") != std::string::npos;
    })) << inspected.out;
  }
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
  EXPECT_TRUE(AwaitState(job_id, "CANCELED"));
}

}  // namespace
}  // namespace eagre
