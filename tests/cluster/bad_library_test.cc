// Libraries that are no good job: each is refused with words that tell a newcomer what is wrong, and the JobManager
// lives.
#include <algorithm>
#include <filesystem>

#include "tests/cluster/cluster_fixture.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The line that says what is wrong; a stack, whose addresses differ from run to run, may follow, and what Abseil's
// symbolizer has to say may come before.
std::string ErrorLine(const std::string& text) {
  const size_t begin = std::min(text.find("eagre run: "), text.size());
  return text.substr(begin, text.find('\n', begin) - begin);
}

class BadLibraryTest : public ClusterTest {
 protected:
  // The message of a run that is refused both in this process and on a cluster.
  std::string Refusal(const std::string& library) {
    const Ended local = Run({"run", library});
    EXPECT_EQ(local.status, 1) << local.out << local.err;
    const Ended remote = RunOnCluster({"run", library});
    EXPECT_EQ(remote.status, 1) << remote.out << remote.err;
    const StatusOr<proto::ListJobsReply> jobs = client().ListJobs();
    EXPECT_TRUE(jobs.ok()) << "the JobManager does not answer: " << jobs.status();
    EXPECT_EQ(jobs.ok() ? jobs->jobs_size() : -1, 0) << "a bad library was accepted";
    EXPECT_EQ(ErrorLine(local.err), ErrorLine(remote.err)) << "the same library, other words";
    return remote.err;
  }
};

TEST_F(BadLibraryTest, EachIsRefusedWithWordsThatHelp) {
  ASSERT_NO_FATAL_FAILURE(StartJobManager());
  EXPECT_THAT(Refusal(JobLibrary("throws_at_load")),
              AllOf(HasSubstr("test_throws_at_load.so"), HasSubstr("no luck today")));
  EXPECT_THAT(Refusal(JobLibrary("crashes_at_load")), AllOf(HasSubstr("test_crashes_at_load.so"), HasSubstr("SIGSEGV"),
                                                            HasSubstr("(test_crashes_at_load.so+0x")));
  EXPECT_THAT(Refusal(JobLibrary("exits_at_load")), AllOf(HasSubstr("exit status 7"), HasSubstr("must not call exit")));
  EXPECT_THAT(Refusal(JobLibrary("not_a_job")), AllOf(HasSubstr("is no job"), HasSubstr("EAGRE_JOB")));
  EXPECT_THAT(Refusal(JobLibrary("other_build")), AllOf(HasSubstr("built for another build"), HasSubstr("version"),
                                                        HasSubstr("0.0.7"), HasSubstr("rebuild")));
  EXPECT_THAT(Refusal(WriteFile("text.so", "this is no library")),
              AllOf(HasSubstr("text.so"), HasSubstr("cannot be loaded as a shared library")));
  EXPECT_THAT(Refusal(Path("missing.so")), AllOf(HasSubstr("missing.so"), HasSubstr("does not exist")));
  EXPECT_THAT(Refusal(Path("")), HasSubstr("is not a file"));
  ExpectDaemonsAlive();
}

TEST_F(BadLibraryTest, OneThatDoesNotComeToAnEndInTheWorkerFailsItsJobInTime) {
  ASSERT_NO_FATAL_FAILURE(StartJobManager());
  const std::string file = Path("while");
  const std::string job_id = Submit("waits_at_load", {"--while-exists", file});
  // The graph is planned, so only the worker finds the file.
  WriteFile("while", "");
  StartTaskManager({"task.deployment.timeout=2 s"});
  ASSERT_TRUE(AwaitState(job_id, "FAILED"));
  EXPECT_THAT(RunOnCluster({"info", job_id}).out,
              AllOf(HasSubstr("Root cause:"), HasSubstr("had not loaded the library 'test_waits_at_load.so' after 2 s"),
                    HasSubstr("task.deployment.timeout")));
  EXPECT_TRUE(AwaitSlots(1));
  EXPECT_TRUE(AwaitTrue([&] { return Workers(0).empty(); }));
  std::filesystem::remove(file);
  const Ended again = RunOnCluster({"run", JobLibrary("waits_at_load"), "--", "--while-exists", file});
  EXPECT_EQ(again.status, 0) << again.err;
  ExpectDaemonsAlive();
}

TEST_F(BadLibraryTest, AMissingOrUnknownArgumentOfTheJobIsNamed) {
  const Ended missing = Run({"run", JobLibrary("read_ndjson")});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("--input"));
  const Ended unknown = Run({"run", JobLibrary("hello"), "--", "--colour", "red"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, HasSubstr("--colour"));
}

}  // namespace
}  // namespace eagre
