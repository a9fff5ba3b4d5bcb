// Jobs that go on from a savepoint of another version, and savepoints that are looked into.
#include <sys/stat.h>

#include "base/file_system.h"
#include "tests/cluster/cluster_fixture.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RestoreTest : public ClusterTest {
 protected:
  // Starts a cluster and stops the job "versions" behind a savepoint, whose path is in savepoint_.
  void TakeSavepoint() {
    ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2));
    const std::string job_id = Submit("versions", {"--records", "1000000000", "--rate", "1000"}, Options());
    ASSERT_TRUE(AwaitTrue([&] { return RecordsIn(job_id) > 100; }));
    const Ended stopped = RunOnCluster({"stop", "-p", Path("savepoints"), job_id});
    ASSERT_EQ(stopped.status, 0) << stopped.err;
    savepoint_ = PathIn(stopped.out);
  }
  Words Options() const { return {"-p", "2", "-D", "execution.checkpointing.dir=" + Path("checkpoints")}; }
  // Starts another version from the savepoint.
  Ended GoOn(const Words& job_arguments, const Words& more = {}) {
    Words command = {"run", "-d", "-s", savepoint_};
    for (const Words& words : {Options(), more}) command.insert(command.end(), words.begin(), words.end());
    command.insert(command.end(), {JobLibrary("versions"), "--"});
    command.insert(command.end(), job_arguments.begin(), job_arguments.end());
    return RunOnCluster(command);
  }

  std::string savepoint_;
};

TEST_F(RestoreTest, AVersionThatDoesNotFitIsRefusedBeforeItRunsWithAllThatDiffers) {
  ASSERT_NO_FATAL_FAILURE(TakeSavepoint());
  const Ended unfit = GoOn({"--held", "union", "--key", "text", "--window", "500", "--sum", "text", "--sorted", "text"},
                           {"--allowNonRestoredState"});
  EXPECT_EQ(unfit.status, 1) << unfit.out;
  EXPECT_THAT(unfit.err, AllOf(HasSubstr("state 'held' was a list and is a union list now"),
                               HasSubstr("the key was int64 and is string now"), HasSubstr("windows of 500000 ms"),
                               HasSubstr("'accumulator' was int64 and is string now"), HasSubstr("held records")));
  EXPECT_THAT(unfit.err, Not(HasSubstr("--allowNonRestoredState")));
  const Ended kind = GoOn({"--per-key", "list"}, {"--allowNonRestoredState"});
  EXPECT_EQ(kind.status, 1) << kind.out;
  EXPECT_THAT(kind.err, HasSubstr("state 'count' was a value and is a list now"));

  const Ended same = GoOn({"--records", "1000"});
  ASSERT_EQ(same.status, 0) << same.err;
  EXPECT_TRUE(AwaitState(same.out.substr(same.out.find("JobID ") + 6, 32), "FINISHED"));
}

TEST_F(RestoreTest, StateThatNobodyTakesIsDroppedOnlyWhenThatIsPermittedAndIsLogged) {
  ASSERT_NO_FATAL_FAILURE(TakeSavepoint());
  const std::vector<std::pair<Words, std::string>> cases = {
      {{"--held", "renamed"}, "has stored 'list held', but the job has no such state"},
      {{"--held", "none"}, "has stored 'list held', but the job has no such state"},
      {{"--per-key", "renamed"}, "has stored 'value count', but the job has no such state"},
      {{"--per-key", "none"}, "has stored 'value count', but the job has no such state"},
  };
  for (const auto& [arguments, lost] : cases) {
    SCOPED_TRACE(arguments[0] + " " + arguments[1]);
    Words command = arguments;
    command.insert(command.end(), {"--records", "1000"});
    const Ended refused = GoOn(command);
    EXPECT_EQ(refused.status, 1) << refused.out;
    EXPECT_THAT(refused.err, AllOf(HasSubstr(lost), HasSubstr("--allowNonRestoredState")));
    const Ended permitted = GoOn(command, {"-n"});
    ASSERT_EQ(permitted.status, 0) << permitted.err;
    const std::string job_id = permitted.out.substr(permitted.out.find("JobID ") + 6, 32);
    EXPECT_TRUE(AwaitState(job_id, "FINISHED"));
    EXPECT_THAT(job_manager().Output(),
                HasSubstr("job " + job_id + " goes on from " + savepoint_ + " without all of its state: "));
    EXPECT_THAT(job_manager().Output(), HasSubstr(lost));
  }
}

TEST_F(RestoreTest, InspectingASavepointTakesItsNamesAndFindsDamageInEveryFile) {
  ASSERT_NO_FATAL_FAILURE(TakeSavepoint());
  const Ended whole = Run({"state", "inspect", savepoint_});
  ASSERT_EQ(whole.status, 0) << whole.err;
  for (const std::string& name : {"file://" + savepoint_, savepoint_ + "/_metadata", savepoint_ + "/"}) {
    EXPECT_EQ(Run({"state", "inspect", name}).out, whole.out) << name;
  }
  for (const std::string& path : FilesBelow(savepoint_)) {
    if (PosixFileSystem().Stat(path)->is_directory) continue;
    const std::string good = *PosixFileSystem().ReadFile(path);
    std::string bad = good;
    bad.back() = static_cast<char>(bad.back() ^ 1);
    ASSERT_TRUE(PosixFileSystem().WriteFile(path, bad).ok());
    const Ended inspected = Run({"state", "inspect", savepoint_});
    EXPECT_EQ(inspected.status, 1) << path;
    EXPECT_THAT(inspected.err, HasSubstr(path));
    ASSERT_TRUE(PosixFileSystem().WriteFile(path, good).ok());
  }
  ASSERT_TRUE(PosixFileSystem().Remove(savepoint_ + "/_metadata").ok());
  ASSERT_EQ(mkfifo((savepoint_ + "/_metadata").c_str(), 0600), 0);
  EXPECT_THAT(Run({"state", "inspect", savepoint_}).err, HasSubstr("it is a pipe"));
  EXPECT_THAT(GoOn({}).err, HasSubstr("it is a pipe"));
  ExpectDaemonsAlive();
}

}  // namespace
}  // namespace eagre
