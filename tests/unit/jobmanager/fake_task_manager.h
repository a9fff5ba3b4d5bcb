// A TaskManager played by a test: it registers, remembers what it is told, and says what the test wants.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/link.h"
#include "jobmanager/job_manager.h"
#include "proto/control.pb.h"

namespace eagre {

class FakeTaskManager {
 public:
  // Connects; call Register to become known.
  FakeTaskManager(JobManager& job_manager, Executor& executor, std::string id, int slots);

  void Register(const std::string& version = "test", const std::vector<proto::RunningWorker>& workers = {});
  void Heartbeat();
  // Breaks the connection, as the death of the process does.
  void Disconnect() { link_.reset(); }

  void SendReady(const proto::AttemptId& attempt, int worker_index);
  void SendReport(const proto::AttemptId& attempt, const std::vector<proto::SubtaskReport>& subtasks);
  void SendFailed(const proto::AttemptId& attempt, const proto::FailureInfo& failure);
  void SendFinished(const proto::AttemptId& attempt);
  // The worker is gone as it was told to.
  void SendExited(const proto::AttemptId& attempt);
  // The worker died by a signal.
  void SendCrashed(const proto::AttemptId& attempt, int signal, const std::string& message);

  void SendCheckpointReport(const proto::CheckpointReport& report);
  // Subtasks, by vertex, acknowledge that they have no state.
  void SendAcknowledgements(const proto::CheckpointCommand& command, const std::vector<std::pair<int, int>>& subtasks);

  const std::string& id() const { return id_; }
  bool closed() const { return closed_; }
  const std::vector<proto::JobManagerToTaskManager>& received() const { return received_; }
  // Of what was received, in order.
  std::vector<proto::DeployWorker> deploys() const;
  std::vector<proto::StartWorker> starts() const;
  std::vector<proto::AttemptId> cancels() const;
  std::vector<proto::CheckpointCommand> checkpoints() const;

 private:
  void Send(const proto::TaskManagerToJobManager& message) { link_->Send(message.SerializeAsString()); }

  const std::string id_;
  const int slots_;
  std::unique_ptr<Link> link_;
  bool closed_ = false;
  std::vector<proto::JobManagerToTaskManager> received_;
};

}  // namespace eagre
