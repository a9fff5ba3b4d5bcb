// A gate that one thread of a test opens and others wait at.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace eagre {

// Opened once. Thread-safe.
class Gate {
 public:
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  // False when it stays shut for so long that a test should fail rather than wait on.
  bool Wait() {
    std::unique_lock lock(mutex_);
    return opened_.wait_for(lock, std::chrono::seconds(30), [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

}  // namespace eagre
