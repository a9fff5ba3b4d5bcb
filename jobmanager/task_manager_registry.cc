#include "jobmanager/task_manager_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/daemon_options.h"
#include "base/duration.h"
#include "base/logging.h"

namespace eagre {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

// Empty when the registration is acceptable.
std::string WhyUnacceptable(const proto::RegisterTaskManager& registration, const std::string& version) {
  if (registration.task_manager_id().empty()) return "it gave no id";
  if (registration.slots() < 1 || registration.slots() > kMostSlots) {
    return fmt::format("it offers {} slots; expected 1 to {} (taskmanager.numberOfTaskSlots)", registration.slots(),
                       kMostSlots);
  }
  int used = 0;
  for (const proto::RunningWorker& worker : registration.workers()) used += worker.job_slots_size();
  if (used > registration.slots()) {
    return fmt::format("its workers use {} slots, it offers {}", used, registration.slots());
  }
  if (registration.version() != version) {
    return fmt::format("it is version {}, this JobManager is version {}; run the same version everywhere",
                       registration.version(), version);
  }
  return "";
}

}  // namespace

TaskManagerRegistry::TaskManagerRegistry(Executor& executor, TaskManagerRegistryOptions options, Handlers handlers)
    : executor_(executor), options_(std::move(options)), handlers_(std::move(handlers)) {
  heartbeat_timer_ = executor_.PostAfter(options_.heartbeat_interval_ms, [this] { SendHeartbeats(); });
}

TaskManagerRegistry::~TaskManagerRegistry() {
  executor_.Cancel(heartbeat_timer_);
  for (auto& [id, connection] : connections_) executor_.Cancel(connection.watchdog);
}

void TaskManagerRegistry::Accept(std::unique_ptr<Link> link) {
  if (connections_.size() - by_id_.size() >= options_.max_unregistered) {
    EAGRE_LOG_WARN("closed a connection to the TaskManager service: {} others have not registered yet",
                   options_.max_unregistered);
    return;
  }
  const uint64_t id = next_connection_++;
  Connection& connection = connections_[id];
  connection.link = std::move(link);
  connection.last_heard_ns = executor_.clock().MonotonicNs();
  ArmWatchdog(id, options_.heartbeat_timeout_ms);
  connection.link->Start(executor_,
                         {.on_message = [this, id](std::string_view bytes) { OnMessage(id, bytes); },
                          .on_closed =
                              [this, id](Status reason) {
                                Drop(id, reason.ok() ? "its connection closed"
                                                     : fmt::format("its connection broke: {}", StatusMessage(reason)));
                              }});
}

void TaskManagerRegistry::OnMessage(uint64_t connection_id, std::string_view bytes) {
  proto::TaskManagerToJobManager message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    Drop(connection_id, "it sent a message that is not of this protocol");
    return;
  }
  Connection& connection = connections_.at(connection_id);
  connection.last_heard_ns = executor_.clock().MonotonicNs();
  if (message.has_register_()) {
    Register(connection_id, message.register_());
  } else if (!connection.registered) {
    Refuse(connection_id, "it sent something else before it registered");
  } else if (!message.has_heartbeat()) {
    handlers_.on_message(connection.registered->task_manager_id(), message);
  }
}

void TaskManagerRegistry::Register(uint64_t connection_id, const proto::RegisterTaskManager& registration) {
  Connection& connection = connections_.at(connection_id);
  if (connection.registered) return Refuse(connection_id, "it registered twice");
  if (std::string why = WhyUnacceptable(registration, options_.version); !why.empty()) {
    return Refuse(connection_id, why);
  }
  const std::string& id = registration.task_manager_id();
  if (auto old = by_id_.find(id); old != by_id_.end()) Drop(old->second, "it connected anew");
  connection.registered = registration;
  connection.free_slots = registration.slots();
  for (const proto::RunningWorker& worker : registration.workers()) {
    connection.leftovers[{worker.attempt().job_id(), worker.attempt().attempt()}] += worker.job_slots_size();
    connection.free_slots -= worker.job_slots_size();
  }
  by_id_[id] = connection_id;
  EAGRE_LOG_INFO("TaskManager {} at {} registered with {} slots, {} of them free (pid {})", id, registration.host(),
                 registration.slots(), connection.free_slots, registration.pid());
  proto::JobManagerToTaskManager reply;
  reply.mutable_registered()->set_cluster_id(options_.cluster_id);
  connection.link->Send(reply.SerializeAsString());
  handlers_.on_registered(id, registration);
}

void TaskManagerRegistry::Refuse(uint64_t connection_id, const std::string& reason) {
  proto::JobManagerToTaskManager message;
  message.mutable_registration_refused()->set_reason(reason);
  connections_.at(connection_id).link->Send(message.SerializeAsString());
  Drop(connection_id, reason);
}

void TaskManagerRegistry::Drop(uint64_t connection_id, const std::string& reason) {
  auto node = connections_.extract(connection_id);
  EAGRE_CHECK(!node.empty());
  executor_.Cancel(node.mapped().watchdog);
  if (!node.mapped().registered) {
    EAGRE_LOG_WARN("closed a connection to the TaskManager service: {}", reason);
    return;
  }
  const proto::RegisterTaskManager& who = *node.mapped().registered;
  by_id_.erase(who.task_manager_id());
  EAGRE_LOG_WARN("lost TaskManager {} at {}: {}", who.task_manager_id(), who.host(), reason);
  handlers_.on_lost(who.task_manager_id(), who.host(), reason);
}

void TaskManagerRegistry::ArmWatchdog(uint64_t connection_id, int64_t delay_ms) {
  Connection& connection = connections_.at(connection_id);
  connection.watchdog_due_ns = executor_.clock().MonotonicNs() + delay_ms * kNsPerMs;
  connection.watchdog = executor_.PostAfter(delay_ms, [this, connection_id] { OnWatchdog(connection_id); });
}

void TaskManagerRegistry::OnWatchdog(uint64_t connection_id) {
  Connection& connection = connections_.at(connection_id);
  const int64_t now_ns = executor_.clock().MonotonicNs();
  const int64_t silent_ms = (now_ns - connection.last_heard_ns) / kNsPerMs;
  const int64_t late_ms = (now_ns - connection.watchdog_due_ns) / kNsPerMs;
  // This process stood still (stopped, or its machine asleep): what the TaskManager said meanwhile is still unread.
  if (late_ms > options_.heartbeat_interval_ms) return ArmWatchdog(connection_id, options_.heartbeat_interval_ms);
  if (!connection.registered) return Drop(connection_id, "it did not register in time");
  if (silent_ms >= options_.heartbeat_timeout_ms) {
    return Drop(connection_id, fmt::format("no heartbeat for {} (heartbeat.timeout)", FormatDurationMs(silent_ms)));
  }
  ArmWatchdog(connection_id, options_.heartbeat_timeout_ms - silent_ms);
}

void TaskManagerRegistry::SendHeartbeats() {
  proto::JobManagerToTaskManager message;
  message.mutable_heartbeat();
  SendToAll(message);
  heartbeat_timer_ = executor_.PostAfter(options_.heartbeat_interval_ms, [this] { SendHeartbeats(); });
}

void TaskManagerRegistry::Send(const std::string& id, const proto::JobManagerToTaskManager& message) {
  auto entry = by_id_.find(id);
  if (entry != by_id_.end()) connections_.at(entry->second).link->Send(message.SerializeAsString());
}

void TaskManagerRegistry::SendToAll(const proto::JobManagerToTaskManager& message) {
  const std::string bytes = message.SerializeAsString();
  for (auto& [id, connection] : connections_) {
    if (connection.registered) connection.link->Send(bytes);
  }
}

std::optional<std::vector<SlotGroup>> TaskManagerRegistry::TakeSlots(int count, const std::vector<SlotHome>& previous) {
  std::vector<SlotOffer> offers;
  for (const auto& [id, connection] : connections_) {
    if (!connection.registered) continue;
    offers.push_back({connection.registered->task_manager_id(), connection.free_slots, connection.registered->host()});
  }
  auto groups = AssignSlots(offers, count, previous);
  if (!groups) return std::nullopt;
  for (const SlotGroup& group : *groups) {
    connections_.at(by_id_.at(group.task_manager_id)).free_slots -= static_cast<int>(group.job_slots.size());
  }
  return groups;
}

void TaskManagerRegistry::GiveSlotsBack(const std::string& id, int count) {
  auto entry = by_id_.find(id);
  if (entry == by_id_.end()) return;
  Connection& connection = connections_.at(entry->second);
  connection.free_slots += count;
  EAGRE_CHECK(connection.free_slots <= connection.registered->slots());
}

void TaskManagerRegistry::Adopt(const std::string& id, const proto::AttemptId& attempt) {
  auto entry = by_id_.find(id);
  if (entry != by_id_.end()) connections_.at(entry->second).leftovers.erase({attempt.job_id(), attempt.attempt()});
}

void TaskManagerRegistry::ReleaseLeftover(const std::string& id, const proto::AttemptId& attempt) {
  auto entry = by_id_.find(id);
  if (entry == by_id_.end()) return;
  Connection& connection = connections_.at(entry->second);
  const auto leftover = connection.leftovers.extract({attempt.job_id(), attempt.attempt()});
  if (!leftover.empty()) connection.free_slots += leftover.mapped();
}

std::string TaskManagerRegistry::host(const std::string& id) const {
  auto entry = by_id_.find(id);
  return entry == by_id_.end() ? "" : connections_.at(entry->second).registered->host();
}

int TaskManagerRegistry::slots_total() const {
  int total = 0;
  for (const auto& [id, connection] : connections_) total += connection.registered ? connection.registered->slots() : 0;
  return total;
}

int TaskManagerRegistry::slots_free() const {
  int free = 0;
  for (const auto& [id, connection] : connections_) free += connection.free_slots;
  return free;
}

void TaskManagerRegistry::Fill(proto::ClusterDetails& details) const {
  details.set_version(options_.version);
  details.set_slots_total(slots_total());
  details.set_slots_available(slots_free());
  const int64_t now_ns = executor_.clock().MonotonicNs();
  for (const auto& [id, connection] : connections_) {
    if (!connection.registered) continue;
    proto::TaskManagerDetails& out = *details.add_task_managers();
    out.set_id(connection.registered->task_manager_id());
    out.set_host(connection.registered->host());
    out.set_slots(connection.registered->slots());
    out.set_free_slots(connection.free_slots);
    out.set_pid(connection.registered->pid());
    out.set_since_heartbeat_ms((now_ns - connection.last_heard_ns) / kNsPerMs);
  }
}

}  // namespace eagre
