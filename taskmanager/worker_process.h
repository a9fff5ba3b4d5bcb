// Workers as processes: the running binary started again as `eagre worker`, with everything it needs inherited.
//
//   stdin /dev/null | stdout, stderr: its files (worker_logs.h)
//   fd 3: the socket to the TaskManager | fd 4: the metrics segment | fd 5: the crash report
//
// A worker has a session of its own, so that Ctrl-C on the TaskManager's terminal does not reach it, the TaskManager's
// working directory, so that paths mean the same in both, and a folder for temporary files (TMPDIR) that is removed
// after it. The end of the socket tells a worker that its TaskManager is gone; it ends itself then (worker_main.h). The
// end of a worker is noticed at once by its pidfd; what it started and left behind in its session is killed with it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "base/metrics.h"
#include "base/unique_fd.h"
#include "taskmanager/worker_launcher.h"
#include "taskmanager/worker_logs.h"

namespace eagre {

constexpr int kWorkerSocketFd = 3;
constexpr int kWorkerMetricsFd = 4;
constexpr int kWorkerCrashFd = 5;

struct ProcessLauncherOptions {
  std::string binary = "/proc/self/exe";
  std::vector<std::string> arguments = {"eagre", "worker"};  // the job's id and attempt are appended, for ps
  std::string work_directory;                                // a folder per worker is made in it
  size_t metric_bytes = kDefaultMetricBytes;
};

// Launch, and the handles it returns, belong to the executor's thread; CollectMetrics may be called on any. One thread
// of its own waits for exits.
class ProcessWorkerLauncher final : public WorkerLauncher {
 public:
  // `executor` and `logs` outlive it. Resets SIGCHLD, since an ignored one would take away exit statuses.
  ProcessWorkerLauncher(ProcessLauncherOptions options, const WorkerLogs& logs, Executor& executor);
  // Kills all workers and waits until they are gone. All handles were destroyed before.
  ~ProcessWorkerLauncher() override;

  StatusOr<std::unique_ptr<WorkerHandle>> Launch(const proto::DeployWorker& deploy,
                                                 std::function<void(WorkerExit)> on_exit) override;
  std::vector<MetricSample> CollectMetrics() const override;
  std::vector<int> Processes() const override;

 private:
  struct Process;
  class Handle;

  StatusOr<std::shared_ptr<Process>> Spawn(const proto::DeployWorker& deploy, UniqueFd socket);
  void WatchLoop();
  void TrimOutputs();
  void Reap(const std::shared_ptr<Process>& process);

  const ProcessLauncherOptions options_;
  const WorkerLogs& logs_;
  Executor& executor_;
  UniqueFd epoll_;
  UniqueFd stop_;
  UniqueFd trim_timer_;
  mutable std::mutex mutex_;
  std::condition_variable reaped_;
  std::map<int, std::shared_ptr<Process>> processes_;  // by pidfd; guarded by mutex_
  std::thread watcher_;
};

}  // namespace eagre
