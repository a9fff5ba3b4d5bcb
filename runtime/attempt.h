// The running part of a worker: the slots, tasks, channels and coordinators of one attempt, wired and started.
//
// Built when all workers of the attempt are known. Owned by the Worker and used on its executor, except where a method
// says otherwise; the slots themselves run on their runners.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "proto/control.pb.h"
#include "runtime/exchange.h"
#include "runtime/slot.h"
#include "runtime/stream_graph.h"
#include "runtime/worker.h"

namespace eagre {

class Attempt {
 public:
  struct Handlers {
    // Both on the worker's executor. on_finished: every slot is done and none failed or was cancelled.
    std::function<void(TaskFailure)> on_failure;
    std::function<void()> on_finished;
    // To the JobManager; the attempt's id is added.
    std::function<void(proto::CheckpointReport)> on_checkpoint_report;
  };

  // `graph` and `exchange` outlive the attempt. Creates everything; nothing runs yet.
  Attempt(const WorkerEnvironment& environment, const proto::DeployWorker& deploy, const StreamGraph& graph,
          const ChainedGraph& chained, Exchange& exchange, Handlers handlers);
  ~Attempt();  // after CancelAndJoin, or never started

  Status Build(const proto::StartWorker& start);
  void Start();
  // Tells all slots to stop; they are not waited for. User code that does not return keeps its slot.
  void Cancel();
  // Waits for user code to return.
  void CancelAndJoin();
  void OnCheckpointCommand(const proto::CheckpointCommand& command);
  // Any thread.
  void OnOperatorEvent(std::string_view event);
  // The counters of every subtask here.
  void FillReport(proto::WorkerReport& report) const;
  // Refreshes the gauges that are computed from time passed. `elapsed_ns` since the last call.
  void UpdateGauges(int64_t elapsed_ns);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eagre
