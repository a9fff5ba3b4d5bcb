// Real workers in a test: launches this test binary again and waits, with deadlines, for what it does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "taskmanager/worker_process.h"

namespace eagre {

// One launched worker, whose messages and exit can be waited for. The test's thread.
class LaunchedWorker {
 public:
  LaunchedWorker(ProcessWorkerLauncher& launcher, Executor& executor, const std::string& job_id, int attempt = 0);
  ~LaunchedWorker();

  const Status& launch_status() const;
  // The next message from the worker; nothing after ten seconds.
  std::optional<std::string> NextMessage();
  std::optional<WorkerExit> WaitForExit();
  void Send(const std::string& message);
  void Kill();
  bool exited() const;

 private:
  struct State;
  Executor& executor_;
  std::shared_ptr<State> state_;
};

// A launcher in a folder of its own, whose workers run in the given mode of test_worker.h.
class ProcessHarness {
 public:
  explicit ProcessHarness(const std::string& mode);
  ~ProcessHarness();

  std::unique_ptr<LaunchedWorker> Launch(int attempt = 0);
  // Kills what runs and waits for it.
  void CloseLauncher() { launcher_.reset(); }
  ProcessWorkerLauncher& launcher() { return *launcher_; }
  const WorkerLogs& logs() const { return *logs_; }
  std::string work_folder() const { return folder_ + "/work"; }

  static constexpr int64_t kMaxOutputBytes = int64_t{1} << 20;
  static constexpr char kJobId[] = "0123456789abcdef0123456789abcdef";

 private:
  std::string folder_;
  ThreadExecutor executor_{"taskmanager"};
  std::unique_ptr<WorkerLogs> logs_;
  std::unique_ptr<ProcessWorkerLauncher> launcher_;
};

// A process between the test and a worker: launches one that hangs, prints the worker's pid and waits to be killed.
int RunMiddleProcess(const char* binary);

// Of the processes whose parent is this one.
std::vector<int> ChildProcesses();
int CountOpenDescriptors();
int CountThreads();
// Polls until `done`; false after ten seconds.
bool WaitUntil(const std::function<bool()>& done);

}  // namespace eagre
