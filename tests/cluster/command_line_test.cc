// What a user meets on the command line: words, exit statuses and mistakes.
#include <csignal>
#include <regex>

#include "tests/cluster/cluster_fixture.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using CommandLineTest = ClusterTest;

TEST_F(CommandLineTest, HelpNamesEveryVerbButNotTheHiddenOne) {
  const Ended help = Run({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* verb :
       {"jobmanager", "taskmanager", "local", "plan", "run", "list", "info", "cancel", "logs", "config"}) {
    EXPECT_THAT(help.out, HasSubstr(verb));
  }
  EXPECT_THAT(help.out, Not(HasSubstr("worker ")));
  EXPECT_EQ(Run({"run", "-h"}).status, 0);
  EXPECT_THAT(Run({"-v"}).out, HasSubstr("Version: "));
  EXPECT_THAT(Run({"version"}).out, HasSubstr("Version: "));
}

TEST_F(CommandLineTest, AWrongVerbOrFlagIsAnErrorWithAHint) {
  const Ended verb = Run({"rnu"});
  EXPECT_EQ(verb.status, 1);
  EXPECT_THAT(verb.err, AllOf(HasSubstr("'rnu'"), HasSubstr("'run'")));
  const Ended flag = Run({"run", "--paralelism", "2", JobLibrary("hello")});
  EXPECT_EQ(flag.status, 1);
  EXPECT_THAT(flag.err, AllOf(HasSubstr("--paralelism"), HasSubstr("--help")));
}

TEST_F(CommandLineTest, AnUnknownConfigurationKeyNamesItsPlaceAndTheNearestKey) {
  WriteFile("eagre.yaml", "parallelism:\n  default: 2\npipeline.nmae: x\n");
  const Ended file = Run({"run", JobLibrary("hello")});
  EXPECT_EQ(file.status, 1);
  EXPECT_THAT(file.err, AllOf(HasSubstr("eagre.yaml:3"), HasSubstr("pipeline.nmae"), HasSubstr("pipeline.name")));
  WriteFile("eagre.yaml", "");
  const Ended property = Run({"run", "-D", "paralelism.default=2", JobLibrary("hello")});
  EXPECT_EQ(property.status, 1);
  EXPECT_THAT(property.err, AllOf(HasSubstr("paralelism.default"), HasSubstr("parallelism.default")));
  const Ended value = Run({"jobmanager", "-D", "heartbeat.interval=soon"});
  EXPECT_EQ(value.status, 1);
  EXPECT_THAT(value.err, AllOf(HasSubstr("heartbeat.interval"), HasSubstr("soon"), HasSubstr("expected")));
}

TEST_F(CommandLineTest, ConfigShowsEveryKey) {
  const Ended config = Run({"config"});
  EXPECT_EQ(config.status, 0);
  EXPECT_THAT(config.out,
              AllOf(HasSubstr("jobmanager.rpc.port"), HasSubstr("6123"), HasSubstr("restart-strategy.type")));
  EXPECT_THAT(Run({"config", "--markdown"}).out, HasSubstr("jobmanager.rpc.port"));
}

TEST_F(CommandLineTest, PlansAreJsonWhateverTheLibraryPrints) {
  const Ended plan = Run({"plan", "-p", "3", JobLibrary("endless")});
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_THAT(plan.out, AllOf(HasSubstr("\"ship_strategy\": \"HASH\""), HasSubstr("\"parallelism\": 3")));
  const Ended info = Run({"info", JobLibrary("endless")});
  EXPECT_EQ(info.status, 0) << info.err;
  EXPECT_TRUE(info.out.starts_with("----------------------- Execution Plan -----------------------\n{\n")) << info.out;
}

TEST_F(CommandLineTest, AJobRunsInThisProcess) {
  const Ended ended = Run({"run", JobLibrary("hello"), "-p", "2", "--", "--count", "5"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_TRUE(std::regex_search(ended.out, std::regex("Job has been submitted with JobID [0-9a-f]{32}\n")));
  EXPECT_TRUE(std::regex_search(
      ended.out,
      std::regex("Program execution finished\nJob with JobID [0-9a-f]{32} has finished.\nJob Runtime: [0-9]+ ms\n")))
      << ended.out;
  EXPECT_THAT(ended.out, HasSubstr("16"));
  EXPECT_THAT(ended.out, HasSubstr("Records in: 5\n"));
  EXPECT_THAT(ended.out, HasSubstr("Records to 'out': 5\n"));
}

TEST_F(CommandLineTest, AFailureInThisProcessShowsTheRootCause) {
  const Ended ended = Run({"run", JobLibrary("throwing"), "--", "--at", "50"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("has failed."), HasSubstr("operator 'picky'"), HasSubstr("record 50 is not welcome")));
}

TEST_F(CommandLineTest, AJobInThisProcessHasTheMemoryThatIsConfiguredForItsState) {
  const Ended ended = Run({"run", "-D", "taskmanager.memory.managed.size=1mb", JobLibrary("counting"), "--",
                           "--records", "100000", "--keys", "100000", "--output", Path("out")});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("more than the 1mb it may have"));
}

TEST_F(CommandLineTest, CtrlCCancelsAJobInThisProcess) {
  const auto process = Start({"run", JobLibrary("endless")});
  ASSERT_NE(process->AwaitLine("RUNNING"), "") << process->Output();
  process->Signal(SIGINT);
  EXPECT_EQ(process->AwaitExit(), 1) << process->Output();
  EXPECT_THAT(process->Stderr(), HasSubstr("was cancelled."));
}

TEST_F(CommandLineTest, ASecondCtrlCLeavesAtOnceThoughUserCodeIsStuck) {
  const auto process = Start({"run", JobLibrary("stuck"), "--", "--at", "0"});
  ASSERT_NE(process->AwaitLine("RUNNING"), "") << process->Output();
  process->Signal(SIGINT);
  ASSERT_NE(process->AwaitLine("Press Ctrl-C again"), "") << process->Output();
  process->Signal(SIGINT);
  EXPECT_EQ(process->AwaitExit(), 130) << process->Output();
}

TEST_F(CommandLineTest, DetachingNeedsACluster) {
  const Ended ended = Run({"run", "-d", JobLibrary("hello")});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("-m host:port"));
}

TEST_F(CommandLineTest, WatchingIsForSourcesAndThisMachine) {
  const std::string source = WriteFile("job.cc", "nobody compiles this\n");
  EXPECT_THAT(Run({"run", "--watch", JobLibrary("hello")}).err, HasSubstr("needs a source such as job.cc"));
  const Ended detached = Run({"run", "--watch", "-d", source});
  EXPECT_EQ(detached.status, 1);
  EXPECT_THAT(detached.err, HasSubstr("cannot leave it with -d"));
  const Ended remote = Run({"run", "--watch", "-m", "localhost:1", source});
  EXPECT_EQ(remote.status, 1);
  EXPECT_THAT(remote.err, HasSubstr("leave -m away"));
  WriteFile("eagre.yaml", "jobmanager.rpc.address: localhost\n");
  const Ended configured = Run({"run", "--watch", source});
  EXPECT_EQ(configured.status, 1);
  EXPECT_THAT(configured.err, AllOf(HasSubstr("eagre.yaml:1"), HasSubstr("-D jobmanager.rpc.address=")));
}

TEST_F(CommandLineTest, NoJobManagerIsSaidSoWithItsAddress) {
  const Ended ended = Run({"list", "-m", "localhost:1"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("localhost:1"));
  EXPECT_THAT(Run({"list", "-m", "localhost:http"}).err, HasSubstr("expected host:port"));
}

TEST_F(CommandLineTest, APortInUseIsNamedWithItsKey) {
  ASSERT_NO_FATAL_FAILURE(StartJobManager());
  const Ended rpc = Run({"jobmanager", "-D", "jobmanager.rpc.port=" + std::to_string(rpc_port())});
  EXPECT_EQ(rpc.status, 1);
  EXPECT_THAT(rpc.err, AllOf(HasSubstr(std::to_string(rpc_port())), HasSubstr("jobmanager.rpc.port")));
  const std::string metrics_port = std::to_string(job_manager_metrics_port());
  const Ended metrics =
      Run({"jobmanager", "-D", "jobmanager.rpc.port=0", "-D", "metrics.reporter.prom.port=" + metrics_port});
  EXPECT_EQ(metrics.status, 1);
  EXPECT_THAT(metrics.err, AllOf(HasSubstr(metrics_port), HasSubstr("metrics.reporter.prom.port")));
  ExpectDaemonsAlive();
}

TEST_F(CommandLineTest, LocalServesClientsFromOneProcess) {
  const auto local = Start({"local", "-D", "jobmanager.rpc.port=0", "-D", "metrics.reporter.prom.port=0", "-D",
                            "eagre.work.dir=" + Path("work")});
  const std::string line = local->AwaitLine("JobManager is listening on localhost:");
  ASSERT_NE(line, "") << local->Output();
  const std::string address = line.substr(line.find("localhost:"));
  const Ended ended = Run({"run", "-m", address, JobLibrary("hello")});
  EXPECT_EQ(ended.status, 0) << ended.out << ended.err;
  EXPECT_THAT(Run({"list", "-a", "-m", address}).out, HasSubstr(" : hello (FINISHED)\n"));
  local->Signal(SIGTERM);
  EXPECT_EQ(local->AwaitExit(), 0) << local->Output();
  EXPECT_THAT(FilesBelow(Path("work")), ::testing::Each(::testing::EndsWith(".lock"))) << "work folders are left";
}

}  // namespace
}  // namespace eagre
