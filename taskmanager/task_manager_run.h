// One attempt on a TaskManager; for its own source files only.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "taskmanager/task_manager.h"

namespace eagre {

inline std::string AttemptName(const proto::AttemptId& attempt) {
  return fmt::format("job {} attempt {}", attempt.job_id(), attempt.attempt());
}

// Of a link, for users.
inline std::string_view WhyClosed(const Status& reason) {
  return reason.ok() ? "the other side closed it" : StatusMessage(reason);
}

// One attempt on this TaskManager, from DeployWorker to WorkerExited.
struct TaskManager::Run {
  proto::DeployWorker deploy;
  bool pinned = false;                   // the artifact is held in the cache
  std::unique_ptr<WorkerHandle> worker;  // null while the library is fetched
  bool started = false;                  // it knows its peers: it runs without a JobManager too
  bool cancelled = false;                // by the JobManager
  bool killed = false;                   // the same, at once
  bool abandoned = false;                // its JobManager is gone: nothing about it is reported
  std::string kill_reason;               // why this TaskManager killed it, when the worker is to blame
  bool link_closed = false;
  std::optional<WorkerExit> exit;
  TimerId ready_timer = 0;  // kills the worker, while it loads the library
  TimerId timer = 0;        // kills the worker, or ends the wait for its last messages

  // What a JobManager that adopts the run has to know.
  int64_t checkpoint_id = 0;                                     // the highest that the worker was told of
  std::map<std::pair<int, int>, proto::CheckpointReport> ended;  // the last of each (vertex, subtask)
  std::optional<proto::TaskFailed> failure;                      // the worker said why it cannot go on
  bool finished = false;

  const proto::AttemptId& attempt() const { return deploy.attempt(); }
};

}  // namespace eagre
