// Holds back what peers and slots send until an attempt has started, and lets it out in the order in which it came: a
// reader's first message registers it, and must not be overtaken by its next one.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eagre {

// Thread-safe. `route` is called without a lock, on the thread that delivers or, for what waited, on that which opens.
class EventGate {
 public:
  explicit EventGate(std::function<void(std::string_view event)> route) : route_(std::move(route)) {}

  void Deliver(std::string_view event) {
    {
      std::lock_guard lock(mutex_);
      if (!open_) {
        waiting_.emplace_back(event);
        return;
      }
    }
    route_(event);
  }

  // Once. What comes while those that waited are let out waits behind them.
  void Open() {
    for (;;) {
      std::vector<std::string> waiting;
      {
        std::lock_guard lock(mutex_);
        waiting.swap(waiting_);
        if (waiting.empty()) {
          open_ = true;
          return;
        }
      }
      for (const std::string& event : waiting) route_(event);
    }
  }

  bool open() const {
    std::lock_guard lock(mutex_);
    return open_;
  }

 private:
  const std::function<void(std::string_view)> route_;
  mutable std::mutex mutex_;
  bool open_ = false;
  std::vector<std::string> waiting_;
};

}  // namespace eagre
