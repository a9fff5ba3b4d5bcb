// Timers: once per key and time, in the order of time and registration, resumable, against a simple model.
#include "runtime/timer_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

using Fired = std::vector<std::pair<int64_t, std::string>>;

class Timers {
 public:
  void Register(int64_t time, const std::string& key) { queue.Register(time, KeyHash(key), key); }
  void Delete(int64_t time, const std::string& key) { queue.Delete(time, KeyHash(key), key); }
  Fired Fire(int64_t limit) {
    Fired fired;
    EXPECT_TRUE(queue.FireDue(
        limit, [] { return false; },
        [&](int64_t time, uint64_t, const std::string& key) { fired.emplace_back(time, key); }));
    return fired;
  }

  KeyedTimerQueue<std::string> queue{"timers"};
};

TEST(TimerServiceTest, FiresInTheOrderOfTimeThenOfRegistration) {
  Timers timers;
  timers.Register(5000, "late");
  timers.Register(20, "b");
  timers.Register(10, "z");
  timers.Register(10, "a");
  timers.Register(-3000, "past");
  EXPECT_THAT(timers.Fire(20), ElementsAre(Pair(-3000, "past"), Pair(10, "z"), Pair(10, "a"), Pair(20, "b")));
  EXPECT_THAT(timers.Fire(4999), IsEmpty());
  EXPECT_THAT(timers.Fire(5000), ElementsAre(Pair(5000, "late")));
  EXPECT_EQ(timers.queue.queue().size(), 0u);
}

TEST(TimerServiceTest, FiresOncePerKeyAndTime) {
  Timers timers;
  for (int i = 0; i < 3; ++i) {
    timers.Register(10, "a");
    timers.Register(11, "a");
    timers.Register(10, "b");
  }
  EXPECT_EQ(timers.queue.queue().size(), 3u);
  EXPECT_THAT(timers.Fire(100), ElementsAre(Pair(10, "a"), Pair(10, "b"), Pair(11, "a")));
  timers.Register(10, "a");
  EXPECT_THAT(timers.Fire(100), ElementsAre(Pair(10, "a"))) << "what has fired can be registered again";
}

TEST(TimerServiceTest, DeletedTimersDoNotFire) {
  Timers timers;
  timers.Register(10, "a");
  timers.Register(10, "b");
  timers.Register(12, "c");
  timers.Delete(10, "a");
  timers.Delete(11, "b");  // no such timer
  EXPECT_THAT(timers.Fire(10), ElementsAre(Pair(10, "b")));
  timers.Delete(12, "c");  // in the bucket that is open now
  EXPECT_EQ(timers.queue.queue().NextTimestamp(), kMaxWatermark);
  EXPECT_THAT(timers.Fire(100), IsEmpty());
}

TEST(TimerServiceTest, FiringMayRegisterAndDelete) {
  Timers timers;
  timers.Register(10, "a");
  timers.Register(30, "doomed");
  Fired fired;
  EXPECT_TRUE(timers.queue.FireDue(
      40, [] { return false; },
      [&](int64_t time, uint64_t, const std::string& key) {
        fired.emplace_back(time, key);
        if (time != 10) return;
        timers.Register(5, "earlier than now");
        timers.Register(20, "between");
        timers.Register(50, "not yet");
        timers.Delete(30, "doomed");
      }));
  EXPECT_THAT(fired, ElementsAre(Pair(10, "a"), Pair(5, "earlier than now"), Pair(20, "between")));
  EXPECT_EQ(timers.queue.queue().NextTimestamp(), 50);
}

TEST(TimerServiceTest, FiringStopsAndResumes) {
  Timers timers;
  for (int i = 0; i < 10; ++i) timers.Register(i, "k");
  Fired fired;
  int calls = 0;
  while (!timers.queue.FireDue(
      8, [&] { return calls++ % 3 == 2; },
      [&](int64_t time, uint64_t, const std::string& key) { fired.emplace_back(time, key); })) {
  }
  EXPECT_EQ(fired.size(), 9u);
  EXPECT_TRUE(std::is_sorted(fired.begin(), fired.end()));
}

TEST(TimerServiceTest, TimesAtTheEndsOfTheRange) {
  Timers timers;
  timers.Register(kMaxWatermark, "never until the end");
  timers.Register(kNoTimestamp, "at once");
  EXPECT_THAT(timers.Fire(kMaxWatermark - 1), ElementsAre(Pair(kNoTimestamp, "at once")));
  EXPECT_THAT(timers.Fire(kMaxWatermark), ElementsAre(Pair(kMaxWatermark, "never until the end")));
}

TEST(TimerServiceTest, TheMemoryOfDeletedTimersIsUsedAgain) {
  Timers timers;
  timers.Register(1'000'000, "keeps the bucket");
  for (int i = 0; i < 200; ++i) timers.Register(1'000'000, std::to_string(i));
  size_t after_first_round = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 200; ++i) {
      timers.Delete(1'000'000 + round % 7, std::to_string(i));
      timers.Register(1'000'000 + (round + 1) % 7, std::to_string(i));
    }
    if (round == 7) after_first_round = timers.queue.queue().memory_bytes();
  }
  EXPECT_EQ(timers.queue.queue().size(), 201u);
  EXPECT_LE(timers.queue.queue().memory_bytes(), 2 * after_first_round);
}

TEST(TimerServiceTest, AgreesWithAModel) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SeededRandom random(seed);
    const int64_t span = seed % 2 == 0 ? 300 : 40'000;
    Timers timers;
    std::vector<std::pair<int64_t, std::string>> model;  // in the order of registration
    int64_t watermark = 0;
    for (int step = 0; step < 20'000; ++step) {
      const std::string key = "k" + std::to_string(random.Below(20));
      const int64_t time = watermark - 20 + static_cast<int64_t>(random.Below(static_cast<uint64_t>(span)));
      const std::pair<int64_t, std::string> timer(time, key);
      switch (random.Below(5)) {
        case 0:
          timers.Delete(time, key);
          std::erase(model, timer);
          break;
        case 1: {
          watermark += static_cast<int64_t>(random.Below(static_cast<uint64_t>(span / 10)));
          Fired expected;
          for (const auto& due : model) {
            if (due.first <= watermark) expected.push_back(due);
          }
          std::stable_sort(expected.begin(), expected.end(),
                           [](const auto& a, const auto& b) { return a.first < b.first; });
          std::erase_if(model, [&](const auto& due) { return due.first <= watermark; });
          ASSERT_EQ(timers.Fire(watermark), expected);
          break;
        }
        default:
          timers.Register(time, key);
          if (std::find(model.begin(), model.end(), timer) == model.end()) model.push_back(timer);
      }
      ASSERT_EQ(timers.queue.queue().size(), model.size());
    }
  }
}

}  // namespace
}  // namespace eagre
