// One logical thread on which an object's messages, timers and callbacks run one after another.
//
// JobManager, TaskManager and Worker are written as state machines that live on one Executor each: no locks inside
// them, and the simulator drives the same code by one that is seeded and has virtual time.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"

namespace eagre {

using Closure = absl::AnyInvocable<void()>;
using TimerId = uint64_t;

// Post and PostAfter may be called from any thread; what is posted runs in the order posted, one at a time.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Post(Closure task) = 0;
  // Runs `task` after at least `delay_ms`. The id is never 0.
  virtual TimerId PostAfter(int64_t delay_ms, Closure task) = 0;
  // After this returns on the executor's own thread the timer does not run. Unknown or past ids are ignored.
  virtual void Cancel(TimerId timer) = 0;
  virtual const Clock& clock() const = 0;
};

// A real thread. The destructor (or Stop) runs what was already posted, drops pending timers and joins; it must not be
// called on the executor's own thread. What is posted after Stop is dropped. Timers that are due at the same time run
// in the order in which they were set.
class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(std::string name);
  ~ThreadExecutor() override;
  void Post(Closure task) override;
  TimerId PostAfter(int64_t delay_ms, Closure task) override;
  void Cancel(TimerId timer) override;
  const Clock& clock() const override;
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eagre
