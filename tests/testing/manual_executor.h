// An Executor for tests: no thread, virtual time, and nothing runs until the test says so.
//
// What is posted runs in the order posted; timers run in the order of their due times, ties in the order they were set.
// So a test of a state machine is a plain sequence of calls, and the same test does the same thing every time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/executor.h"

namespace eagre {

// Post may be called from any thread (a link of another thread may do so); everything else belongs to the test's
// thread.
class ManualExecutor final : public Executor {
 public:
  // Virtual time starts at `start_ms` since the epoch.
  explicit ManualExecutor(int64_t start_ms = 1'700'000'000'000);

  void Post(Closure task) override;
  TimerId PostAfter(int64_t delay_ms, Closure task) override;
  void Cancel(TimerId timer) override;
  const Clock& clock() const override { return clock_; }

  // Runs what is posted, and what that posts, until nothing is left at this instant. Returns how many tasks ran.
  size_t RunReady();
  // Lets `duration_ms` of virtual time pass, stopping at every timer that falls due.
  void Advance(int64_t duration_ms);
  // Lets time pass while nothing runs, as for a process that is stopped: timers fall due and run late.
  void StandStill(int64_t duration_ms) { clock_.elapsed_ms += duration_ms; }
  // Lets time pass from timer to timer until `done` holds; false when it did not within `limit_ms` of virtual time.
  bool RunUntil(const std::function<bool()>& done, int64_t limit_ms);

  size_t pending_timers() const { return timers_.size(); }
  int64_t now_ms() const { return clock_.NowMs(); }

 private:
  class VirtualClock final : public Clock {
   public:
    explicit VirtualClock(int64_t start_ms) : start_ms_(start_ms) {}
    int64_t NowMs() const override { return start_ms_ + elapsed_ms; }
    int64_t MonotonicNs() const override { return elapsed_ms * 1'000'000; }
    int64_t elapsed_ms = 0;

   private:
    const int64_t start_ms_;
  };

  void RunTimersDueAt(int64_t elapsed_ms);

  VirtualClock clock_;
  std::mutex mutex_;  // guards ready_
  std::deque<Closure> ready_;
  std::map<std::pair<int64_t, TimerId>, Closure> timers_;  // by due time (elapsed ms), then by id
  std::map<TimerId, int64_t> due_by_id_;
  TimerId next_timer_ = 1;
};

}  // namespace eagre
