// A cluster that works for long must not grow: after many jobs the daemons cost what they did before.
#include "tests/cluster/cluster_fixture.h"

namespace eagre {
namespace {

class LeakTest : public ClusterTest {
 protected:
  // Half of the jobs end by themselves, half are cancelled while they run.
  void RunJobs(int count) {
    for (int i = 0; i < count; ++i) {
      const StatusOr<std::string> job_id =
          client().SubmitJob(i % 2 == 0 ? hello_ : endless_, i % 2 == 0 ? hello_library_ : endless_library_);
      ASSERT_TRUE(job_id.ok()) << job_id.status();
      if (i % 2 == 1) {
        ASSERT_TRUE(AwaitState(*job_id, "RUNNING"));
        ASSERT_TRUE(client().CancelJob(*job_id).ok());
      }
      const StatusOr<proto::JobDetails> ended = client().WatchJob(*job_id, 1000, [](const proto::JobDetails&) {});
      ASSERT_TRUE(ended.ok()) << ended.status();
      ASSERT_EQ(ended->summary().state(), i % 2 == 0 ? "FINISHED" : "CANCELED") << ended->DebugString();
    }
    ASSERT_TRUE(AwaitSlots(2));
    ASSERT_TRUE(AwaitTrue([&] { return Workers(0).empty(); }));
  }

  // The header of a submission, as `eagre run` makes it.
  proto::SubmitJobHeader Plan(const std::string& library) {
    proto::SubmitJobHeader header;
    const Ended plan = Run({"plan", "--format", "proto", library});
    EXPECT_TRUE(header.mutable_graph()->ParseFromString(plan.out)) << plan.err;
    return header;
  }

  const std::string hello_library_ = JobLibrary("hello");
  const std::string endless_library_ = JobLibrary("endless");
  proto::SubmitJobHeader hello_, endless_;
};

// What the last job had goes a moment after its end is known, so what it costs is awaited.
void ExpectNoGrowth(const char* name, const ProcessCost& before, pid_t pid) {
  SCOPED_TRACE(name);
  // Descriptors and threads come in ones and twos with gRPC's pollers; memory has the allocator's slack.
  AwaitTrue([&] {
    const ProcessCost now = CostOf(pid);
    return now.descriptors <= before.descriptors + 3 && now.threads <= before.threads + 3 &&
           now.children == before.children;
  });
  const ProcessCost after = CostOf(pid);
  EXPECT_LE(after.descriptors, before.descriptors + 3);
  EXPECT_LE(after.threads, before.threads + 3);
  EXPECT_EQ(after.children, before.children);
  EXPECT_LE(after.resident_bytes, before.resident_bytes + (12 << 20));
}

TEST_F(LeakTest, TwoHundredSubmissionsAndCancellationsLeaveNothingBehind) {
  // A short history, so that forgetting jobs is part of what is tested.
  ASSERT_NO_FATAL_FAILURE(StartCluster(1, 2, {"jobstore.max-capacity=5"}));
  hello_ = Plan(hello_library_);
  endless_ = Plan(endless_library_);
  ASSERT_NO_FATAL_FAILURE(RunJobs(20));
  const ProcessCost job_manager_before = CostOf(job_manager().pid());
  const ProcessCost task_manager_before = CostOf(task_manager(0).pid());
  const size_t files_before = FilesBelow(Path("work")).size();
  ASSERT_NO_FATAL_FAILURE(RunJobs(200));
  ExpectNoGrowth("JobManager", job_manager_before, job_manager().pid());
  ExpectNoGrowth("TaskManager", task_manager_before, task_manager(0).pid());
  EXPECT_TRUE(AwaitTrue([&] { return FilesBelow(Path("work")).size() <= files_before + 2; }))
      << ::testing::PrintToString(FilesBelow(Path("work")));
}

}  // namespace
}  // namespace eagre
