#include "tests/unit/taskmanager/test_worker.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <vector>

#include "base/crash_report.h"
#include "base/executor.h"
#include "base/link.h"
#include "base/metrics.h"
#include "taskmanager/orphan_watch.h"
#include "taskmanager/worker_process.h"
#include "tests/unit/taskmanager/process_harness.h"

namespace eagre {
namespace {

__attribute__((noinline)) void BoomInUserCode(int* pointer) {
  *pointer = 1;
  asm volatile("");
}

int Crash() {
  InstallCrashHandler(kWorkerCrashFd);
  static constexpr OperatorIdentity identity{"risk -> alerts", "boom", 0};
  OperatorScope scope(&identity);
  BoomInUserCode(nullptr);
  return 0;
}

[[noreturn]] void Hang() {
  for (;;) asm volatile("");
}

std::string OpenDescriptors() {
  std::vector<int> descriptors;
  DIR* directory = opendir("/proc/self/fd");
  while (dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(directory)) descriptors.push_back(atoi(entry->d_name));
  }
  closedir(directory);
  std::sort(descriptors.begin(), descriptors.end());
  std::string text;
  for (int descriptor : descriptors) text += std::to_string(descriptor) + " ";
  return text;
}

// One line per fact about what the process was given.
std::string Surroundings() {
  char folder[4096];
  struct stat info {};
  std::string text = "fds " + OpenDescriptors() + "\n";
  text += std::string("own session ") + (getsid(0) == getpid() ? "yes" : "no") + "\n";
  text += std::string("cwd ") + getcwd(folder, sizeof(folder)) + "\n";
  text +=
      std::string("tmp ") + std::getenv("TMPDIR") + (stat(std::getenv("TMPDIR"), &info) == 0 ? " exists" : "") + "\n";
  text += std::string("stdin ") + (read(STDIN_FILENO, folder, 1) == 0 ? "empty" : "open") + "\n";
  return text;
}

// Answers every message with itself and ends with the link.
int Echo(const std::string& first) {
  ThreadExecutor executor("echo");
  std::unique_ptr<Link> link = NewSocketLink(kWorkerSocketFd);
  std::promise<void> closed;
  executor.Post([&] {
    link->Start(executor, {.on_message = [&](std::string_view bytes) { link->Send(std::string(bytes)); },
                           .on_closed = [&](Status) { closed.set_value(); }});
    if (!first.empty()) link->Send(first);
  });
  closed.get_future().wait();
  return 0;
}

int LeaveAChildBehind() {
  if (fork() == 0) {
    for (;;) pause();
  }
  return 0;
}

}  // namespace

int TestWorkerMain(const std::string& mode, int, char** argv) {
  if (mode == "exit-7") return 7;
  if (mode == "crash") return Crash();
  if (mode == "hang") Hang();
  if (mode == "hang-until-orphaned") {
    StartOrphanWatch(kWorkerSocketFd);
    Hang();
  }
  if (mode == "echo") return Echo("");
  if (mode == "surroundings") {
    const std::string text = Surroundings();
    return Echo(text);
  }
  if (mode == "leave-a-child") return LeaveAChildBehind();
  if (mode == "print") {
    std::puts("to standard output");
    std::fputs("to standard error\n", stderr);
    return 0;
  }
  if (mode == "print-much") {
    for (int line = 0; line < 300'000; ++line) std::printf("line %06d\n", line);
    std::fflush(stdout);
    return Echo("printed");
  }
  if (mode == "metrics") {
    auto metrics = MetricRegistry::InSegment(kWorkerMetricsFd, kDefaultMetricBytes);
    (*metrics)->AddCounter("flink_test_total", {{"job_id", "j"}}).Add(42);
    return Echo("ready");
  }
  if (mode == "middle") return RunMiddleProcess(argv[0]);
  return 99;
}

}  // namespace eagre
