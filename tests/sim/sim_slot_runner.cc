#include "tests/sim/sim_slot_runner.h"

#include <algorithm>
#include <utility>

#include "runtime/slot.h"

namespace eagre {

class SimSlotRunner final : public SlotRunner {
 public:
  explicit SimSlotRunner(SimSlotRunnerFactory& factory)
      : factory_(factory),
        scheduler_(factory.scheduler_),
        step_ns_(factory.pace_.step_ns >> 2 * scheduler_.Choose(0, 2)),
        thread_(factory.scheduler_, factory.process_) {}
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
    SimSlotRunnerFactory::StepClock::Turn turn{.step_ns = step_ns_};
    // Within a turn another slot may have one, when this one waits for the disk.
    auto* const outer = std::exchange(factory_.clock_.turn_, &turn);
    const Slot::Outcome outcome = slot_->Step();
    factory_.clock_.turn_ = outer;
    stepping_ = false;
    scheduler_.Trace("stepped", outcome.progress);
    if (outcome.done) {
      done_ = true;
      return;
    }
    if (outcome.progress || woken_) return ScheduleStep(turn.spent_ns + scheduler_.Choose(1'000, 200'000) + PauseNs());
    parked_ = true;
    if (outcome.wake_up_ms == kMaxWatermark) return;
    // It may be due within this millisecond: time passes all the same.
    const int64_t wait_ms = outcome.wake_up_ms - scheduler_.clock().NowMs();
    const int64_t wait_ns = std::max(wait_ms * 1'000'000, scheduler_.Choose(50'000, 300'000));
    event_ = scheduler_.Schedule(
        wait_ns, "timer", [this] { Step(); }, &thread_);
  }

  int64_t PauseNs() {
    const SimSlotPace& pace = factory_.pace_;
    return pace.pause_one_in > 0 && scheduler_.OneIn(pace.pause_one_in) ? scheduler_.Choose(0, pace.pause_ns) : 0;
  }

  SimSlotRunnerFactory& factory_;
  SimScheduler& scheduler_;
  const int64_t step_ns_;
  SimThread thread_;
  Slot* slot_ = nullptr;
  uint64_t event_ = 0;
  bool parked_ = false;
  bool stepping_ = false;
  bool woken_ = false;
  bool done_ = false;
};

int64_t SimSlotRunnerFactory::StepClock::MonotonicNs() const {
  if (turn_ == nullptr) return scheduler_.now_ns();
  if (turn_->step_ns > 0) turn_->spent_ns += scheduler_.Choose(0, turn_->step_ns);
  return scheduler_.now_ns() + turn_->spent_ns;
}

std::unique_ptr<SlotRunner> SimSlotRunnerFactory::Create(const std::string&) {
  return std::make_unique<SimSlotRunner>(*this);
}

}  // namespace eagre
