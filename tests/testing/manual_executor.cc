#include "tests/testing/manual_executor.h"

#include <algorithm>

namespace eagre {

ManualExecutor::ManualExecutor(int64_t start_ms) : clock_(start_ms) {}

void ManualExecutor::Post(Closure task) {
  std::lock_guard lock(mutex_);
  ready_.push_back(std::move(task));
}

TimerId ManualExecutor::PostAfter(int64_t delay_ms, Closure task) {
  const TimerId id = next_timer_++;
  const int64_t due_ms = clock_.elapsed_ms + std::max<int64_t>(delay_ms, 0);
  timers_.emplace(std::pair(due_ms, id), std::move(task));
  due_by_id_.emplace(id, due_ms);
  return id;
}

void ManualExecutor::Cancel(TimerId timer) {
  auto due = due_by_id_.find(timer);
  if (due == due_by_id_.end()) return;
  timers_.erase({due->second, timer});
  due_by_id_.erase(due);
}

size_t ManualExecutor::RunReady() {
  size_t count = 0;
  for (;;) {
    Closure task;
    {
      std::lock_guard lock(mutex_);
      if (ready_.empty()) return count;
      task = std::move(ready_.front());
      ready_.pop_front();
    }
    task();
    ++count;
  }
}

void ManualExecutor::RunTimersDueAt(int64_t elapsed_ms) {
  clock_.elapsed_ms = std::max(clock_.elapsed_ms, elapsed_ms);
  while (!timers_.empty() && timers_.begin()->first.first <= elapsed_ms) {
    auto timer = timers_.extract(timers_.begin());
    due_by_id_.erase(timer.key().second);
    timer.mapped()();
    RunReady();
  }
}

void ManualExecutor::Advance(int64_t duration_ms) {
  const int64_t end_ms = clock_.elapsed_ms + duration_ms;
  RunReady();
  while (!timers_.empty() && timers_.begin()->first.first <= end_ms) RunTimersDueAt(timers_.begin()->first.first);
  clock_.elapsed_ms = end_ms;
}

bool ManualExecutor::RunUntil(const std::function<bool()>& done, int64_t limit_ms) {
  const int64_t end_ms = clock_.elapsed_ms + limit_ms;
  RunReady();
  while (!done()) {
    if (timers_.empty() || timers_.begin()->first.first > end_ms) return false;
    RunTimersDueAt(timers_.begin()->first.first);
  }
  return true;
}

}  // namespace eagre
