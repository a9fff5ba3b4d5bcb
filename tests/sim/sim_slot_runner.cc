#include "tests/sim/sim_slot_runner.h"

#include <algorithm>
#include <utility>

#include "runtime/slot.h"

namespace eagre {
namespace {

class SimSlotRunner final : public SlotRunner {
 public:
  SimSlotRunner(SimScheduler& scheduler, SimProcess* process) : scheduler_(scheduler), thread_(scheduler, process) {}
  ~SimSlotRunner() override { scheduler_.Cancel(event_); }

  void Start(Slot& slot) override {
    slot_ = &slot;
    ScheduleStep(scheduler_.Choose(0, 100'000));
  }

  void Wake() override {
    if (slot_ == nullptr || done_) return;
    if (stepping_) {
      woken_ = true;
    } else if (parked_) {
      ScheduleStep(scheduler_.Choose(1'000, 50'000));
    }
  }

  // A cancelled slot needs one more step to notice; nobody else can make it here.
  void Join() override {
    while (slot_ != nullptr && !done_) Step();
    scheduler_.Cancel(event_);
  }

 private:
  void ScheduleStep(int64_t delay_ns) {
    parked_ = false;
    scheduler_.Cancel(event_);
    event_ = scheduler_.Schedule(
        delay_ns, "step", [this] { Step(); }, &thread_);
  }

  void Step() {
    stepping_ = true;
    woken_ = false;
    const Slot::Outcome outcome = slot_->Step();
    stepping_ = false;
    scheduler_.Trace("stepped", outcome.progress);
    if (outcome.done) {
      done_ = true;
      return;
    }
    if (outcome.progress || woken_) return ScheduleStep(scheduler_.Choose(1'000, 200'000));
    parked_ = true;
    if (outcome.wake_up_ms == kMaxWatermark) return;
    // It may be due within this millisecond: time passes all the same.
    const int64_t wait_ms = outcome.wake_up_ms - scheduler_.clock().NowMs();
    const int64_t wait_ns = std::max(wait_ms * 1'000'000, scheduler_.Choose(50'000, 300'000));
    event_ = scheduler_.Schedule(
        wait_ns, "timer", [this] { Step(); }, &thread_);
  }

  SimScheduler& scheduler_;
  SimThread thread_;
  Slot* slot_ = nullptr;
  uint64_t event_ = 0;
  bool parked_ = false;
  bool stepping_ = false;
  bool woken_ = false;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<SlotRunner> SimSlotRunnerFactory::Create(const std::string&) {
  return std::make_unique<SimSlotRunner>(scheduler_, process_);
}

}  // namespace eagre
