// A cluster of real processes that are killed and started again.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/cluster/child_process.h"

namespace eagre {

// One thread. The destructor kills everything.
class ChaosCluster {
 public:
  struct Options {
    std::string folder;  // of everything it writes
    int task_managers = 3;
    int slots_each = 1;
    std::vector<std::string> properties;  // key=value, of all daemons
  };
  // Ends the process, saying why, when a daemon does not start.
  explicit ChaosCluster(Options options);

  // `eagre run -m ...` with these arguments.
  std::unique_ptr<ChildProcess> Run(const std::vector<std::string>& arguments);

  int task_managers() const { return static_cast<int>(task_managers_.size()); }
  // Of all TaskManagers.
  std::vector<pid_t> Workers() const;
  // SIGKILL, and started again at once.
  void KillTaskManager(int index);
  void KillJobManager();

  const std::string& address() const { return address_; }
  // What the daemons have printed, for failures.
  std::string Output() const;

 private:
  std::unique_ptr<ChildProcess> Start(const std::string& verb, std::vector<std::string> arguments) const;
  void StartJobManager();
  std::unique_ptr<ChildProcess> StartTaskManager() const;

  const Options options_;
  std::string address_;  // of the JobManager; stays the same
  std::unique_ptr<ChildProcess> job_manager_;
  std::vector<std::unique_ptr<ChildProcess>> task_managers_;
};

}  // namespace eagre
