// Who calls Slot::Step: a thread per slot, or the simulator's seeded scheduler. Same slots, two drivers.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "runtime/channel.h"

namespace eagre {

class DataNetwork;
class Slot;

// Drives one slot. Wake() may be called from any thread.
class SlotRunner : public Waker {
 public:
  // Begins to step the slot until its Step says done. The slot outlives the runner.
  virtual void Start(Slot& slot) = 0;
  // Returns once the slot is not stepped any more; the slot must have been told to cancel, or be done.
  virtual void Join() = 0;
};

class SlotRunnerFactory {
 public:
  virtual ~SlotRunnerFactory() = default;
  virtual std::unique_ptr<SlotRunner> Create(const std::string& name) = 0;
  virtual const Clock& clock() const = 0;
};

// One thread per slot, which polls briefly before it parks, and meanwhile serves the `network` of its worker, if that
// is not null.
std::unique_ptr<SlotRunnerFactory> NewThreadSlotRunnerFactory(DataNetwork* network);

}  // namespace eagre
