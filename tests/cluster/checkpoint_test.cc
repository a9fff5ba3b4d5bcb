// Checkpoints and savepoints of jobs on a real cluster.
#include <sys/mount.h>

#include <algorithm>
#include <csignal>

#include "base/file_system.h"
#include "state/checkpoint_metadata.h"
#include "tests/cluster/cluster_fixture.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CheckpointTest : public ClusterTest {
 protected:
  std::string Folder() const { return Path("checkpoints"); }
  Words EveryTenthOfASecond() const {
    return {"-D", "execution.checkpointing.interval=100ms",
            "-D", "execution.checkpointing.dir=" + Folder(),
            "-D", "restart-strategy.exponential-delay.initial-backoff=10ms"};
  }
  bool AwaitCheckpoint(const std::string& job_id, int64_t at_least) {
    return AwaitJob(job_id, [at_least](const proto::JobDetails& job) {
      return job.checkpoints().latest().checkpoint_id() >= at_least;
    });
  }
};

TEST_F(CheckpointTest, AJobGoesOnFromItsNewestCheckpointWhenItsWorkerIsKilled) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1));
  Words options = EveryTenthOfASecond();
  options.insert(options.end(), {"-p", "2"});
  const std::string job_id = Submit("ticks", {}, options);
  ASSERT_TRUE(AwaitCheckpoint(job_id, 2)) << RunOnCluster({"info", job_id}).out;
  ASSERT_EQ(Workers(0).size(), 1u);
  kill(Workers(0)[0], SIGKILL);
  ASSERT_TRUE(AwaitJob(job_id, [](const proto::JobDetails& job) {
    return job.attempt() == 1 && job.checkpoints().latest().attempt() == 1;
  })) << RunOnCluster({"info", job_id}).out;
  const proto::CheckpointDetails checkpoints = Job(job_id).checkpoints();
  EXPECT_THAT(checkpoints.restored_from(), StartsWith(JoinPath(Folder(), job_id) + "/chk-"));
  EXPECT_THAT(RunOnCluster({"info", job_id}).out,
              AllOf(HasSubstr("Checkpoints (EXACTLY_ONCE, every 100 ms)"), HasSubstr("Restored at ")));
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
  ASSERT_TRUE(AwaitState(job_id, "CANCELED"));
}

TEST_F(CheckpointTest, ASavepointStartsAnotherJobAlsoWhenItWasMoved) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
  const std::string job_id = Submit("ticks", {}, EveryTenthOfASecond());
  ASSERT_TRUE(AwaitFlow(job_id));
  const Ended checkpoint = RunOnCluster({"checkpoint", job_id});
  EXPECT_EQ(checkpoint.status, 0) << checkpoint.err;
  const Ended savepoint = RunOnCluster({"savepoint", job_id, Path("savepoints")});
  ASSERT_EQ(savepoint.status, 0) << savepoint.err;
  EXPECT_THAT(savepoint.out, AllOf(HasSubstr("Savepoint completed. Path: " + Path("savepoints") + "/savepoint-"),
                                   HasSubstr("You can resume your program from this savepoint with the run command.")));
  EXPECT_EQ(State(job_id), "RUNNING");
  const Ended stopped = RunOnCluster({"stop", "-p", Path("savepoints"), job_id});
  ASSERT_EQ(stopped.status, 0) << stopped.err;
  EXPECT_EQ(State(job_id), "FINISHED");

  const std::string moved = Path("moved");
  ASSERT_TRUE(PosixFileSystem().Rename(PathIn(stopped.out), moved).ok()) << stopped.out;
  EXPECT_THAT(Run({"state", "inspect", moved}).out, AllOf(HasSubstr("Savepoint: " + moved), HasSubstr("ticks")));
  Words options = EveryTenthOfASecond();
  options.insert(options.end(), {"-s", moved});
  const std::string second = Submit("ticks", {}, options);
  ASSERT_TRUE(AwaitCheckpoint(second, 1)) << RunOnCluster({"info", second}).out;
  EXPECT_EQ(Job(second).checkpoints().restored_from(), moved);
  EXPECT_EQ(RunOnCluster({"cancel", second}).status, 0);
  ASSERT_TRUE(AwaitState(second, "CANCELED"));
}

// A drain ends event time: what is read behind it would be late for every window.
TEST_F(CheckpointTest, NothingIsLateBehindADrainWhetherItFailedOrTheJobGoesOnFromItsSavepoint) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const Words arguments = {"--records", "1000000000", "--rate", "5000"};
  const auto goes_on_without_late_records = [this](const std::string& job_id) {
    return AwaitJob(job_id, [](const proto::JobDetails& job) {
      int64_t records = 0;
      for (const proto::VertexDetails& vertex : job.vertices()) {
        for (const proto::OperatorReport& op : vertex.operators()) {
          EXPECT_EQ(op.late_records_dropped(), 0);
          if (op.late_records_dropped() > 0) return true;
          records = std::max(records, op.records_in());
        }
      }
      return records > 2000;
    });
  };
  const std::string first = Submit("versions", arguments, EveryTenthOfASecond());
  ASSERT_TRUE(AwaitCheckpoint(first, 1));
  const Ended failed = RunOnCluster({"stop", "--drain", "-p", WriteFile("taken", "no folder"), first});
  EXPECT_NE(failed.status, 0);
  EXPECT_THAT(failed.err, HasSubstr("cannot write the savepoint"));
  ASSERT_TRUE(AwaitJob(first, [](const proto::JobDetails& job) {
    return job.attempt() == 1 && job.summary().state() == "RUNNING";
  })) << RunOnCluster({"info", first}).out;
  EXPECT_THAT(RunOnCluster({"info", first}).out, HasSubstr("a stop with --drain came to no savepoint"));
  EXPECT_TRUE(goes_on_without_late_records(first)) << RunOnCluster({"info", first}).out;
  const Ended stopped = RunOnCluster({"stop", "--drain", "-p", Path("savepoints"), first});
  ASSERT_EQ(stopped.status, 0) << stopped.err;

  Words options = EveryTenthOfASecond();
  options.insert(options.end(), {"-s", PathIn(stopped.out)});
  const std::string second = Submit("versions", arguments, options);
  EXPECT_TRUE(goes_on_without_late_records(second)) << RunOnCluster({"info", second}).out;
  EXPECT_EQ(RunOnCluster({"cancel", second}).status, 0);
  ASSERT_TRUE(AwaitState(second, "CANCELED"));
}

TEST_F(CheckpointTest, ADetachedOrderReturnsBeforeItsSavepointIsThere) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const std::string job_id = Submit("ticks", {}, EveryTenthOfASecond());
  ASSERT_TRUE(AwaitFlow(job_id));
  const auto path_in = [](const std::string& said) {
    const size_t at = said.find("The savepoint will be at ") + 25;
    return said.substr(at, said.find('\n', at) - at);
  };
  const Ended savepoint = RunOnCluster({"savepoint", "-detached", job_id, Path("savepoints")});
  ASSERT_EQ(savepoint.status, 0) << savepoint.err;
  EXPECT_THAT(savepoint.out, AllOf(HasSubstr("Triggering savepoint in detached mode for job " + job_id + ".\n"),
                                   HasSubstr("Successfully trigger manual savepoint, triggerId: savepoint-")));
  const std::string first = path_in(savepoint.out);
  EXPECT_TRUE(AwaitJob(job_id, [&](const proto::JobDetails& job) {
    return job.checkpoints().latest_savepoint() == first;
  })) << RunOnCluster({"info", job_id}).out;
  EXPECT_EQ(State(job_id), "RUNNING");

  const Ended stop = RunOnCluster({"stop", "-detached", "-p", Path("savepoints"), job_id});
  ASSERT_EQ(stop.status, 0) << stop.err;
  EXPECT_THAT(stop.out, HasSubstr("Successfully trigger stop-with-savepoint, triggerId: savepoint-"));
  EXPECT_TRUE(AwaitState(job_id, "FINISHED"));
  for (const std::string& path : {first, path_in(stop.out)}) {
    const Ended inspected = Run({"state", "inspect", path});
    EXPECT_EQ(inspected.status, 0) << inspected.err;
  }
  const Ended refused = RunOnCluster({"savepoint", "--detached", job_id, Path("savepoints")});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("has already ended"));
}

TEST_F(CheckpointTest, ASavepointThatDoesNotFitIsRefusedBeforeAnythingRuns) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const std::string job_id = Submit("ticks", {}, EveryTenthOfASecond());
  ASSERT_TRUE(AwaitFlow(job_id));
  const Ended stopped = RunOnCluster({"stop", "-p", Path("savepoints"), job_id});
  ASSERT_EQ(stopped.status, 0) << stopped.err;
  const std::string path = PathIn(stopped.out);

  const Ended foreign = RunOnCluster({"run", "-d", "-s", path, JobLibrary("hello")});
  EXPECT_EQ(foreign.status, 1);
  EXPECT_THAT(foreign.err, AllOf(HasSubstr("operator 'ticks'"), HasSubstr("--allowNonRestoredState")));
  const Ended nothing = RunOnCluster({"run", "-d", "-s", Path("nowhere"), JobLibrary("ticks")});
  EXPECT_EQ(nothing.status, 1);
  EXPECT_THAT(nothing.err, HasSubstr("there is no checkpoint or savepoint at " + Path("nowhere")));
  std::string metadata = *PosixFileSystem().ReadFile(path + "/_metadata");
  metadata[metadata.size() / 2] ^= 1;
  ASSERT_TRUE(PosixFileSystem().WriteFile(path + "/_metadata", metadata).ok());
  const Ended damaged = RunOnCluster({"run", "-d", "-s", path, JobLibrary("ticks")});
  EXPECT_EQ(damaged.status, 1);
  EXPECT_THAT(damaged.err, AllOf(HasSubstr(path + "/_metadata"), HasSubstr("damaged")));
  ExpectDaemonsAlive();
}

TEST_F(CheckpointTest, AFolderThatIsReadOnlyFailsTheJobAndNobodyElse) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const Ended without = RunOnCluster({"run", "-d", "-D", "execution.checkpointing.interval=1s", JobLibrary("ticks")});
  EXPECT_EQ(without.status, 1);
  EXPECT_THAT(without.err, HasSubstr("execution.checkpointing.dir is not set"));
  const Ended failed = RunOnCluster({"run", "-D", "execution.checkpointing.interval=1s", "-D",
                                     "execution.checkpointing.dir=/proc/no-folder-here", JobLibrary("ticks")});
  EXPECT_EQ(failed.status, 1);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("execution.checkpointing.dir"), HasSubstr("/proc/no-folder-here")));
  ExpectDaemonsAlive();
}

TEST_F(CheckpointTest, AJobManagerTakesUpTheJobsOfAClusterThatDiedAsAWhole) {
  const Words properties = {"high-availability.storageDir=" + Path("store")};
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1, properties));
  const std::string job_id = Submit("ticks", {}, EveryTenthOfASecond());
  ASSERT_TRUE(AwaitCheckpoint(job_id, 2));
  job_manager().Signal(SIGKILL);
  ASSERT_NE(job_manager().AwaitExit(), -1);
  task_manager(0).Signal(SIGKILL);
  ASSERT_NE(task_manager(0).AwaitExit(), -1);
  ASSERT_NO_FATAL_FAILURE(StartJobManager(
      {properties[0], "jobmanager.rpc.port=" + std::to_string(rpc_port()), "jobmanager.reconciliation.timeout=100ms"}));
  StartTaskManager({});
  ASSERT_TRUE(AwaitJob(job_id, [](const proto::JobDetails& job) {
    return job.attempt() >= 1 && job.checkpoints().latest().attempt() == job.attempt();
  })) << RunOnCluster({"info", job_id}).out;
  EXPECT_THAT(Job(job_id).checkpoints().restored_from(), StartsWith(JoinPath(Folder(), job_id) + "/chk-"));
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
  ASSERT_TRUE(AwaitState(job_id, "CANCELED"));
}

// All of a cluster dies, and of one job's checkpoints all are gone, of another's the log, of a third the newest entry.
TEST_F(CheckpointTest, AJobWhoseCheckpointsAreGoneFailsWhenItIsTakenUpAndSaysWhatToDo) {
  const Words properties = {"high-availability.storageDir=" + Path("store"), "execution.checkpointing.num-retained=3"};
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 3, properties));
  std::vector<std::string> jobs;
  for (int i = 0; i < 3; ++i) jobs.push_back(Submit("ticks", {}, EveryTenthOfASecond()));
  for (const std::string& job : jobs) ASSERT_TRUE(AwaitCheckpoint(job, 5));
  job_manager().Signal(SIGKILL);
  ASSERT_NE(job_manager().AwaitExit(), -1);
  task_manager(0).Signal(SIGKILL);
  ASSERT_NE(task_manager(0).AwaitExit(), -1);
  FileSystem& files = PosixFileSystem();
  const auto folder_of = [&](int job) { return JoinPath(Folder(), jobs[static_cast<size_t>(job)]); };
  ASSERT_TRUE(files.RemoveTree(folder_of(0)).ok());
  ASSERT_TRUE(files.RemoveTree(folder_of(1) + "/log").ok());
  const std::string newest_entry = files.List(folder_of(2) + "/log")->back().path;
  const auto read_entry = files.ReadFile(newest_entry);
  ASSERT_TRUE(read_entry.ok()) << read_entry.status();
  proto::CheckpointLogEntry entry;
  ASSERT_TRUE(UnframeCheckpointMessage("eagrelog", *read_entry, newest_entry, entry).ok()) << newest_entry;
  ASSERT_TRUE(files.Remove(newest_entry).ok());
  ASSERT_NO_FATAL_FAILURE(
      StartJobManager({properties[0], properties[1], "jobmanager.rpc.port=" + std::to_string(rpc_port()),
                       "jobmanager.reconciliation.timeout=100ms"}));
  StartTaskManager({"taskmanager.numberOfTaskSlots=3"});

  ASSERT_TRUE(AwaitState(jobs[0], "FAILED")) << RunOnCluster({"info", jobs[0]}).out;
  EXPECT_THAT(Job(jobs[0]).failures(0).message(),
              AllOf(HasSubstr(folder_of(0) + "/log, is empty or gone"), HasSubstr("mounted")));
  EXPECT_FALSE(files.Exists(folder_of(0)));
  ASSERT_TRUE(AwaitState(jobs[1], "FAILED")) << RunOnCluster({"info", jobs[1]}).out;
  EXPECT_THAT(Job(jobs[1]).failures(0).message(), HasSubstr("start the job anew with -s " + folder_of(1) + "/chk-"));
  ASSERT_TRUE(AwaitJob(jobs[2], [](const proto::JobDetails& job) {
    return job.attempt() >= 1 && job.checkpoints().latest().attempt() == job.attempt();
  })) << RunOnCluster({"info", jobs[2]}).out;
  EXPECT_EQ(Job(jobs[2]).checkpoints().restored_from(),
            fmt::format("{}/chk-{}", folder_of(2), entry.completion().checkpoint_id()));
  EXPECT_EQ(RunOnCluster({"cancel", jobs[2]}).status, 0);
  ASSERT_TRUE(AwaitState(jobs[2], "CANCELED"));
}

TEST_F(CheckpointTest, WorkersRunOnWhileTheJobManagerIsGoneAndTheAttachedRunReportsTheEnd) {
  const Words properties = {"high-availability.storageDir=" + Path("store")};
  ASSERT_NO_FATAL_FAILURE(StartCluster(2, 1, properties));
  Words command = {"run", "-p", "2"};
  for (const std::string& option : EveryTenthOfASecond()) command.push_back(option);
  command.insert(command.end(), {JobLibrary("ticks"), "--", "--count", "4000", "--rate", "2000"});
  command.insert(command.begin() + 1, {"-m", "localhost:" + std::to_string(rpc_port())});
  const std::unique_ptr<ChildProcess> attached = Start(command);
  const std::string submitted = attached->AwaitLine("JobID ");
  ASSERT_FALSE(submitted.empty()) << attached->Output();
  const std::string job_id = submitted.substr(submitted.find("JobID ") + 6, 32);
  ASSERT_TRUE(AwaitCheckpoint(job_id, 2));
  const int64_t before = Job(job_id).checkpoints().latest().checkpoint_id();
  const std::vector<pid_t> workers = {Workers(0).at(0), Workers(1).at(0)};
  job_manager().Signal(SIGKILL);
  ASSERT_NE(job_manager().AwaitExit(), -1);
  ASSERT_NO_FATAL_FAILURE(StartJobManager({properties[0], "jobmanager.rpc.port=" + std::to_string(rpc_port())}));
  ASSERT_TRUE(AwaitCheckpoint(job_id, before + 1)) << RunOnCluster({"info", job_id}).out;
  const proto::JobDetails job = Job(job_id);
  EXPECT_EQ(job.attempt(), 0) << "nothing was restarted";
  EXPECT_EQ(job.summary().restarts(), 0);
  EXPECT_THAT(Workers(0), ::testing::ElementsAre(workers[0]));
  EXPECT_THAT(Workers(1), ::testing::ElementsAre(workers[1]));
  EXPECT_EQ(attached->AwaitExit(), 0) << attached->Output();
  EXPECT_THAT(attached->Stdout(), HasSubstr("Records in: 4,000\n"));
}

TEST_F(CheckpointTest, WithoutAStoreTheWorkersOfADeadJobManagerAreKilledByTheNext) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  const std::string job_id = Submit("ticks", {}, EveryTenthOfASecond());
  ASSERT_TRUE(AwaitFlow(job_id));
  job_manager().Signal(SIGKILL);
  ASSERT_NE(job_manager().AwaitExit(), -1);
  ASSERT_NO_FATAL_FAILURE(StartJobManager({"jobmanager.rpc.port=" + std::to_string(rpc_port())}));
  EXPECT_TRUE(AwaitSlots(1));
  EXPECT_THAT(Workers(0), ::testing::IsEmpty());
}

TEST_F(CheckpointTest, AnInterruptedLocalRunSaysHowToGoOn) {
  Words command = {"run"};
  for (const std::string& option : EveryTenthOfASecond()) command.push_back(option);
  command.insert(command.end(), {JobLibrary("ticks"), "--", "--rate", "2000"});
  const std::unique_ptr<ChildProcess> run = Start(command);
  ASSERT_FALSE(run->AwaitLine("JobID ").empty()) << run->Output();
  ASSERT_TRUE(AwaitTrue([this] {
    const std::vector<std::string> files = FilesBelow(Folder());
    return std::any_of(files.begin(), files.end(),
                       [](const std::string& path) { return path.find("/chk-") != std::string::npos; });
  }));
  run->Signal(SIGINT);
  EXPECT_EQ(run->AwaitExit(), 130) << run->Output();
  const std::string savepoint = PathIn(run->Stdout());
  EXPECT_THAT(run->Stdout(), HasSubstr("run -s " + savepoint + " -D execution.checkpointing.interval=100ms"));
  const Ended inspected = Run({"state", "inspect", savepoint});
  EXPECT_EQ(inspected.status, 0) << inspected.err;
  EXPECT_THAT(inspected.out, HasSubstr("ticks"));
}

// A file system in memory of a few bytes; needs privileges.
class SmallDisk {
 public:
  SmallDisk(std::string path, const char* options) : path_(std::move(path)) {
    EXPECT_TRUE(PosixFileSystem().CreateDirectories(path_).ok());
    mounted_ = mount("eagre-test", path_.c_str(), "tmpfs", 0, options) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  const std::string path_;
  bool mounted_ = false;
};

TEST_F(CheckpointTest, AFullDiskFailsCheckpointsAndTheLastGoodOneStaysUsable) {
  const SmallDisk disk(Folder(), "size=1m");
  if (!disk.mounted()) GTEST_SKIP() << "file systems cannot be mounted here";
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  Words options = EveryTenthOfASecond();
  options.insert(options.end(), {"-D", "execution.checkpointing.tolerable-failed-checkpoints=1000000"});
  const std::string job_id =
      Submit("counting",
             {"--records", "1000000000", "--keys", "1000000000", "--rate", "50000", "--output", Path("out")}, options);
  ASSERT_TRUE(AwaitCheckpoint(job_id, 1)) << RunOnCluster({"info", job_id}).out;
  ASSERT_TRUE(AwaitJob(job_id, [](const proto::JobDetails& job) {
    return job.checkpoints().latest_failure().find("No space left on device") != std::string::npos;
  })) << RunOnCluster({"info", job_id}).out;
  EXPECT_EQ(State(job_id), "RUNNING");
  const std::string good = Job(job_id).checkpoints().latest_path();
  EXPECT_EQ(Run({"state", "inspect", good}).status, 0);
  kill(Workers(0).at(0), SIGKILL);
  ASSERT_TRUE(AwaitJob(job_id, [](const proto::JobDetails& job) {
    return job.attempt() == 1 && job.summary().state() == "RUNNING";
  })) << RunOnCluster({"info", job_id}).out;
  ASSERT_TRUE(AwaitFlow(job_id));
  EXPECT_THAT(Job(job_id).checkpoints().restored_from(), StartsWith(JoinPath(Folder(), job_id) + "/chk-"));
  ExpectDaemonsAlive();
  EXPECT_EQ(RunOnCluster({"cancel", job_id}).status, 0);
  ASSERT_TRUE(AwaitState(job_id, "CANCELED"));
}

TEST_F(CheckpointTest, ADamagedNewestCheckpointStopsTheJobAndTheOlderOneStaysUsable) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  Words options = EveryTenthOfASecond();
  options.insert(options.end(), {"-D", "execution.checkpointing.num-retained=3", "-D",
                                 "restart-strategy.exponential-delay.initial-backoff=500ms"});
  const std::string job_id =
      Submit("counting", {"--records", "1000000000", "--rate", "5000", "--output", Path("out")}, options);
  ASSERT_TRUE(AwaitCheckpoint(job_id, 3)) << RunOnCluster({"info", job_id}).out;
  // Of the checkpoint to be restored, whichever it will be: it is damaged while the worker's death is being handled.
  kill(Workers(0).at(0), SIGKILL);
  ASSERT_TRUE(AwaitState(job_id, "RESTARTING"));
  const std::string newest = Job(job_id).checkpoints().latest_path();
  const auto metadata = ReadCheckpointMetadata(PosixFileSystem(), newest);
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  const std::string own = Path("checkpoints") + "/" + job_id + "/shared";
  bool damaged = false;
  for (const proto::OperatorSnapshot& op : metadata->operators()) {
    for (const proto::SubtaskSnapshot& subtask : op.subtasks()) {
      for (const proto::StateSnapshot& state : subtask.states()) {
        if (damaged || state.segments().empty()) continue;
        const proto::StateSegment& segment = *state.segments().rbegin();
        const std::string file = CheckpointFilesRoot(newest, *metadata) + "/" + segment.file();
        std::string bytes = *PosixFileSystem().ReadFile(file);
        bytes[segment.offset() + segment.length() / 2] ^= 1;
        damaged = PosixFileSystem().WriteFile(file, bytes).ok();
      }
    }
  }
  ASSERT_TRUE(damaged);
  ASSERT_TRUE(AwaitState(job_id, "FAILED"));
  const std::string why = Job(job_id).failures(0).message();
  EXPECT_THAT(why, AllOf(HasSubstr(newest), HasSubstr("is damaged"),
                         HasSubstr("execution.checkpointing.recover-with-duplicates")));
  ExpectDaemonsAlive();

  const size_t at = why.rfind("-s ");
  ASSERT_NE(at, std::string::npos) << why;
  Words again = EveryTenthOfASecond();
  again.insert(again.end(), {"-s", why.substr(at + 3)});
  const std::string second =
      Submit("counting", {"--records", "1000000000", "--rate", "5000", "--output", Path("out")}, again);
  EXPECT_TRUE(AwaitCheckpoint(second, 1)) << RunOnCluster({"info", second}).out;
  EXPECT_EQ(RunOnCluster({"cancel", second}).status, 0);
  ASSERT_TRUE(AwaitState(second, "CANCELED"));
}

TEST_F(CheckpointTest, AJobThatEndsLeavesNoCheckpoints) {
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 1));
  Words command = {"run"};
  for (const std::string& option : EveryTenthOfASecond()) command.push_back(option);
  command.insert(command.end(), {JobLibrary("ticks"), "--", "--count", "1000", "--rate", "2000"});
  const Ended ended = RunOnCluster(command);
  EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("Records in: 1,000\n"));
  const std::string job_id = ended.out.substr(ended.out.find("JobID ") + 6, 32);
  // They are deleted by another thread than the one that says how the job ended.
  EXPECT_TRUE(AwaitJob(job_id, [this](const proto::JobDetails&) { return FilesBelow(Folder()).empty(); }));
}

}  // namespace
}  // namespace eagre
