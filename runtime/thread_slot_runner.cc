// Drives a slot by a thread of its own.
//
// Parking: the thread first says that it is parked, then steps once more, then sleeps; a waker that comes after the
// last step sees the flag and signals. So no wake-up is lost, and a waker pays for a lock only when the slot sleeps.
// Both sides exchange the flag: whoever comes second sees what the first did before.
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/crash_report.h"
#include "runtime/slot.h"
#include "runtime/slot_runner.h"

namespace eagre {
namespace {

// Waking a sleeping thread costs its waker some 7 us and takes some 20 us, so a slot polls about as long before it
// parks.
constexpr int64_t kPollNs = 20'000;

class ThreadSlotRunner final : public SlotRunner {
 public:
  ThreadSlotRunner(std::string name, const Clock& clock) : name_(std::move(name)), clock_(clock) {}
  ~ThreadSlotRunner() override { Join(); }

  void Start(Slot& slot) override {
    thread_ = std::thread([this, &slot] { Run(slot); });
  }

  void Wake() override {
    if (!parked_.exchange(false, std::memory_order_seq_cst)) return;
    {
      std::lock_guard lock(mutex_);
      signaled_ = true;
    }
    wake_.notify_one();
  }

  void Join() override {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run(Slot& slot) {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    ScopedAltStack alternate_stack;
    int64_t idle_since_ns = 0;
    while (true) {
      Slot::Outcome outcome = slot.Step();
      if (outcome.done) return;
      if (outcome.progress) {
        idle_since_ns = 0;
        continue;
      }
      const int64_t now_ns = clock_.MonotonicNs();
      if (idle_since_ns == 0) idle_since_ns = now_ns;
      if (now_ns - idle_since_ns < kPollNs) {
        std::this_thread::yield();
        continue;
      }
      parked_.exchange(true, std::memory_order_seq_cst);
      outcome = slot.Step();
      if (!outcome.progress && !outcome.done) Sleep(outcome.wake_up_ms);
      parked_.store(false, std::memory_order_relaxed);
      if (outcome.done) return;
      idle_since_ns = 0;
    }
  }

  void Sleep(int64_t wake_up_ms) {
    std::unique_lock lock(mutex_);
    if (wake_up_ms == kMaxWatermark) {
      wake_.wait(lock, [this] { return signaled_; });
    } else {
      const int64_t delay_ms = std::max<int64_t>(wake_up_ms - clock_.NowMs(), 0);
      wake_.wait_for(lock, std::chrono::milliseconds(delay_ms), [this] { return signaled_; });
    }
    signaled_ = false;
  }

  const std::string name_;
  const Clock& clock_;
  std::atomic<bool> parked_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool signaled_ = false;  // guarded by mutex_
  std::thread thread_;
};

class ThreadSlotRunnerFactory final : public SlotRunnerFactory {
 public:
  std::unique_ptr<SlotRunner> Create(const std::string& name) override {
    return std::make_unique<ThreadSlotRunner>(name, SystemClock());
  }
  const Clock& clock() const override { return SystemClock(); }
};

}  // namespace

std::unique_ptr<SlotRunnerFactory> NewThreadSlotRunnerFactory() {
  return std::make_unique<ThreadSlotRunnerFactory>();
}

}  // namespace eagre
