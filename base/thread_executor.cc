#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/executor.h"

namespace eagre {

struct ThreadExecutor::Impl {
  // Timers run in the order of their deadlines, equal deadlines in the order in which they were set.
  using TimerKey = std::pair<int64_t, TimerId>;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Closure> tasks;
  std::map<TimerKey, Closure> timers;
  std::map<TimerId, int64_t> deadlines_ns;
  TimerId last_timer = 0;
  bool stopping = false;
  std::thread thread;

  // Both take and give back the lock; closures run and are destroyed without it.
  void RunPosted(std::unique_lock<std::mutex>& lock);
  void RunDueTimers(std::unique_lock<std::mutex>& lock);
  void WaitForWork(std::unique_lock<std::mutex>& lock);
  void Loop();
};

void ThreadExecutor::Impl::RunPosted(std::unique_lock<std::mutex>& lock) {
  std::deque<Closure> batch = std::exchange(tasks, {});
  lock.unlock();
  while (!batch.empty()) {
    batch.front()();
    batch.pop_front();
  }
  lock.lock();
}

void ThreadExecutor::Impl::RunDueTimers(std::unique_lock<std::mutex>& lock) {
  // A timer stays cancellable until the moment it runs, hence one at a time. Timers set meanwhile wait for the next
  // round, so that one with no delay that sets itself again cannot keep posted tasks from running.
  const TimerId newest = last_timer;
  const int64_t now_ns = SystemClock().MonotonicNs();
  while (!stopping && !timers.empty()) {
    auto first = timers.begin();
    if (first->first.first > now_ns || first->first.second > newest) return;
    Closure task = std::move(first->second);
    deadlines_ns.erase(first->first.second);
    timers.erase(first);
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

void ThreadExecutor::Impl::WaitForWork(std::unique_lock<std::mutex>& lock) {
  if (!tasks.empty() || stopping) return;
  if (timers.empty()) {
    wake.wait(lock);
    return;
  }
  const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(timers.begin()->first.first)};
  wake.wait_until(lock, deadline);
}

void ThreadExecutor::Impl::Loop() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    RunPosted(lock);
    RunDueTimers(lock);
    WaitForWork(lock);
  }
  RunPosted(lock);
  const auto dropped = std::exchange(timers, {});
  deadlines_ns.clear();
  lock.unlock();
}

ThreadExecutor::ThreadExecutor(std::string name) : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->Loop(); });
  constexpr size_t kLongestThreadName = 15;  // the kernel's limit
  pthread_setname_np(impl_->thread.native_handle(), name.substr(0, kLongestThreadName).c_str());
}

ThreadExecutor::~ThreadExecutor() {
  Stop();
}

void ThreadExecutor::Post(Closure task) {
  std::lock_guard lock(impl_->mutex);
  if (impl_->stopping) return;
  impl_->tasks.push_back(std::move(task));
  // The thread itself looks at its queue before it sleeps; only the first task of a queue has anybody to wake.
  if (impl_->tasks.size() == 1) impl_->wake.notify_one();
}

TimerId ThreadExecutor::PostAfter(int64_t delay_ms, Closure task) {
  constexpr int64_t kLongestDelayMs = int64_t{1000} * 86400 * 36500;  // a century: the deadline must fit 64 bits
  constexpr int64_t kNsPerMs = 1'000'000;
  const int64_t delay_ns = std::clamp<int64_t>(delay_ms, 0, kLongestDelayMs) * kNsPerMs;
  const int64_t deadline_ns = SystemClock().MonotonicNs() + delay_ns;
  std::lock_guard lock(impl_->mutex);
  const TimerId id = ++impl_->last_timer;
  if (impl_->stopping) return id;
  const auto at = impl_->timers.emplace(Impl::TimerKey{deadline_ns, id}, std::move(task)).first;
  impl_->deadlines_ns.emplace(id, deadline_ns);
  if (at == impl_->timers.begin()) impl_->wake.notify_one();
  return id;
}

void ThreadExecutor::Cancel(TimerId timer) {
  Closure cancelled;  // destroyed after the lock is given back: its captures may call this executor
  std::lock_guard lock(impl_->mutex);
  const auto deadline = impl_->deadlines_ns.find(timer);
  if (deadline == impl_->deadlines_ns.end()) return;
  auto entry = impl_->timers.find(Impl::TimerKey{deadline->second, timer});
  cancelled = std::move(entry->second);
  impl_->timers.erase(entry);
  impl_->deadlines_ns.erase(deadline);
}

const Clock& ThreadExecutor::clock() const {
  return SystemClock();
}

void ThreadExecutor::Stop() {
  EAGRE_CHECK_MSG(std::this_thread::get_id() != impl_->thread.get_id(), "an executor cannot stop itself");
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->wake.notify_one();
  }
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace eagre
