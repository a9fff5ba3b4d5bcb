// The TaskManagers: their links, who is alive, and how many slots each has free.
//
// A TaskManager exists from its Register message until its link closes, or until it was silent for heartbeat.timeout,
// or until one of the same id registers over another link. A connection that does not register in that time is closed,
// and so is one above the number that may wait to register.
//
// Slots of workers that already run when their TaskManager registers are not free: they become so when the worker's end
// is reported, or belong to the job that adopts it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/link.h"
#include "jobmanager/slot_assignment.h"
#include "proto/client.pb.h"
#include "proto/control.pb.h"

namespace eagre {

struct TaskManagerRegistryOptions {
  std::string cluster_id;
  std::string version;  // a TaskManager of another one is refused
  int64_t heartbeat_interval_ms = 10'000;
  int64_t heartbeat_timeout_ms = 50'000;
  size_t max_unregistered = 64;
};

// Lives on its executor; the handlers are called there, never from within a call into the registry except by Accept's
// links and by timers.
class TaskManagerRegistry {
 public:
  struct Handlers {
    std::function<void(const std::string& id, const proto::RegisterTaskManager& registration)> on_registered;
    std::function<void(const std::string& id, const proto::TaskManagerToJobManager& message)> on_message;
    // Its slots are gone with it. `reason` is for users: "its connection closed", "no heartbeat for 50 s", ...
    std::function<void(const std::string& id, const std::string& host, const std::string& reason)> on_lost;
  };

  TaskManagerRegistry(Executor& executor, TaskManagerRegistryOptions options, Handlers handlers);
  ~TaskManagerRegistry();  // closes all links

  void Accept(std::unique_ptr<Link> link);
  // To an id that is not registered (any more): dropped, as its loss is reported.
  void Send(const std::string& id, const proto::JobManagerToTaskManager& message);
  void SendToAll(const proto::JobManagerToTaskManager& message);

  // Takes slots for a job of `count` job slots, those of `previous` (by job slot) where they are free and else spread
  // over the TaskManagers; nothing when too few are free.
  std::optional<std::vector<SlotGroup>> TakeSlots(int count, const std::vector<SlotHome>& previous);
  // Ignored when the TaskManager is gone: its slots went with it.
  void GiveSlotsBack(const std::string& id, int count);
  // A worker that ran when its TaskManager registered: its slots are a job's from now on, who gives them back.
  void Adopt(const std::string& id, const proto::AttemptId& attempt);
  // The same, when it is gone and no job has adopted it: its slots are free. Ignored for others.
  void ReleaseLeftover(const std::string& id, const proto::AttemptId& attempt);

  bool Contains(const std::string& id) const { return by_id_.contains(id); }
  std::string host(const std::string& id) const;  // empty for an unknown id
  int count() const { return static_cast<int>(by_id_.size()); }
  int slots_total() const;
  int slots_free() const;
  void Fill(proto::ClusterDetails& details) const;

 private:
  struct Connection {
    std::unique_ptr<Link> link;
    std::optional<proto::RegisterTaskManager> registered;
    int free_slots = 0;
    std::map<std::pair<std::string, int32_t>, int> leftovers;  // (job, attempt) that ran already: slots
    int64_t last_heard_ns = 0;
    TimerId watchdog = 0;
    int64_t watchdog_due_ns = 0;
  };

  void OnMessage(uint64_t connection_id, std::string_view bytes);
  void Register(uint64_t connection_id, const proto::RegisterTaskManager& registration);
  void Refuse(uint64_t connection_id, const std::string& reason);
  void Drop(uint64_t connection_id, const std::string& reason);
  void ArmWatchdog(uint64_t connection_id, int64_t delay_ms);
  void OnWatchdog(uint64_t connection_id);
  void SendHeartbeats();

  Executor& executor_;
  const TaskManagerRegistryOptions options_;
  const Handlers handlers_;
  std::map<uint64_t, Connection> connections_;  // in the order in which they came
  std::map<std::string, uint64_t> by_id_;
  uint64_t next_connection_ = 1;
  TimerId heartbeat_timer_ = 0;
};

}  // namespace eagre
