// Drives slots by the scheduler: a step is an event, and how long it takes is a choice.
#pragma once

#include <memory>
#include <string>

#include "runtime/slot_runner.h"
#include "tests/sim/sim_scheduler.h"

namespace eagre {

class SimSlotRunnerFactory final : public SlotRunnerFactory {
 public:
  explicit SimSlotRunnerFactory(SimScheduler& scheduler, SimProcess* process = nullptr)
      : scheduler_(scheduler), process_(process) {}
  std::unique_ptr<SlotRunner> Create(const std::string& name) override;
  const Clock& clock() const override { return scheduler_.clock(); }

 private:
  SimScheduler& scheduler_;
  SimProcess* const process_;
};

}  // namespace eagre
