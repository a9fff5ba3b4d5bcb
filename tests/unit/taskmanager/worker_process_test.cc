// Workers as real processes: how they end is known, and nothing of them is left.
#include "taskmanager/worker_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "base/crash_report.h"
#include "base/file_system.h"
#include "tests/unit/taskmanager/process_harness.h"
#include "tests/unit/taskmanager/test_worker.h"

// Instead of the C library's: of processes it refuses to tell the end while a test says so.
static std::atomic<bool> watches_are_refused{false};

extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  std::string target(64, '\0');
  const ssize_t size = readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
  target.resize(size > 0 ? static_cast<size_t>(size) : 0);
  if (watches_are_refused && operation == EPOLL_CTL_ADD && target == "anon_inode:[pidfd]") {
    errno = ENOSPC;
    return -1;
  }
  return static_cast<int>(syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

namespace eagre {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

bool ProcessExists(int pid) {
  return kill(pid, 0) == 0;
}

TEST(WorkerProcessTest, ExitCodeIsReported) {
  ProcessHarness harness("exit-7");
  auto worker = harness.Launch();
  ASSERT_TRUE(worker->launch_status().ok()) << worker->launch_status();
  auto exit = worker->WaitForExit();
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->exit_code, 7);
  EXPECT_EQ(exit->signal, 0);
  EXPECT_EQ(exit->crash_report, "");
}

TEST(WorkerProcessTest, CrashComesWithOperatorAndStack) {
  ProcessHarness harness("crash");
  auto worker = harness.Launch();
  auto exit = worker->WaitForExit();
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->signal, SIGSEGV);
  CrashReport report = ParseCrashReport(exit->crash_report);
  EXPECT_EQ(report.operator_name, "boom");
  EXPECT_THAT(report.stack, HasSubstr("BoomInUserCode"));
}

TEST(WorkerProcessTest, HangingWorkerDiesWhenKilled) {
  ProcessHarness harness("hang");
  auto worker = harness.Launch();
  EXPECT_FALSE(worker->exited());
  worker->Kill();
  auto exit = worker->WaitForExit();
  ASSERT_TRUE(exit.has_value());
  EXPECT_EQ(exit->signal, SIGKILL);
  worker->Kill();  // harmless
}

TEST(WorkerProcessTest, SpeaksWithItsTaskManagerOverTheSocket) {
  ProcessHarness harness("echo");
  auto worker = harness.Launch();
  worker->Send("hello");
  worker->Send(std::string(300'000, 'x'));
  EXPECT_EQ(worker->NextMessage(), "hello");
  EXPECT_EQ(worker->NextMessage(), std::string(300'000, 'x'));
}

TEST(WorkerProcessTest, InheritsWhatItNeedsAndNothingElse) {
  ProcessHarness harness("surroundings");
  FILE* something_open = std::fopen("/dev/null", "r");  // without O_CLOEXEC
  auto worker = harness.Launch();
  std::string text = worker->NextMessage().value_or("");
  std::fclose(something_open);
  char folder[4096];
  EXPECT_THAT(text, HasSubstr("fds 0 1 2 3 4 5 \n"));
  EXPECT_THAT(text, HasSubstr("own session yes\n"));
  EXPECT_THAT(text, HasSubstr(std::string("cwd ") + getcwd(folder, sizeof(folder)) + "\n"));
  EXPECT_THAT(text, HasSubstr("tmp " + harness.work_folder()));
  EXPECT_THAT(text, HasSubstr(" exists\n"));
  EXPECT_THAT(text, HasSubstr("stdin empty\n"));
}

TEST(WorkerProcessTest, WhatItPrintsIsInItsFiles) {
  ProcessHarness harness("print");
  auto worker = harness.Launch(3);
  ASSERT_TRUE(worker->WaitForExit().has_value());
  std::vector<WorkerLogFile> files = harness.logs().Files(ProcessHarness::kJobId);
  ASSERT_THAT(files, SizeIs(2));
  EXPECT_EQ(files[0].source, "attempt 3 worker 0 stderr");
  EXPECT_EQ(*ReadTail(files[0].path, 1000), "to standard error\n");
  EXPECT_EQ(files[1].source, "attempt 3 worker 0 stdout");
  EXPECT_EQ(*ReadTail(files[1].path, 1000), "to standard output\n");
}

TEST(WorkerProcessTest, WhatItPrintedIsBoundedWhenItsEndIsTold) {
  ProcessHarness harness("print-much");
  auto worker = harness.Launch();
  ASSERT_EQ(worker->NextMessage(), "printed");
  worker->Kill();
  ASSERT_TRUE(worker->WaitForExit().has_value());
  const std::string file = harness.logs().Files(ProcessHarness::kJobId)[1].path;
  struct stat info {};
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 300'000 * 12);
  EXPECT_LE(info.st_blocks * 512, ProcessHarness::kMaxOutputBytes);
  EXPECT_EQ(*ReadTail(file, 30), "(3599976 bytes before are left out)\nline 299998\nline 299999\n");
}

TEST(WorkerProcessTest, MetricsAreReadWhileItLivesAndGoneAfterwards) {
  ProcessHarness harness("metrics");
  auto worker = harness.Launch();
  ASSERT_EQ(worker->NextMessage(), "ready");
  std::vector<MetricSample> samples = harness.launcher().CollectMetrics();
  ASSERT_THAT(samples, SizeIs(1));
  EXPECT_EQ(samples[0].name, "flink_test_total");
  EXPECT_EQ(samples[0].value, 42);
  worker->Kill();
  ASSERT_TRUE(worker->WaitForExit().has_value());
  EXPECT_THAT(harness.launcher().CollectMetrics(), IsEmpty());
}

TEST(WorkerProcessTest, ProcessesThatAWorkerStartedDieWithIt) {
  ProcessHarness harness("leave-a-child");
  auto worker = harness.Launch();
  std::vector<int> children = ChildProcesses();
  ASSERT_TRUE(worker->WaitForExit().has_value());
  for (int child : children) {
    EXPECT_TRUE(WaitUntil([&] { return kill(-child, 0) != 0; })) << "somebody of the worker's group lives on";
  }
}

TEST(WorkerProcessTest, BinaryThatDoesNotExistIsAnErrorAndLeavesNothing) {
  const int descriptors = CountOpenDescriptors();
  {
    std::string pattern = "/tmp/eagre_process_test_XXXXXX";
    std::string folder = mkdtemp(pattern.data());
    ThreadExecutor executor("taskmanager");
    WorkerLogs logs(folder + "/logs", 1000);
    {
      ProcessLauncherOptions options;
      options.binary = "/nowhere/eagre";
      options.work_directory = folder + "/work";
      ProcessWorkerLauncher launcher(options, logs, executor);
      LaunchedWorker worker(launcher, executor, ProcessHarness::kJobId);
      EXPECT_THAT(std::string(StatusMessage(worker.launch_status())), HasSubstr("/nowhere/eagre"));
      EXPECT_THAT(*PosixFileSystem().List(folder + "/work"), IsEmpty());
    }
    executor.Stop();
    (void)PosixFileSystem().RemoveTree(folder);
  }
  EXPECT_EQ(CountOpenDescriptors(), descriptors);
  EXPECT_THAT(ChildProcesses(), IsEmpty());
}

TEST(WorkerProcessTest, AWorkerWhoseEndNobodyWouldNoticeIsNotLeftRunning) {
  ProcessHarness harness("hang");
  watches_are_refused = true;
  ThreadExecutor executor("other");
  LaunchedWorker worker(harness.launcher(), executor, ProcessHarness::kJobId);
  watches_are_refused = false;
  EXPECT_EQ(worker.launch_status().code(), absl::StatusCode::kResourceExhausted) << worker.launch_status();
  EXPECT_THAT(ChildProcesses(), IsEmpty());
  EXPECT_THAT(harness.launcher().Processes(), IsEmpty());
  EXPECT_THAT(*PosixFileSystem().List(harness.work_folder()), IsEmpty());
}

TEST(WorkerProcessTest, JobIdIsNeverTakenForAPath) {
  ProcessHarness harness("exit-7");
  ThreadExecutor executor("other");
  LaunchedWorker worker(harness.launcher(), executor, "../../etc");
  EXPECT_EQ(worker.launch_status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(WorkerProcessTest, HandleDestroyedEarlyKillsAndReapsTheWorker) {
  ProcessHarness harness("hang");
  harness.Launch().reset();
  EXPECT_TRUE(WaitUntil([] { return ChildProcesses().empty(); }));
}

TEST(WorkerProcessTest, LauncherTakesAllWorkersWithIt) {
  ProcessHarness harness("hang");
  std::vector<std::unique_ptr<LaunchedWorker>> workers;
  for (int i = 0; i < 5; ++i) workers.push_back(harness.Launch(i));
  EXPECT_THAT(ChildProcesses(), SizeIs(5));
  harness.CloseLauncher();
  EXPECT_THAT(ChildProcesses(), IsEmpty());
  EXPECT_THAT(*PosixFileSystem().List(harness.work_folder()), IsEmpty());
}

TEST(WorkerProcessTest, HundredLaunchesLeaveNothingBehind) {
  ProcessHarness harness("exit-7");
  harness.Launch()->WaitForExit();
  const int descriptors = CountOpenDescriptors();
  const int threads = CountThreads();
  for (int i = 1; i <= 100; ++i) {
    auto worker = harness.Launch(i);
    ASSERT_TRUE(worker->WaitForExit().has_value()) << "launch " << i;
  }
  EXPECT_TRUE(WaitUntil([&] { return CountOpenDescriptors() <= descriptors; })) << CountOpenDescriptors();
  EXPECT_TRUE(WaitUntil([&] { return CountThreads() <= threads; })) << CountThreads();
  EXPECT_THAT(ChildProcesses(), IsEmpty()) << "zombies";
  EXPECT_THAT(*PosixFileSystem().List(harness.work_folder()), IsEmpty());
  EXPECT_LE(harness.logs().Files(ProcessHarness::kJobId).size(), 20u) << "files of old attempts are kept for ever";
}

// A TaskManager that is killed without a chance to clean up.
TEST(WorkerProcessTest, HangingWorkerDiesWithItsTaskManager) {
  int out[2];
  ASSERT_EQ(pipe(out), 0);
  pid_t middle = fork();
  if (middle == 0) {
    dup2(out[1], STDOUT_FILENO);
    std::string verb(kTestWorkerVerb);
    execl("/proc/self/exe", "taskmanager_test", verb.c_str(), "middle", nullptr);
    _exit(127);
  }
  close(out[1]);
  FILE* lines = fdopen(out[0], "r");
  int worker = 0;
  char folder[1024] = "";
  ASSERT_EQ(std::fscanf(lines, "%d %1023s", &worker, folder), 2);
  std::fclose(lines);
  EXPECT_TRUE(ProcessExists(worker));
  kill(middle, SIGKILL);
  waitpid(middle, nullptr, 0);
  EXPECT_TRUE(WaitUntil([&] { return !ProcessExists(worker); })) << "the worker outlives its TaskManager";
  (void)PosixFileSystem().RemoveTree(ParentPath(folder));
}

}  // namespace
}  // namespace eagre
