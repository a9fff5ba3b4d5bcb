// The worker process: `eagre worker`, a hidden verb that only a TaskManager starts (worker_process.h).
#pragma once

#include <string>
#include <vector>

#include "runtime/data_network.h"

namespace eagre {

// What a TaskManager tells its workers on their command line.
struct WorkerSettings {
  std::string task_manager_id;
  std::string host = "localhost";       // advertised to peers and shown to users
  std::string bind_host = "localhost";  // of the data port
  int first_data_port = 0;              // 0: any free one
  int last_data_port = 0;
  std::string log_level = "info";

  std::vector<std::string> ToArguments() const;
  // Ignores what is no option: the job's id and attempt, which stand there for ps.
  static StatusOr<WorkerSettings> Parse(const std::vector<std::string>& arguments);
};

// Runs the worker on the inherited descriptors until its attempt is over; returns the exit code: 0, or 1 with a message
// on standard error when it could not begin. When the TaskManager dies the process ends within two seconds, whatever
// user code does. `argv` holds what follows the verb.
int WorkerMain(int argc, char** argv);

}  // namespace eagre
