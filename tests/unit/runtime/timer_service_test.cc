// Timers: once per key and time, in one order with every backend, resumable, against a simple model.
#include "runtime/timer_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/keyed_state_under_test.h"
#include "tests/testing/timers_under_test.h"

namespace eagre {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

using Fired = std::vector<std::pair<int64_t, std::string>>;

// Above a store everything is evicted as soon as it may be.
class TimerServiceTest : public testing::TestWithParam<BackendKind> {
 protected:
  // In between what may be evicted is.
  Fired Fire(int64_t limit) {
    timers.FinishBatch();
    Fired fired;
    for (const auto& [time, hash, key] : timers.Fire(limit)) fired.emplace_back(time, key);
    return fired;
  }
  bool exact() const { return GetParam() == BackendKind::kMemory; }

  TimersUnderTest timers{NewBackend(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Backends, TimerServiceTest,
                         testing::Values(BackendKind::kMemory, BackendKind::kMapStore, BackendKind::kRocksDb),
                         testing::PrintToStringParamName());

TEST_P(TimerServiceTest, FiresInTheOrderOfTimeThenOfHash) {
  timers.Register(5000, "late");
  timers.Register(20, "b");
  timers.Register(10, "z");
  timers.FinishBatch();
  timers.Register(10, "a");
  timers.Register(10, "m");
  timers.Register(-3000, "past");
  std::vector<std::string> at_ten = {"a", "m", "z"};
  std::sort(at_ten.begin(), at_ten.end(), [](const auto& a, const auto& b) { return KeyHash(a) < KeyHash(b); });
  EXPECT_THAT(Fire(20), ElementsAre(Pair(-3000, "past"), Pair(10, at_ten[0]), Pair(10, at_ten[1]), Pair(10, at_ten[2]),
                                    Pair(20, "b")));
  EXPECT_THAT(Fire(4999), IsEmpty());
  EXPECT_THAT(Fire(5000), ElementsAre(Pair(5000, "late")));
  EXPECT_EQ(timers.queue.size(), 0u);
}

TEST_P(TimerServiceTest, FiresOncePerKeyAndTime) {
  for (int i = 0; i < 3; ++i) {
    timers.Register(10, "a");
    timers.Register(11, "a");
    timers.Register(10, "b");
    timers.FinishBatch();
  }
  if (exact()) {
    EXPECT_EQ(timers.queue.size(), 3u);
  }
  EXPECT_THAT(Fire(100), UnorderedElementsAre(Pair(10, "a"), Pair(10, "b"), Pair(11, "a")));
  EXPECT_EQ(timers.queue.size(), 0u);
  timers.Register(10, "a");
  EXPECT_THAT(Fire(100), ElementsAre(Pair(10, "a"))) << "what has fired can be registered again";
}

TEST_P(TimerServiceTest, DeletedTimersDoNotFire) {
  timers.Register(10, "a");
  timers.Register(10, "b");
  timers.Register(12, "c");
  timers.FinishBatch();
  timers.Delete(10, "a");
  timers.Delete(11, "b");  // no such timer
  EXPECT_THAT(Fire(10), ElementsAre(Pair(10, "b")));
  timers.Delete(12, "c");  // in the bucket that is open now
  EXPECT_EQ(timers.queue.NextTimestamp(), kMaxWatermark);
  EXPECT_THAT(Fire(100), IsEmpty());
}

TEST_P(TimerServiceTest, FiringMayRegisterAndDelete) {
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
  EXPECT_EQ(timers.queue.NextTimestamp(), 50);
}

TEST_P(TimerServiceTest, FiringStopsAndResumes) {
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

TEST_P(TimerServiceTest, TimesAtTheEndsOfTheRange) {
  timers.Register(kMaxWatermark, "never until the end");
  timers.Register(kNoTimestamp, "at once");
  EXPECT_THAT(Fire(kMaxWatermark - 1), ElementsAre(Pair(kNoTimestamp, "at once")));
  EXPECT_THAT(Fire(kMaxWatermark), ElementsAre(Pair(kMaxWatermark, "never until the end")));
}

TEST(TimerMemoryTest, TheMemoryOfDeletedTimersIsUsedAgain) {
  TimersUnderTest timers(NewBackend(BackendKind::kMemory));
  timers.Register(1'000'000, "keeps the bucket");
  for (int i = 0; i < 200; ++i) timers.Register(1'000'000, std::to_string(i));
  size_t after_first_round = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 200; ++i) {
      timers.Delete(1'000'000 + round % 7, std::to_string(i));
      timers.Register(1'000'000 + (round + 1) % 7, std::to_string(i));
    }
    if (round == 7) after_first_round = timers.queue.memory_bytes();
  }
  EXPECT_EQ(timers.queue.size(), 201u);
  EXPECT_LE(timers.queue.memory_bytes(), 2 * after_first_round);
}

TEST(TimerMemoryTest, FarTimersAreNotInMemoryAboveAStore) {
  constexpr int64_t kLimit = 1 << 20;
  TimersUnderTest timers(NewBackend(BackendKind::kRocksDb, kLimit));
  SeededRandom random(7);
  TimerModel model;
  // Half of them at one time, and many in no time at all.
  for (int i = 0; i < 200'000; ++i) {
    const int64_t time = i % 2 == 0 ? 86'400'000 : static_cast<int64_t>(random.Below(i % 4 == 1 ? 1000 : 86'400'000));
    const std::string key = std::to_string(i);
    timers.Register(time, key);
    model.insert(TimerOf(time, key));
    if (i % 256 != 255) continue;
    timers.FinishBatch();
    ASSERT_LE(timers.backend->used_bytes(), kLimit);
  }
  EXPECT_EQ(timers.queue.size(), model.size());
  // Nor are they when time comes to them.
  for (int64_t watermark = 0; watermark <= 90'000'000; watermark += 10'000'000) {
    ASSERT_EQ(timers.Fire(watermark), TakeDue(model, watermark));
    timers.FinishBatch();
    ASSERT_LE(timers.backend->used_bytes(), kLimit);
  }
  EXPECT_TRUE(model.empty());
  EXPECT_EQ(timers.queue.size(), 0u);
  EXPECT_EQ(timers.queue.NextTimestamp(), kMaxWatermark);
}

TEST(TimerMemoryTest, DeletedTimersAreNotInMemoryAboveAStore) {
  constexpr int64_t kLimit = 1 << 20;
  TimersUnderTest timers(NewBackend(BackendKind::kRocksDb, kLimit));
  // Each of the keys moves its timer again and again.
  constexpr int kKeys = 20'000;
  const auto key_of = [](int i) { return std::to_string(i % kKeys); };
  for (int i = 0; i < 10 * kKeys; ++i) {
    if (i >= kKeys) timers.Delete(1'000'000 + i - kKeys, key_of(i));
    timers.Register(1'000'000 + i, key_of(i));
    if (i % 256 == 255) timers.FinishBatch();
    ASSERT_LE(timers.backend->used_bytes(), 2 * kLimit);
  }
  FiredTimers fired = timers.Fire(kMaxWatermark);
  ASSERT_EQ(fired.size(), static_cast<size_t>(kKeys));
  EXPECT_EQ(std::get<0>(fired[0]), 1'000'000 + 9 * kKeys);
}

TEST(TimerMemoryTest, WithoutAStoreTheLimitTells) {
  MemoryStateBackend backend(1 << 20);
  KeyedTimerQueue<int64_t> queue("event-time timers");
  ASSERT_TRUE(queue.Open(backend, "my operator").ok());
  for (int64_t i = 0; i < 100'000; ++i) queue.Register(i, KeyHash(i), i);
  queue.UpdateShare();
  const Status room = backend.MakeRoom();
  EXPECT_EQ(room.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(StatusMessage(room)), testing::HasSubstr("'event-time timers' of operator 'my operator'"));
}

TEST(TimerMemoryTest, AFailureOfTheStoreIsTold) {
  auto backend = std::make_shared<MapStateBackend>(1);
  TimersUnderTest timers(backend);
  timers.Register(10, "a");
  timers.FinishBatch();
  backend->read_error = DataLoss("the disk is broken");
  int fired = 0;
  EXPECT_FALSE(timers.queue.FireDue(
      10, [] { return false; }, [&](int64_t, uint64_t, const std::string&) { ++fired; }));
  EXPECT_EQ(timers.queue.status(), backend->read_error);
  EXPECT_EQ(fired, 0);
}

class TimerModelTest : public testing::TestWithParam<RandomBackendCase> {};
INSTANTIATE_TEST_SUITE_P(Random, TimerModelTest, testing::ValuesIn(RandomBackendCases()),
                         testing::PrintToStringParamName());

TEST_P(TimerModelTest, FiresWhatTheModelSays) {
  SeededRandom random(static_cast<uint64_t>(GetParam().seed));
  const int64_t span = GetParam().seed % 2 == 0 ? 300 : 40'000;
  TimersUnderTest timers(NewBackend(GetParam().backend, 1 + static_cast<int64_t>(random.Below(20'000))));
  RefuseAtRandom(*timers.backend, random);
  TimerModel model;
  int64_t watermark = 0;
  for (int step = 0; step < 15'000; ++step) {
    const std::string key = "k" + std::to_string(random.Below(20));
    const int64_t time = watermark - 20 + static_cast<int64_t>(random.Below(static_cast<uint64_t>(span)));
    switch (random.Below(5)) {
      case 0:
        timers.Delete(time, key);
        model.erase(TimerOf(time, key));
        break;
      case 1:
        if (random.Below(4) != 0) break;
        watermark += static_cast<int64_t>(random.Below(static_cast<uint64_t>(span / 10)));
        ASSERT_LE(timers.queue.NextTimestamp(), model.empty() ? kMaxWatermark : std::get<0>(*model.begin()));
        ASSERT_EQ(timers.Fire(watermark), TakeDue(model, watermark)) << "step " << step;
        break;
      default: timers.Register(time, key); model.insert(TimerOf(time, key));
    }
    if (random.Below(20) == 0) timers.FinishBatch();
    EndStallAtRandom(*timers.backend, random);
    if (GetParam().backend == BackendKind::kMemory) {
      ASSERT_EQ(timers.queue.size(), model.size());
    }
  }
  EXPECT_EQ(timers.Fire(kMaxWatermark), TakeDue(model, kMaxWatermark));
  EXPECT_EQ(timers.queue.size(), 0u);
}

// So many at once that buckets are divided.
TEST_P(TimerModelTest, FiresManyOfOneTime) {
  SeededRandom random(static_cast<uint64_t>(GetParam().seed));
  TimersUnderTest timers(NewBackend(GetParam().backend, 1 << 20));
  TimerModel model;
  for (int i = 0; i < 60'000; ++i) {
    const std::string key = std::to_string(random.Below(50'000));
    const auto time = static_cast<int64_t>(GetParam().seed % 2 == 0 ? 0 : random.Below(5));
    if (random.Below(4) == 0) {
      timers.Delete(time, key);
      model.erase(TimerOf(time, key));
    } else {
      timers.Register(time, key);
      model.insert(TimerOf(time, key));
    }
    if (i % 256 == 0) timers.FinishBatch();
    if (i % 20'000 == 0) {
      ASSERT_EQ(timers.Fire(0), TakeDue(model, 0));
    }
  }
  EXPECT_EQ(timers.Fire(10), TakeDue(model, 10));
}

}  // namespace
}  // namespace eagre
