#include "tests/unit/taskmanager/process_harness.h"

#include <dirent.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include "base/file_system.h"
#include "tests/unit/taskmanager/test_worker.h"

namespace eagre {
namespace {

constexpr std::chrono::seconds kDeadline{10};

void RunOnExecutor(Executor& executor, const std::function<void()>& task) {
  std::promise<void> done;
  executor.Post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

int CountEntries(const char* folder) {
  int count = 0;
  DIR* directory = opendir(folder);
  while (dirent* entry = readdir(directory)) count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

ProcessLauncherOptions OptionsFor(const std::string& mode, const std::string& folder) {
  ProcessLauncherOptions options;
  options.arguments = {"taskmanager_test", std::string(kTestWorkerVerb), mode};
  options.work_directory = folder;
  return options;
}

}  // namespace

struct LaunchedWorker::State {
  Status status;
  std::unique_ptr<WorkerHandle> handle;  // on the executor
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> messages;
  std::optional<WorkerExit> exit;
};

LaunchedWorker::LaunchedWorker(ProcessWorkerLauncher& launcher, Executor& executor, const std::string& job_id,
                               int attempt)
    : executor_(executor), state_(std::make_shared<State>()) {
  proto::DeployWorker deploy;
  deploy.mutable_attempt()->set_job_id(job_id);
  deploy.mutable_attempt()->set_attempt(attempt);
  RunOnExecutor(executor_, [&] {
    auto handle = launcher.Launch(deploy, [state = state_](WorkerExit exit) {
      std::lock_guard lock(state->mutex);
      state->exit = std::move(exit);
      state->changed.notify_all();
    });
    state_->status = handle.status();
    if (!handle.ok()) return;
    state_->handle = *std::move(handle);
    state_->handle->link().Start(executor_, {.on_message =
                                                 [state = state_.get()](std::string_view bytes) {
                                                   std::lock_guard lock(state->mutex);
                                                   state->messages.emplace_back(bytes);
                                                   state->changed.notify_all();
                                                 },
                                             .on_closed = [](Status) {}});
  });
}

LaunchedWorker::~LaunchedWorker() {
  RunOnExecutor(executor_, [this] { state_->handle.reset(); });
}

const Status& LaunchedWorker::launch_status() const {
  return state_->status;
}

std::optional<std::string> LaunchedWorker::NextMessage() {
  std::unique_lock lock(state_->mutex);
  if (!state_->changed.wait_for(lock, kDeadline, [this] { return !state_->messages.empty(); })) return std::nullopt;
  std::string message = std::move(state_->messages.front());
  state_->messages.pop_front();
  return message;
}

std::optional<WorkerExit> LaunchedWorker::WaitForExit() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, kDeadline, [this] { return state_->exit.has_value(); });
  return state_->exit;
}

bool LaunchedWorker::exited() const {
  std::lock_guard lock(state_->mutex);
  return state_->exit.has_value();
}

void LaunchedWorker::Send(const std::string& message) {
  state_->handle->link().Send(message);
}

void LaunchedWorker::Kill() {
  RunOnExecutor(executor_, [this] { state_->handle->Kill(); });
}

ProcessHarness::ProcessHarness(const std::string& mode) {
  std::string pattern = "/tmp/eagre_process_test_XXXXXX";
  folder_ = mkdtemp(pattern.data());
  logs_ = std::make_unique<WorkerLogs>(folder_ + "/logs", kMaxOutputBytes);
  launcher_ = std::make_unique<ProcessWorkerLauncher>(OptionsFor(mode, work_folder()), *logs_, executor_);
}

ProcessHarness::~ProcessHarness() {
  launcher_.reset();
  executor_.Stop();
  (void)PosixFileSystem().RemoveTree(folder_);
}

std::unique_ptr<LaunchedWorker> ProcessHarness::Launch(int attempt) {
  return std::make_unique<LaunchedWorker>(*launcher_, executor_, kJobId, attempt);
}

int RunMiddleProcess(const char*) {
  ProcessHarness harness("hang-until-orphaned");
  auto worker = harness.Launch();
  for (int child : ChildProcesses()) std::printf("%d %s\n", child, harness.work_folder().c_str());
  std::fflush(stdout);
  for (;;) pause();
}

std::vector<int> ChildProcesses() {
  std::vector<int> children;
  for (DIR* tasks = opendir("/proc/self/task"); tasks != nullptr; closedir(tasks), tasks = nullptr) {
    while (dirent* entry = readdir(tasks)) {
      std::ifstream file(std::string("/proc/self/task/") + entry->d_name + "/children");
      for (int child; file >> child;) children.push_back(child);
    }
  }
  return children;
}

int CountOpenDescriptors() {
  return CountEntries("/proc/self/fd");
}
int CountThreads() {
  return CountEntries("/proc/self/task");
}

bool WaitUntil(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace eagre
