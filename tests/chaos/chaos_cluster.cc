#include "tests/chaos/chaos_cluster.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "tests/testing/paths.h"

namespace eagre {
namespace {

namespace fs = std::filesystem;

constexpr const char* kListening = "JobManager is listening on";

// Children are listed by the thread that made them.
std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  std::error_code ignored;
  for (const fs::directory_entry& thread : fs::directory_iterator(fmt::format("/proc/{}/task", parent), ignored)) {
    std::ifstream file(thread.path() / "children");
    for (pid_t child = 0; file >> child;) children.push_back(child);
  }
  return children;
}

}  // namespace

ChaosCluster::ChaosCluster(Options options) : options_(std::move(options)) {
  StartJobManager();
  for (int i = 0; i < options_.task_managers; ++i) task_managers_.push_back(StartTaskManager());
}

std::unique_ptr<ChildProcess> ChaosCluster::Start(const std::string& verb, std::vector<std::string> arguments) const {
  std::vector<std::string> command = {
      BuildPath("bin/eagre"),         verb, "-D",
      "metrics.reporter.prom.port=0", "-D", "eagre.work.dir=" + options_.folder + "/work"};
  for (const std::string& property : options_.properties) command.insert(command.end(), {"-D", property});
  command.insert(command.end(), arguments.begin(), arguments.end());
  return std::make_unique<ChildProcess>(command, ChildProcess::Options{.directory = options_.folder});
}

void ChaosCluster::StartJobManager() {
  const std::string port = address_.empty() ? "0" : address_.substr(address_.rfind(':') + 1);
  job_manager_ = Start("jobmanager", {"-D", "jobmanager.rpc.port=" + port, "-D",
                                      "high-availability.storageDir=" + options_.folder + "/store"});
  const std::string line = job_manager_->AwaitLine(kListening);
  if (line.empty()) {
    fmt::print(stderr, "the JobManager does not start:\n{}\n", job_manager_->Output());
    exit(EXIT_FAILURE);
  }
  address_ = "localhost:" + line.substr(line.rfind(':') + 1);
}

std::unique_ptr<ChildProcess> ChaosCluster::StartTaskManager() const {
  return Start("taskmanager",
               {"-m", address_, "-D", fmt::format("taskmanager.numberOfTaskSlots={}", options_.slots_each)});
}

std::unique_ptr<ChildProcess> ChaosCluster::Run(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {BuildPath("bin/eagre"), "run", "-m", address_};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return std::make_unique<ChildProcess>(command, ChildProcess::Options{.directory = options_.folder});
}

std::vector<pid_t> ChaosCluster::Workers() const {
  std::vector<pid_t> workers;
  for (const auto& task_manager : task_managers_) {
    for (const pid_t child : ChildrenOf(task_manager->pid())) workers.push_back(child);
  }
  return workers;
}

void ChaosCluster::KillTaskManager(int index) {
  std::unique_ptr<ChildProcess>& task_manager = task_managers_[static_cast<size_t>(index)];
  task_manager->Signal(SIGKILL);
  task_manager->AwaitExit();
  task_manager = StartTaskManager();
}

void ChaosCluster::KillJobManager() {
  job_manager_->Signal(SIGKILL);
  job_manager_->AwaitExit();
  StartJobManager();
}

std::string ChaosCluster::Output() const {
  std::string text = "JobManager said:\n" + job_manager_->Output();
  for (const auto& task_manager : task_managers_) text += "\na TaskManager said:\n" + task_manager->Output();
  return text;
}

}  // namespace eagre
