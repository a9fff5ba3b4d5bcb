// Timers of string keys above a backend, as an operator holds them, and what they should do.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/random.h"
#include "runtime/timer_service.h"
#include "state/state_backend.h"
#include "tests/testing/map_state_backend.h"

namespace eagre {

// In the order in which they fire.
using TimerModel = std::set<std::tuple<int64_t, uint64_t, std::string>>;
using FiredTimers = std::vector<std::tuple<int64_t, uint64_t, std::string>>;

inline std::tuple<int64_t, uint64_t, std::string> TimerOf(int64_t time, const std::string& key) {
  return {time, KeyHash(key), key};
}

struct TimersUnderTest {
  explicit TimersUnderTest(std::shared_ptr<StateBackend> state_backend) : backend(std::move(state_backend)) {
    EXPECT_TRUE(queue.Open(*backend, "op").ok());
  }
  void Register(int64_t time, const std::string& key) { queue.Register(time, KeyHash(key), key); }
  void Delete(int64_t time, const std::string& key) { queue.Delete(time, KeyHash(key), key); }
  // Evicts what there is no room for.
  void FinishBatch() {
    queue.UpdateShare();
    const Status room = backend->MakeRoom();
    EXPECT_TRUE(room.ok()) << room;
    EXPECT_TRUE(queue.status().ok()) << queue.status();
  }
  // Waits for a store that is behind.
  FiredTimers Fire(int64_t limit) {
    FiredTimers fired;
    const auto fire = [&](int64_t time, uint64_t hash, const std::string& key) { fired.emplace_back(time, hash, key); };
    while (!queue.FireDue(
        limit, [] { return false; }, fire)) {
      EXPECT_TRUE(queue.status().ok()) << queue.status();
      EXPECT_TRUE(queue.blocked());
      if (testing::Test::HasFailure()) break;
      dynamic_cast<MapStateBackend&>(*backend).EndStall();
      EXPECT_FALSE(queue.blocked());
    }
    return fired;
  }

  std::shared_ptr<StateBackend> backend;
  KeyedTimerQueue<std::string> queue{"timers"};
};

// Takes from the model what is due.
inline FiredTimers TakeDue(TimerModel& model, int64_t limit) {
  FiredTimers due;
  while (!model.empty() && std::get<0>(*model.begin()) <= limit) {
    due.push_back(std::move(model.extract(model.begin()).value()));
  }
  return due;
}

}  // namespace eagre
