#include "tests/unit/jobmanager/fake_task_manager.h"

namespace eagre {

FakeTaskManager::FakeTaskManager(JobManager& job_manager, Executor& executor, std::string id, int slots)
    : id_(std::move(id)), slots_(slots) {
  auto [mine, theirs] = NewMemoryLinkPair();
  link_ = std::move(mine);
  link_->Start(executor, {.on_message =
                              [this](std::string_view bytes) {
                                received_.emplace_back();
                                received_.back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
                              },
                          .on_closed = [this](Status) { closed_ = true; }});
  job_manager.OnTaskManagerConnected(std::move(theirs));
}

void FakeTaskManager::Register(const std::string& version, const std::vector<proto::RunningWorker>& workers) {
  proto::TaskManagerToJobManager message;
  message.mutable_register_()->set_task_manager_id(id_);
  message.mutable_register_()->set_host("host-of-" + id_);
  message.mutable_register_()->set_slots(slots_);
  message.mutable_register_()->set_version(version);
  message.mutable_register_()->mutable_workers()->Assign(workers.begin(), workers.end());
  Send(message);
}

void FakeTaskManager::Heartbeat() {
  proto::TaskManagerToJobManager message;
  message.mutable_heartbeat();
  Send(message);
}

void FakeTaskManager::SendReady(const proto::AttemptId& attempt, int worker_index) {
  proto::TaskManagerToJobManager message;
  *message.mutable_worker_ready()->mutable_attempt() = attempt;
  message.mutable_worker_ready()->set_worker_index(worker_index);
  message.mutable_worker_ready()->set_data_address(id_ + ":5000");
  Send(message);
}

void FakeTaskManager::SendReport(const proto::AttemptId& attempt, const std::vector<proto::SubtaskReport>& subtasks) {
  proto::TaskManagerToJobManager message;
  *message.mutable_worker_report()->mutable_attempt() = attempt;
  for (const proto::SubtaskReport& subtask : subtasks) *message.mutable_worker_report()->add_subtasks() = subtask;
  Send(message);
}

void FakeTaskManager::SendFailed(const proto::AttemptId& attempt, const proto::FailureInfo& failure) {
  proto::TaskManagerToJobManager message;
  *message.mutable_task_failed()->mutable_attempt() = attempt;
  *message.mutable_task_failed()->mutable_failure() = failure;
  Send(message);
}

void FakeTaskManager::SendFinished(const proto::AttemptId& attempt) {
  proto::TaskManagerToJobManager message;
  *message.mutable_worker_finished()->mutable_attempt() = attempt;
  Send(message);
}

void FakeTaskManager::SendExited(const proto::AttemptId& attempt) {
  proto::TaskManagerToJobManager message;
  *message.mutable_worker_exited()->mutable_attempt() = attempt;
  message.mutable_worker_exited()->set_expected(true);
  Send(message);
}

void FakeTaskManager::SendCrashed(const proto::AttemptId& attempt, int signal, const std::string& crash) {
  proto::TaskManagerToJobManager message;
  proto::WorkerExited& exited = *message.mutable_worker_exited();
  *exited.mutable_attempt() = attempt;
  exited.set_signal(signal);
  if (!crash.empty()) {
    exited.mutable_failure()->set_message(crash);
    exited.mutable_failure()->set_retryable(true);
    exited.mutable_failure()->set_subtask(-1);
  }
  Send(message);
}

void FakeTaskManager::SendCheckpointReport(const proto::CheckpointReport& report) {
  proto::TaskManagerToJobManager message;
  *message.mutable_checkpoint_report() = report;
  Send(message);
}

void FakeTaskManager::SendAcknowledgements(const proto::CheckpointCommand& command,
                                           const std::vector<std::pair<int, int>>& subtasks) {
  for (const auto& [vertex, subtask] : subtasks) {
    proto::CheckpointReport report;
    *report.mutable_attempt() = command.attempt();
    report.set_checkpoint_id(command.checkpoint_id());
    report.set_kind(proto::CheckpointReport::ACKNOWLEDGE);
    report.set_vertex(vertex);
    report.set_subtask(subtask);
    SendCheckpointReport(report);
  }
}

std::vector<proto::DeployWorker> FakeTaskManager::deploys() const {
  std::vector<proto::DeployWorker> result;
  for (const auto& message : received_) {
    if (message.has_deploy()) result.push_back(message.deploy());
  }
  return result;
}

std::vector<proto::StartWorker> FakeTaskManager::starts() const {
  std::vector<proto::StartWorker> result;
  for (const auto& message : received_) {
    if (message.has_start()) result.push_back(message.start());
  }
  return result;
}

std::vector<proto::AttemptId> FakeTaskManager::cancels() const {
  std::vector<proto::AttemptId> result;
  for (const auto& message : received_) {
    if (message.has_cancel()) result.push_back(message.cancel().attempt());
  }
  return result;
}

std::vector<proto::CheckpointCommand> FakeTaskManager::checkpoints() const {
  std::vector<proto::CheckpointCommand> result;
  for (const auto& message : received_) {
    if (message.has_checkpoint()) result.push_back(message.checkpoint());
  }
  return result;
}

}  // namespace eagre
