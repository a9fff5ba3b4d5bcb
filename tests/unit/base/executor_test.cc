#include "base/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace eagre {
namespace {

constexpr std::chrono::seconds kDeadline{30};

// Waits until everything posted before has run.
void Drain(Executor& executor) {
  std::promise<void> done;
  executor.Post([&] { done.set_value(); });
  ASSERT_EQ(done.get_future().wait_for(kDeadline), std::future_status::ready) << "the executor does not run";
}

TEST(ThreadExecutor, RunsInTheOrderPosted) {
  ThreadExecutor executor("test");
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) executor.Post([&, i] { order.push_back(i); });
  Drain(executor);
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[i], i);
}

TEST(ThreadExecutor, EveryPosterKeepsItsOrderAndTasksNeverOverlap) {
  ThreadExecutor executor("test");
  constexpr int kPosters = 4, kTasks = 2000;
  std::vector<int> last(kPosters, -1);
  std::atomic<int> running{0};
  int out_of_order = 0, overlaps = 0;
  {
    std::vector<std::jthread> posters;
    for (int p = 0; p < kPosters; ++p) {
      posters.emplace_back([&, p] {
        for (int i = 0; i < kTasks; ++i) {
          executor.Post([&, p, i] {
            overlaps += running.fetch_add(1) != 0;
            out_of_order += last[p] != i - 1;
            last[p] = i;
            running.fetch_sub(1);
          });
        }
      });
    }
  }
  Drain(executor);
  EXPECT_EQ(out_of_order, 0);
  EXPECT_EQ(overlaps, 0);
  EXPECT_EQ(last, std::vector<int>(kPosters, kTasks - 1));
}

TEST(ThreadExecutor, TimersRunByDeadlineAndEqualOnesInTheOrderSet) {
  ThreadExecutor executor("test");
  std::vector<int> order;
  std::promise<void> done;
  executor.Post([&] {  // set from one task, so that no timer can run before all are set
    executor.PostAfter(40, [&] {
      order.push_back(4);
      done.set_value();
    });
    executor.PostAfter(20, [&] { order.push_back(2); });
    executor.PostAfter(0, [&] { order.push_back(0); });
    executor.PostAfter(-5, [&] { order.push_back(1); });
    executor.PostAfter(30, [&] { order.push_back(3); });
  });
  ASSERT_EQ(done.get_future().wait_for(kDeadline), std::future_status::ready);
  Drain(executor);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(ThreadExecutor, ATimerIsNeverEarly) {
  ThreadExecutor executor("test");
  std::promise<int64_t> ran_at;
  const int64_t set_at = executor.clock().MonotonicNs();
  executor.PostAfter(25, [&] { ran_at.set_value(executor.clock().MonotonicNs()); });
  auto future = ran_at.get_future();
  ASSERT_EQ(future.wait_for(kDeadline), std::future_status::ready);
  EXPECT_GE(future.get() - set_at, 25'000'000);
}

TEST(ThreadExecutor, ACancelledTimerDoesNotRunEvenWhenDue) {
  ThreadExecutor executor("test");
  bool ran = false;
  TimerId second = 0;
  executor.Post([&] {
    // Both are due at once; the first to run cancels the other.
    executor.PostAfter(0, [&] { executor.Cancel(second); });
    second = executor.PostAfter(0, [&] { ran = true; });
  });
  std::promise<void> done;
  executor.PostAfter(5, [&] { done.set_value(); });
  ASSERT_EQ(done.get_future().wait_for(kDeadline), std::future_status::ready);
  executor.Cancel(123456);  // unknown: ignored
  Drain(executor);
  EXPECT_FALSE(ran);
}

TEST(ThreadExecutor, ATimerThatSetsItselfAgainDoesNotStarvePostedTasks) {
  ThreadExecutor executor("test");
  std::atomic<bool> stop{false};
  std::function<void()> again = [&] {
    if (!stop.load()) executor.PostAfter(0, [&] { again(); });
  };
  executor.PostAfter(0, [&] { again(); });
  Drain(executor);
  stop.store(true);
  executor.Stop();
}

TEST(ThreadExecutor, StopRunsWhatWasPostedAndDropsTimers) {
  auto held_by_timer = std::make_shared<int>(1);
  int ran = 0;
  {
    ThreadExecutor executor("test");
    executor.PostAfter(3'600'000, [held_by_timer, &ran] { ran += 1000; });
    for (int i = 0; i < 100; ++i) executor.Post([&] { ++ran; });
    executor.Stop();
    executor.Post([&] { ran += 1000; });
    executor.Stop();  // harmless
  }
  EXPECT_EQ(ran, 100);
  EXPECT_EQ(held_by_timer.use_count(), 1) << "the timer's captures must be released";
}

}  // namespace
}  // namespace eagre
