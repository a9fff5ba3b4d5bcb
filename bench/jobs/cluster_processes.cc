#include "bench/jobs/cluster_processes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace eagre::bench {
namespace {

[[noreturn]] void GiveUp(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

}  // namespace

std::string BinaryFolder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path().string();
}

double MonotonicSeconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  std::error_code ignored;
  for (const std::filesystem::directory_entry& thread :
       std::filesystem::directory_iterator("/proc/" + std::to_string(parent) + "/task", ignored)) {
    std::ifstream file(thread.path() / "children");
    for (pid_t child = 0; file >> child;) children.push_back(child);
  }
  return children;
}

EagreProcess::EagreProcess(std::vector<std::string> arguments) {
  const std::string binary = BinaryFolder() + "/bin/eagre";
  arguments.insert(arguments.begin(), binary);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) GiveUp("no pipe");
  pid_ = fork();
  if (pid_ == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execv(binary.c_str(), argv.data());
    _exit(127);
  }
  close(ends[1]);
  output_ = ends[0];
}

EagreProcess::~EagreProcess() {
  close(output_);
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

bool EagreProcess::ReadMore() {
  char buffer[4096];
  const ssize_t got = read(output_, buffer, sizeof buffer);
  if (got <= 0) return false;
  text_.append(buffer, static_cast<size_t>(got));
  return true;
}

std::string EagreProcess::AwaitLine(const std::string& text) {
  while (true) {
    size_t end;
    while ((end = text_.find('\n', searched_)) != std::string::npos) {
      const std::string line = text_.substr(searched_, end - searched_);
      searched_ = end + 1;
      if (line.find(text) != std::string::npos) return line;
    }
    if (!ReadMore()) GiveUp("a process ended before it said '" + text + "'; it said:\n" + text_);
  }
}

std::string EagreProcess::AwaitExit() {
  while (ReadMore()) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) GiveUp("a process failed; it said:\n" + text_);
  return text_;
}

double EagreProcess::CpuSeconds() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double ticks = 0;
  for (int i = 0; i < 4; ++i) {  // utime, stime, cutime, cstime
    double value = 0;
    fields >> value;
    ticks += value;
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

int64_t EagreProcess::ResidentBytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

BenchCluster::BenchCluster(int task_managers, int slots_each, const std::vector<std::string>& properties) {
  char folder[] = "/tmp/eagre-bench-XXXXXX";
  directory_ = mkdtemp(folder);
  std::vector<std::string> common = {"-D", "eagre.work.dir=" + directory_, "-D", "metrics.reporter.prom.port=0"};
  for (const std::string& property : properties) common.insert(common.end(), {"-D", property});
  auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), common.begin(), common.end());
    return arguments;
  };
  const double started = MonotonicSeconds();
  job_manager_ = std::make_unique<EagreProcess>(with({"jobmanager", "-D", "jobmanager.rpc.port=0"}));
  const std::string line = job_manager_->AwaitLine("is listening on ");
  address_ = line.substr(line.rfind(' ') + 1);
  const size_t colon = address_.rfind(':');
  for (int i = 0; i < task_managers; ++i) {
    task_managers_.push_back(std::make_unique<EagreProcess>(
        with({"taskmanager", "-D", "taskmanager.numberOfTaskSlots=" + std::to_string(slots_each), "-D",
              "jobmanager.rpc.address=" + address_.substr(0, colon), "-D",
              "jobmanager.rpc.port=" + address_.substr(colon + 1)})));
  }
  for (auto& task_manager : task_managers_) task_manager->AwaitLine("registered with the JobManager");
  seconds_to_start_ = MonotonicSeconds() - started;
}

BenchCluster::~BenchCluster() {
  task_managers_.clear();
  job_manager_.reset();
  std::filesystem::remove_all(directory_);
}

std::string BenchCluster::Run(const std::string& job, int parallelism, const std::vector<std::string>& args,
                              const std::vector<std::string>& properties) {
  std::vector<std::string> arguments = {"run", "-m", address_, "-p", std::to_string(parallelism)};
  for (const std::string& property : properties) arguments.insert(arguments.end(), {"-D", property});
  arguments.push_back(BinaryFolder() + "/jobs/" + job + ".so");
  if (!args.empty()) arguments.emplace_back("--");
  arguments.insert(arguments.end(), args.begin(), args.end());
  return EagreProcess(std::move(arguments)).AwaitExit();
}

double BenchCluster::CpuSeconds() const {
  double seconds = job_manager_->CpuSeconds();
  for (const auto& task_manager : task_managers_) seconds += task_manager->CpuSeconds();
  return seconds;
}

}  // namespace eagre::bench
