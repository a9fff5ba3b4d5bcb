#include "jobmanager/log_collector.h"

#include <fmt/format.h>

#include "base/duration.h"

namespace eagre {

LogCollector::~LogCollector() {
  for (auto& [id, request] : requests_) executor_.Cancel(request.silence_timer);
}

StatusOr<uint64_t> LogCollector::Start(const std::string& job_id,
                                       std::vector<std::pair<std::string, std::string>> task_managers, LogSink sink) {
  if (requests_.size() >= kMaxRequests) {
    return ResourceExhausted("{} requests for logs are running already; try again when one has ended", kMaxRequests);
  }
  const uint64_t id = next_request_++;
  Request& request = requests_[id];
  request.job_id = job_id;
  request.task_managers = std::move(task_managers);
  request.sink = std::move(sink);
  // A timer rather than a call: the caller does not know the id yet.
  request.silence_timer = executor_.PostAfter(0, [this, id] { AskNext(id); });
  return id;
}

void LogCollector::Stop(uint64_t id) {
  auto request = requests_.find(id);
  if (request == requests_.end()) return;
  executor_.Cancel(request->second.silence_timer);
  requests_.erase(request);
}

void LogCollector::AskNext(uint64_t id) {
  auto entry = requests_.find(id);
  if (entry == requests_.end()) return;
  Request& request = entry->second;
  request.pushing_as.clear();
  if (request.next == request.task_managers.size()) {
    const LogSink sink = std::move(request.sink);
    Stop(id);
    return sink.on_done();
  }
  const auto& [task_manager_id, host] = request.task_managers[request.next++];
  request.pushing_as = fmt::format("{}-{}", id, request.next);
  proto::CollectLogs message;
  message.set_request_id(request.pushing_as);
  message.set_job_id(request.job_id);
  if (!ask_(task_manager_id, message)) return PassOver(id, "it is not registered any more");
  ArmSilenceTimer(id);
}

void LogCollector::ArmSilenceTimer(uint64_t id) {
  requests_.at(id).silence_timer = executor_.PostAfter(silence_timeout_ms_, [this, id] {
    PassOver(id, fmt::format("it sent nothing for {}", FormatDurationMs(silence_timeout_ms_)));
  });
}

void LogCollector::PassOver(uint64_t id, const std::string& why) {
  Request& request = requests_.at(id);
  executor_.Cancel(request.silence_timer);
  request.pushing_as.clear();
  const auto& [task_manager_id, host] = request.task_managers[request.next - 1];
  proto::LogPart part;
  part.set_source(fmt::format("tm {} @ {}", task_manager_id, host));
  part.set_data(fmt::format("(no more output from this TaskManager: {})\n", why));
  Deliver(id, std::move(part), [this, id] { AskNext(id); });
}

void LogCollector::Deliver(uint64_t id, proto::LogPart part, Closure consumed) {
  // A copy: the request may be stopped before the sink has returned.
  const auto on_part = requests_.at(id).sink.on_part;
  on_part(std::move(part), std::move(consumed));
}

void LogCollector::OnPart(const proto::LogPart& part, std::function<void(Status)> consumed) {
  for (auto& [id, request] : requests_) {
    if (request.pushing_as.empty() || request.pushing_as != part.request_id()) continue;
    executor_.Cancel(request.silence_timer);
    const bool last = part.last();
    if (last && part.data().empty()) {
      consumed(OkStatus());
      return AskNext(id);
    }
    // The silence of a TaskManager is not counted while the client is slow to take what it sent.
    return Deliver(id, part, [this, id = id, last, pushing_as = request.pushing_as, consumed] {
      auto entry = requests_.find(id);
      if (entry == requests_.end() || entry->second.pushing_as != pushing_as) {
        return consumed(Cancelled("nobody reads these logs any more"));
      }
      consumed(OkStatus());
      if (last) return AskNext(id);
      ArmSilenceTimer(id);
    });
  }
  consumed(NotFound("no request for logs has the id {}; it has ended", part.request_id()));
}

void LogCollector::OnTaskManagerLost(const std::string& task_manager_id) {
  std::vector<uint64_t> waiting;
  for (const auto& [id, request] : requests_) {
    if (!request.pushing_as.empty() && request.task_managers[request.next - 1].first == task_manager_id) {
      waiting.push_back(id);
    }
  }
  for (uint64_t id : waiting) PassOver(id, "it was lost");
}

}  // namespace eagre
