// Brings the output files of a job's workers from the TaskManagers to a client, piece by piece.
//
// The TaskManagers that ran the job are asked one after another, so the pieces of one source stay together; of each
// request at most one piece is on its way. A TaskManager that is gone, or silent for too long, is named in the stream
// and passed over.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/status.h"
#include "proto/client.pb.h"
#include "proto/control.pb.h"

namespace eagre {

// Called on the JobManager's executor; must not call back into it from within.
struct LogSink {
  // The next piece comes after `consumed` was called, once, on the executor.
  std::function<void(proto::LogPart part, Closure consumed)> on_part;
  // The last call; not after Stop.
  std::function<void()> on_done;
};

// Lives on its executor.
class LogCollector {
 public:
  // Sends to a TaskManager; false when it is not registered (any more).
  using Ask = std::function<bool(const std::string& task_manager_id, const proto::CollectLogs& request)>;

  LogCollector(Executor& executor, int64_t silence_timeout_ms, Ask ask)
      : executor_(executor), silence_timeout_ms_(silence_timeout_ms), ask_(std::move(ask)) {}
  ~LogCollector();

  // `task_managers` are (id, host). RESOURCE_EXHAUSTED when too many requests run. Returns the request's id, whose sink
  // is called only after Start returned.
  StatusOr<uint64_t> Start(const std::string& job_id, std::vector<std::pair<std::string, std::string>> task_managers,
                           LogSink sink);
  // The client is gone. Unknown ids are ignored.
  void Stop(uint64_t request);

  // A TaskManager pushed a piece; `consumed` says when to push the next one, or, by a failure, that nobody wants more.
  void OnPart(const proto::LogPart& part, std::function<void(Status)> consumed);
  void OnTaskManagerLost(const std::string& task_manager_id);

 private:
  static constexpr size_t kMaxRequests = 16;

  struct Request {
    std::string job_id;
    std::vector<std::pair<std::string, std::string>> task_managers;
    LogSink sink;
    size_t next = 0;         // index of the TaskManager to ask next; the one before it is pushing
    std::string pushing_as;  // the request id that it was given; empty while nobody is asked
    TimerId silence_timer = 0;
  };

  void AskNext(uint64_t id);
  void PassOver(uint64_t id, const std::string& why);
  void ArmSilenceTimer(uint64_t id);
  void Deliver(uint64_t id, proto::LogPart part, Closure consumed);

  Executor& executor_;
  const int64_t silence_timeout_ms_;
  const Ask ask_;
  std::map<uint64_t, Request> requests_;
  uint64_t next_request_ = 1;
};

}  // namespace eagre
