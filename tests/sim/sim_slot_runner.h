// Drives slots by the scheduler: a turn of a slot is an event, and how long it takes is a choice. So some subtasks are
// slower than others, and what comes for them waits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/slot_runner.h"
#include "tests/sim/sim_scheduler.h"

namespace eagre {

struct SimSlotPace {
  // The slowest slot's step of a task takes this at most; 0: none takes any time. A turn that takes long has few steps.
  int64_t step_ns = 0;
  // Of turns, one in so many is followed by a pause, as of a thread that gets no processor; 0: none.
  int64_t pause_one_in = 0;
  int64_t pause_ns = 0;  // at most
};

class SimSlotRunnerFactory final : public SlotRunnerFactory {
 public:
  explicit SimSlotRunnerFactory(SimScheduler& scheduler, SimProcess* process = nullptr, const SimSlotPace& pace = {})
      : scheduler_(scheduler), process_(process), pace_(pace), clock_(scheduler) {}
  std::unique_ptr<SlotRunner> Create(const std::string& name) override;
  const Clock& clock() const override { return clock_; }

 private:
  friend class SimSlotRunner;
  // A slot reads it after every step of a task, which has then taken its time.
  class StepClock final : public Clock {
   public:
    explicit StepClock(SimScheduler& scheduler) : scheduler_(scheduler) {}
    int64_t NowMs() const override { return scheduler_.clock().NowMs(); }
    int64_t MonotonicNs() const override;

   private:
    friend class SimSlotRunner;
    // Of the slot whose turn it is.
    struct Turn {
      int64_t step_ns = 0;
      int64_t spent_ns = 0;
    };
    SimScheduler& scheduler_;
    Turn* turn_ = nullptr;
  };

  SimScheduler& scheduler_;
  SimProcess* const process_;
  const SimSlotPace pace_;
  StepClock clock_;
};

}  // namespace eagre
