#include "tests/sim/sim_scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace eagre {

void SimScheduler::Trace(std::string_view what, uint64_t value) {
  trace_hash_ = MixInt64(trace_hash_ ^ Hash64(what)) + MixInt64(value ^ static_cast<uint64_t>(now_ns_));
}

int64_t SimScheduler::Choose(int64_t low, int64_t high) {
  EAGRE_CHECK(low <= high);
  const int64_t choice = low + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(high - low) + 1));
  Trace("choice", static_cast<uint64_t>(choice));
  return choice;
}

uint64_t SimScheduler::Schedule(int64_t delay_ns, std::string_view what, Closure task) {
  const uint64_t id = next_id_++;
  const Key key{now_ns_ + std::max<int64_t>(delay_ns, 0), random_.Next(), id};
  events_.emplace(key, Entry{what, std::move(task)});
  keys_.emplace(id, key);
  return id;
}

void SimScheduler::Cancel(uint64_t id) {
  const auto found = keys_.find(id);
  if (found == keys_.end()) return;
  events_.erase(found->second);
  keys_.erase(found);
}

bool SimScheduler::RunUntil(const std::function<bool()>& done, int64_t limit_ms) {
  const int64_t limit_ns = now_ns_ + limit_ms * 1'000'000;
  while (!done()) {
    if (events_.empty()) return false;
    auto first = events_.begin();
    if (std::get<0>(first->first) > limit_ns) return false;
    const uint64_t id = std::get<2>(first->first);
    now_ns_ = std::get<0>(first->first);
    Entry entry = std::move(first->second);
    keys_.erase(id);
    events_.erase(first);
    ++events_run_;
    Trace(entry.what, id);
    entry.task();
  }
  return true;
}

void SimExecutor::Post(Closure task) {
  const int64_t due_ns = std::max(scheduler_.now_ns() + scheduler_.Choose(0, 20'000), last_due_ns_ + 1);
  last_due_ns_ = due_ns;
  scheduler_.Schedule(due_ns - scheduler_.now_ns(), name_, std::move(task));
}

TimerId SimExecutor::PostAfter(int64_t delay_ms, Closure task) {
  return scheduler_.Schedule(delay_ms * 1'000'000 + scheduler_.Choose(0, 500'000), name_, std::move(task));
}

}  // namespace eagre
