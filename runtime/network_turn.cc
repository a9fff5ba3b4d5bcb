#include "runtime/network_turn.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

namespace eagre {

NetworkTurn::NetworkTurn() : timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) {
  EAGRE_CHECK_MSG(timer_.valid(), "no descriptors left for the data network");
}

bool NetworkTurn::Take() {
  std::lock_guard lock(mutex_);
  return TakeLocked();
}

bool NetworkTurn::TakeToWait() {
  std::lock_guard lock(mutex_);
  if (TakeLocked()) return true;
  ++sleepers_;
  return false;
}

bool NetworkTurn::TakeLocked() {
  if (taken_ || stopped_) {
    wanted_ = true;
    return false;
  }
  taken_ = true;
  return true;
}

void NetworkTurn::EndSleep() {
  std::lock_guard lock(mutex_);
  --sleepers_;
}

void NetworkTurn::Return() {
  std::lock_guard lock(mutex_);
  ReturnLocked();
  if (stopped_) {
    returned_.notify_one();
  } else if (sleepers_ > 0) {
    SetTimer(1);
  } else if (!timer_set_) {
    SetTimer(kPatienceNs);
  }
}

void NetworkTurn::ReturnLocked() {
  taken_ = false;
  looked_ = true;
}

bool NetworkTurn::AwaitOwn() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (stopped_) {
        returned_.wait(lock, [this] { return !taken_; });
        taken_ = true;
        return false;
      }
      if (!taken_) {
        if (!std::exchange(looked_, false) || sleepers_ > 0) {
          taken_ = true;
          return true;
        }
        SetTimer(kPatienceNs);
      }
      // Who has the turn sets the timer when it returns it.
    }
    uint64_t expirations;
    static_cast<void>(!read(timer_.get(), &expirations, sizeof(expirations)));
    std::lock_guard lock(mutex_);
    timer_set_ = false;
  }
}

bool NetworkTurn::KeepOwn() {
  std::lock_guard lock(mutex_);
  if (!stopped_ && (sleepers_ > 0 || !std::exchange(wanted_, false))) return true;
  ReturnLocked();
  return false;
}

void NetworkTurn::Stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  SetTimer(1);
}

void NetworkTurn::SetTimer(int64_t delay_ns) {
  timer_set_ = true;
  const itimerspec when{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = delay_ns}};
  EAGRE_CHECK(timerfd_settime(timer_.get(), 0, &when, nullptr) == 0);
}

}  // namespace eagre
