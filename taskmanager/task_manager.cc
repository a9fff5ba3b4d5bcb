#include "taskmanager/task_manager.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/logging.h"
#include "taskmanager/task_manager_run.h"

namespace eagre {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kTellUnreachableNs = 30'000'000'000;

}  // namespace

TaskManager::TaskManager(TaskManagerOptions options, TaskManagerEnvironment environment)
    : options_(std::move(options)), env_(std::move(environment)) {}

TaskManager::~TaskManager() {
  alive_.reset();
  env_.executor->Cancel(heartbeat_timer_);
  env_.executor->Cancel(reconnect_timer_);
  for (auto& [key, run] : runs_) {
    env_.executor->Cancel(run->ready_timer);
    env_.executor->Cancel(run->timer);
  }
}

void TaskManager::Start() {
  backoff_ms_ = options_.reconnect_initial_backoff_ms;
  unregistered_since_ns_ = env_.executor->clock().MonotonicNs();
  Connect();
  ScheduleHeartbeat();
}

void TaskManager::Stop(std::function<void()> on_stopped) {
  stopping_ = true;
  on_stopped_ = std::move(on_stopped);
  env_.executor->Cancel(reconnect_timer_);
  env_.executor->Cancel(heartbeat_timer_);
  registered_ = false;
  DropJobManagerLink();
  KillAllRuns();
  RegisterWhenClean();
}

int TaskManager::used_slots() const {
  int used = 0;
  for (const auto& [key, run] : runs_) used += run->deploy.job_slots_size();
  return used;
}

// ---- The JobManager's side ----

void TaskManager::Connect() {
  reconnect_timer_ = 0;
  register_sent_ = false;
  job_manager_ = env_.connect();
  std::weak_ptr<bool> alive = alive_;
  Link* link = job_manager_.get();
  auto current = [this, alive, link] { return !alive.expired() && job_manager_.get() == link; };
  link->Start(*env_.executor, {.on_message =
                                   [this, current](std::string_view bytes) {
                                     if (current()) HandleJobManagerMessage(bytes);
                                   },
                               .on_closed =
                                   [this, current](Status reason) {
                                     if (current()) LoseJobManager(reason);
                                   }});
  RegisterWhenClean();
}

// Also called when a run is gone, because both a new registration and the end of Stop wait for runs to go.
void TaskManager::RegisterWhenClean() {
  const bool clean =
      std::none_of(runs_.begin(), runs_.end(), [](const auto& entry) { return entry.second->abandoned; });
  if (!clean) return;
  if (stopping_) {
    if (auto done = std::exchange(on_stopped_, nullptr)) env_.executor->Post(std::move(done));
    return;
  }
  if (job_manager_ == nullptr || register_sent_) return;
  register_sent_ = true;
  last_heard_ns_ = env_.executor->clock().MonotonicNs();
  proto::TaskManagerToJobManager message;
  proto::RegisterTaskManager& registration = *message.mutable_register_();
  registration.set_task_manager_id(options_.id);
  registration.set_host(options_.host);
  registration.set_slots(options_.slots);
  registration.set_version(options_.version);
  registration.set_pid(options_.pid);
  for (const auto& [key, run] : runs_) {
    proto::RunningWorker& worker = *registration.add_workers();
    *worker.mutable_attempt() = run->attempt();
    worker.set_worker_index(run->deploy.worker_index());
    *worker.mutable_job_slots() = run->deploy.job_slots();
    worker.set_checkpoint_id(run->checkpoint_id);
    worker.set_failed(run->failure.has_value());
  }
  SendToJobManager(std::move(message));
}

void TaskManager::HandleJobManagerMessage(std::string_view bytes) {
  last_heard_ns_ = env_.executor->clock().MonotonicNs();
  proto::JobManagerToTaskManager message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    LoseJobManager(DataLoss("the JobManager sent a message of {} bytes that is none of the protocol", bytes.size()));
    return;
  }
  switch (message.message_case()) {
    case proto::JobManagerToTaskManager::kRegistered: return HandleRegistered(message.registered());
    case proto::JobManagerToTaskManager::kDeploy: return HandleDeploy(std::move(*message.mutable_deploy()));
    case proto::JobManagerToTaskManager::kStart: return HandleStart(message.start());
    case proto::JobManagerToTaskManager::kCancel: return HandleCancel(message.cancel());
    case proto::JobManagerToTaskManager::kCheckpoint: return HandleCheckpoint(message.checkpoint());
    case proto::JobManagerToTaskManager::kReleaseArtifacts:
      for (const std::string& digest : message.release_artifacts().digests()) env_.artifacts->Release(digest);
      for (const std::string& job : message.release_artifacts().job_ids()) {
        if (env_.delete_logs) env_.delete_logs(job);
        if (env_.delete_local_state) env_.delete_local_state(job);
      }
      for (const std::string& job : message.release_artifacts().ended_job_ids()) {
        if (env_.delete_local_state) env_.delete_local_state(job);
      }
      return;
    case proto::JobManagerToTaskManager::kRetainArtifacts: return HandleRetain(message.retain_artifacts());
    case proto::JobManagerToTaskManager::kAdopt: return HandleAdopt(message.adopt());
    case proto::JobManagerToTaskManager::kCollectLogs:
      if (env_.collect_logs) env_.collect_logs(message.collect_logs());
      return;
    case proto::JobManagerToTaskManager::kRegistrationRefused:
      return GiveUp(
          FailedPrecondition("the JobManager refused this TaskManager: {}", message.registration_refused().reason()));
    case proto::JobManagerToTaskManager::kHeartbeat:
    case proto::JobManagerToTaskManager::MESSAGE_NOT_SET:  // of a newer version
      return;
  }
}

void TaskManager::HandleRegistered(const proto::Registered& registered) {
  registered_ = true;
  cluster_id_ = registered.cluster_id();
  backoff_ms_ = options_.reconnect_initial_backoff_ms;
  EAGRE_LOG_INFO("registered with the JobManager as {} ({} slots, {} workers run)", options_.id, options_.slots,
                 runs_.size());
  for (proto::WorkerExited& exited : std::exchange(unreported_exits_, {})) ReportExit(std::move(exited));
}

void TaskManager::HandleAdopt(const proto::AdoptWorker& adopt) {
  const Run* run = Find(adopt.attempt());
  if (run == nullptr) return;  // its end is on its way
  proto::TaskManagerToJobManager message;
  for (const auto& [subtask, report] : run->ended) {
    *message.mutable_checkpoint_report() = report;
    SendToJobManager(message);
  }
  if (run->failure) {
    *message.mutable_task_failed() = *run->failure;
    SendToJobManager(message);
  }
  if (run->finished) {
    *message.mutable_worker_finished()->mutable_attempt() = run->attempt();
    SendToJobManager(std::move(message));
  }
}

void TaskManager::HandleRetain(const proto::RetainArtifacts& retain) {
  env_.artifacts->ReleaseOthers({retain.digests().begin(), retain.digests().end()});
  const std::set<std::string> jobs(retain.job_ids().begin(), retain.job_ids().end());
  if (env_.delete_other_logs) env_.delete_other_logs(jobs);
  if (env_.delete_other_local_state) env_.delete_other_local_state(jobs);
}

void TaskManager::LoseJobManager(const Status& reason) {
  if (registered_) {
    EAGRE_LOG_WARN("lost the JobManager ({}); connecting again, with {} workers", WhyClosed(reason), runs_.size());
    registered_ = false;
    unregistered_since_ns_ = env_.executor->clock().MonotonicNs();
  } else {
    TellUnreachable(WhyClosed(reason));
  }
  DropJobManagerLink();
  KillUnstartedRuns();
  ScheduleReconnect();
}

// The first time and from time to time, since each attempt fails for the same reason.
void TaskManager::TellUnreachable(std::string_view reason) {
  unreachable_reason_ = reason;
  const int64_t now_ns = env_.executor->clock().MonotonicNs();
  if (told_unreachable_ns_ >= unregistered_since_ns_ && now_ns - told_unreachable_ns_ < kTellUnreachableNs) return;
  told_unreachable_ns_ = now_ns;
  EAGRE_LOG_WARN("cannot reach the JobManager, and tries again: {}", reason);
}

void TaskManager::DropJobManagerLink() {
  if (job_manager_ == nullptr) return;
  // Deferred: this may run inside one of the link's own handlers.
  std::shared_ptr<Link> old = std::move(job_manager_);
  old->Close();
  env_.executor->Post([old] {});
}

void TaskManager::ScheduleReconnect() {
  const int64_t waited_ms = (env_.executor->clock().MonotonicNs() - unregistered_since_ns_) / kNsPerMs;
  if (options_.registration_timeout_ms > 0 && waited_ms >= options_.registration_timeout_ms) {
    GiveUp(Unavailable("no JobManager took this TaskManager within {} ms (taskmanager.registration.timeout): {}",
                       options_.registration_timeout_ms, unreachable_reason_));
    return;
  }
  reconnect_timer_ = env_.executor->PostAfter(backoff_ms_, [this] { Connect(); });
  backoff_ms_ = std::min(backoff_ms_ * 2, options_.reconnect_max_backoff_ms);
}

// Runs for the life of the TaskManager: sends what proves that it lives, and looks for the same from the JobManager.
void TaskManager::ScheduleHeartbeat() {
  const int64_t due_ns = env_.executor->clock().MonotonicNs() + options_.heartbeat_interval_ms * kNsPerMs;
  heartbeat_timer_ = env_.executor->PostAfter(options_.heartbeat_interval_ms, [this, due_ns] {
    if (registered_) {
      proto::TaskManagerToJobManager message;
      message.mutable_heartbeat();
      SendToJobManager(std::move(message));
    }
    const int64_t now_ns = env_.executor->clock().MonotonicNs();
    // This process stood still (stopped, or its machine asleep): what the JobManager said meanwhile is still unread.
    const bool stood_still = (now_ns - due_ns) / kNsPerMs > options_.heartbeat_interval_ms;
    const int64_t silent_ms = (now_ns - last_heard_ns_) / kNsPerMs;
    if (job_manager_ != nullptr && register_sent_ && !stood_still && silent_ms >= options_.heartbeat_timeout_ms) {
      LoseJobManager(Unavailable("the JobManager was silent for {} ms", silent_ms));
    }
    if (!stopping_) ScheduleHeartbeat();
  });
}

void TaskManager::GiveUp(Status reason) {
  EAGRE_LOG_ERROR("giving up: {}", StatusMessage(reason));
  registered_ = false;
  stopping_ = true;
  env_.executor->Cancel(heartbeat_timer_);
  env_.executor->Cancel(reconnect_timer_);
  DropJobManagerLink();
  KillAllRuns();
  if (env_.on_give_up) env_.on_give_up(std::move(reason));
}

void TaskManager::SendToJobManager(proto::TaskManagerToJobManager message) {
  if (job_manager_ != nullptr) job_manager_->Send(message.SerializeAsString());
}

}  // namespace eagre
