// A cluster of real processes for the benchmarks that need one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace eagre::bench {

// A process of the built `eagre` binary with its output captured. Killed and waited for by the destructor.
class EagreProcess {
 public:
  explicit EagreProcess(std::vector<std::string> arguments);
  ~EagreProcess();
  EagreProcess(const EagreProcess&) = delete;
  EagreProcess& operator=(const EagreProcess&) = delete;

  // Reads on until a line contains `text` and returns it; ends the benchmark when the process ends first.
  std::string AwaitLine(const std::string& text);
  // Waits for the exit status and returns everything printed.
  std::string AwaitExit();
  pid_t pid() const { return pid_; }
  // Of the process and of its children that have ended, so far.
  double CpuSeconds() const;
  int64_t ResidentBytes() const;

 private:
  bool ReadMore();

  pid_t pid_ = -1;
  int output_ = -1;
  std::string text_;
  size_t searched_ = 0;
};

class BenchCluster {
 public:
  // `properties` are key=value, for all processes.
  BenchCluster(int task_managers, int slots_each, const std::vector<std::string>& properties = {});
  ~BenchCluster();

  const std::string& address() const { return address_; }
  // `eagre run` of jobs/<name>.so; returns what it printed. Ends the benchmark when the job fails.
  // `properties` are key=value.
  std::string Run(const std::string& job, int parallelism, const std::vector<std::string>& args,
                  const std::vector<std::string>& properties = {});
  double CpuSeconds() const;
  EagreProcess& job_manager() { return *job_manager_; }
  std::vector<std::unique_ptr<EagreProcess>>& task_managers() { return task_managers_; }
  double seconds_to_start() const { return seconds_to_start_; }

 private:
  std::string directory_;
  std::string address_;
  double seconds_to_start_ = 0;
  std::unique_ptr<EagreProcess> job_manager_;
  std::vector<std::unique_ptr<EagreProcess>> task_managers_;
};

std::vector<pid_t> ChildrenOf(pid_t parent);
double MonotonicSeconds();
// The build folder that this program was built in.
std::string BinaryFolder();

}  // namespace eagre::bench
