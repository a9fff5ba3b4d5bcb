// Drives a slot by a thread of its own.
//
// Parking: the thread first says that it is parked, then steps once more, then sleeps; a waker that comes after the
// last step sees the flag and signals. So no wake-up is lost, and a waker pays for a lock only when the slot sleeps.
// Both sides exchange the flag: whoever comes second sees what the first did before.
//
// A slot of a worker with peers serves the network as soon as it has nothing else to do, and sleeps there if no other
// thread waits for the network already.
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/crash_report.h"
#include "runtime/data_network.h"
#include "runtime/slot.h"
#include "runtime/slot_runner.h"

namespace eagre {
namespace {

// How long a slot polls before it parks. Waking a sleeping thread costs its waker some 7 us and takes some 20 us. A
// slot that waits for the network is woken by what arrives, which costs no thread of this worker anything.
constexpr int64_t kPollNs = 20'000;
constexpr int64_t kPollWithNetworkNs = 5'000;

constexpr int64_t kServeEveryNs = 100'000;  // by a slot that never runs out of work
constexpr int64_t kLongestSleepMs = 60'000;

class ThreadSlotRunner final : public SlotRunner {
 public:
  ThreadSlotRunner(std::string name, const Clock& clock, DataNetwork* network)
      : name_(std::move(name)),
        clock_(clock),
        network_(network),
        poll_ns_(network == nullptr ? kPollNs : kPollWithNetworkNs) {}
  ~ThreadSlotRunner() override { Join(); }

  void Start(Slot& slot) override {
    thread_ = std::thread([this, &slot] { Run(slot); });
  }

  void Wake() override {
    if (!parked_.exchange(false, std::memory_order_seq_cst)) return;
    {
      std::lock_guard lock(mutex_);
      signaled_ = true;
      if (place_ == Place::kNetwork) network_->Interrupt();
      LeaveSleep();
    }
    wake_.notify_one();
  }

  void Join() override {
    if (thread_.joinable()) thread_.join();
  }

 private:
  // Where the thread waits.
  enum class Place { kNowhere, kNetwork, kAsleep };

  void Run(Slot& slot) {
    pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
    ScopedAltStack alternate_stack;
    int64_t idle_since_ns = 0;
    int64_t served_ns = 0;
    bool received = false;
    while (true) {
      Slot::Outcome outcome = slot.Step(received);
      if (outcome.done) return;
      received = false;
      if (!outcome.progress || outcome.now_ns - served_ns > kServeEveryNs) {
        received = Serve();
        served_ns = outcome.now_ns;
      }
      if (outcome.progress) {
        idle_since_ns = 0;
        continue;
      }
      if (idle_since_ns == 0) idle_since_ns = outcome.now_ns;
      if (received) continue;
      if (outcome.now_ns - idle_since_ns < poll_ns_) {
        std::this_thread::yield();
        continue;
      }
      parked_.exchange(true, std::memory_order_seq_cst);
      outcome = slot.Step();
      if (!outcome.progress && !outcome.done) Sleep(outcome.wake_up_ms);
      parked_.store(false, std::memory_order_relaxed);
      if (outcome.done) return;
      idle_since_ns = 0;
      received = Serve();
    }
  }

  bool Serve() { return network_ != nullptr && network_->Serve(); }

  void Sleep(int64_t wake_up_ms) {
    std::unique_lock lock(mutex_);
    if (network_ != nullptr && !signaled_) {
      place_ = Place::kNetwork;
      lock.unlock();
      const bool waited = network_->Wait(TimeoutMs(wake_up_ms));
      lock.lock();
      place_ = waited ? Place::kNowhere : Place::kAsleep;
      signaled_ |= waited;
      if (signaled_) LeaveSleep();
    }
    if (wake_up_ms == kMaxWatermark) {
      wake_.wait(lock, [this] { return signaled_; });
    } else {
      wake_.wait_for(lock, std::chrono::milliseconds(TimeoutMs(wake_up_ms)), [this] { return signaled_; });
    }
    LeaveSleep();
    signaled_ = false;
  }

  // REQUIRES: mutex_ is held.
  void LeaveSleep() {
    if (place_ == Place::kAsleep) network_->EndSleep();
    place_ = Place::kNowhere;
  }

  // -1: none.
  int TimeoutMs(int64_t wake_up_ms) const {
    if (wake_up_ms == kMaxWatermark) return -1;
    return static_cast<int>(std::clamp<int64_t>(wake_up_ms - clock_.NowMs(), 0, kLongestSleepMs));
  }

  const std::string name_;
  const Clock& clock_;
  DataNetwork* const network_;
  const int64_t poll_ns_;
  std::atomic<bool> parked_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool signaled_ = false;          // guarded by mutex_
  Place place_ = Place::kNowhere;  // guarded by mutex_
  std::thread thread_;
};

class ThreadSlotRunnerFactory final : public SlotRunnerFactory {
 public:
  explicit ThreadSlotRunnerFactory(DataNetwork* network) : network_(network) {}
  std::unique_ptr<SlotRunner> Create(const std::string& name) override {
    return std::make_unique<ThreadSlotRunner>(name, SystemClock(), network_);
  }
  const Clock& clock() const override { return SystemClock(); }

 private:
  DataNetwork* const network_;
};

}  // namespace

std::unique_ptr<SlotRunnerFactory> NewThreadSlotRunnerFactory(DataNetwork* network) {
  return std::make_unique<ThreadSlotRunnerFactory>(network);
}

}  // namespace eagre
