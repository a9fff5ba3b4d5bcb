// Timers as checkpoints see them: what is restored is what was registered at the seal.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/random.h"
#include "runtime/timer_service.h"
#include "state/operator_state.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/keyed_state_under_test.h"
#include "tests/testing/state_chain.h"
#include "tests/testing/timers_under_test.h"

namespace eagre {
namespace {

using Segments = std::vector<std::string>;

std::unique_ptr<TimersUnderTest> Restored(const Segments& segments, std::unique_ptr<StateBackend> backend,
                                          bool inherited = false,
                                          const std::function<bool(uint64_t hash)>& is_mine = nullptr) {
  auto restored = std::make_unique<TimersUnderTest>(std::move(backend));
  EXPECT_TRUE(StateChain::Apply(segments, restored->queue, is_mine).ok());
  EXPECT_TRUE(restored->queue.FinishRestore(inherited).ok());
  return restored;
}

class TimerRandomCheckpointTest : public testing::TestWithParam<RandomBackendCase> {};
INSTANTIATE_TEST_SUITE_P(Random, TimerRandomCheckpointTest, testing::ValuesIn(RandomBackendCases()),
                         testing::PrintToStringParamName());

// Also with another backend, and divided among two subtasks.
TEST_P(TimerRandomCheckpointTest, EveryCheckpointRestoresTheTimersAtItsBarrier) {
  SeededRandom random(static_cast<uint64_t>(GetParam().seed));
  const int64_t span = GetParam().seed % 2 == 0 ? 400 : 50'000;
  const auto new_backend = [&] {
    return NewBackend(GetParam().backend, 1 + static_cast<int64_t>(random.Below(50'000)));
  };
  auto timers = std::make_unique<TimersUnderTest>(new_backend());
  RefuseAtRandom(*timers->backend, random);
  auto chain = std::make_unique<StateChain>(timers->queue);
  TimerModel model;
  TimerModel at_seal;
  int64_t watermark = 0;
  const int enough = GetParam().backend == BackendKind::kRocksDb ? 5 : 15;
  for (int checkpoints = 0; checkpoints < enough;) {
    for (uint64_t i = random.Below(2000); i > 0; --i) {
      const std::string key = "k" + std::to_string(random.Below(50));
      const int64_t time = watermark - 20 + static_cast<int64_t>(random.Below(static_cast<uint64_t>(span)));
      switch (random.Below(8)) {
        case 0:
        case 1:
          timers->Delete(time, key);
          model.erase(TimerOf(time, key));
          break;
        case 2:
          watermark += static_cast<int64_t>(random.Below(static_cast<uint64_t>(span / 20)));
          timers->queue.FireDue(
              watermark, [&] { return random.Below(5) == 0; },
              [&](int64_t fired, uint64_t, const std::string& of) {
                EXPECT_EQ(model.erase(TimerOf(fired, of)), 1u) << fired << " " << of;
              });
          break;
        default: timers->Register(time, key); model.insert(TimerOf(time, key));
      }
      if (random.Below(50) == 0) timers->FinishBatch();
      EndStallAtRandom(*timers->backend, random);
    }
    if (!chain->AdvanceAtRandom(random, 10'000, [&] { at_seal = model; })) continue;
    ++checkpoints;
    const Segments& segments = chain->segments();
    TimerModel expected = at_seal;
    ASSERT_EQ(Restored(segments, new_backend())->Fire(kMaxWatermark), TakeDue(expected, kMaxWatermark))
        << "checkpoint " << checkpoints;
    expected = at_seal;
    TimerModel of_both;
    for (const uint64_t half : {0, 1}) {
      const auto other = Restored(segments, NewBackend(half == 0 ? BackendKind::kMemory : BackendKind::kMapStore),
                                  /*inherited=*/false, [&](uint64_t hash) { return hash % 2 == half; });
      for (const auto& timer : other->Fire(kMaxWatermark)) EXPECT_TRUE(of_both.insert(timer).second);
    }
    ASSERT_EQ(of_both, at_seal) << "checkpoint " << checkpoints;
    if (random.Below(3) != 0) continue;
    const bool inherited = random.Below(2) == 0;
    std::unique_ptr<TimersUnderTest> restored = Restored(segments, new_backend(), inherited);
    chain = std::make_unique<StateChain>(restored->queue, inherited ? segments : Segments());
    timers = std::move(restored);
    RefuseAtRandom(*timers->backend, random);
    model = at_seal;
  }
  EXPECT_EQ(timers->Fire(kMaxWatermark), TakeDue(model, kMaxWatermark));
}

TEST(TimerCheckpointTest, ADeltaHasWhatWasRegisteredDeletedOrFiredAndNoMore) {
  for (const BackendKind kind : {BackendKind::kMemory, BackendKind::kRocksDbCached, BackendKind::kRocksDb}) {
    SCOPED_TRACE(BackendName(kind));
    TimersUnderTest timers(NewBackend(kind));
    StateChain chain(timers.queue);
    const auto key_of = [](int i) { return "key " + std::to_string(100'000 + i); };
    for (int i = 0; i < 10'000; ++i) timers.Register(i, key_of(i));
    timers.FinishBatch();
    chain.SealAll();
    const size_t whole = chain.last_delta_bytes();
    for (int i = 0; i < 100; ++i) timers.Delete(9'000 + i, key_of(9'000 + i));
    timers.Fire(99);
    for (int i = 0; i < 100; ++i) timers.Register(20'000, key_of(i));
    timers.FinishBatch();
    chain.SealAll();
    EXPECT_EQ(chain.last_delta_bytes(), whole * 3 / 100);
    // What is in a store is not known, so a deletion is told.
    for (int i = 0; i < 1000; ++i) {
      timers.Register(30'000, key_of(i));
      timers.Delete(30'000, key_of(i));
    }
    chain.SealAll();
    EXPECT_EQ(chain.last_delta_bytes(), kind == BackendKind::kRocksDb ? whole / 10 : 0);
    // Nothing of what only moves between memory and store.
    timers.Fire(150);
    timers.FinishBatch();
    chain.SealAll();
    EXPECT_EQ(chain.last_delta_bytes(), whole * 51 / 10'000);
  }
}

TEST(TimerCheckpointTest, ASavepointGoesFromMemoryToRocksDbAndBack) {
  TimerModel model;
  TimersUnderTest memory(NewBackend(BackendKind::kMemory));
  SeededRandom random(3);
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = std::to_string(i);
    const auto time = static_cast<int64_t>(random.Below(1'000'000));
    memory.Register(time, key);
    model.insert(TimerOf(time, key));
  }
  StateChain first(memory.queue);
  first.SealAll();
  const auto rocksdb = Restored(first.segments(), NewBackend(BackendKind::kRocksDb, 100'000));
  EXPECT_LE(rocksdb->backend->used_bytes(), 100'000);
  EXPECT_EQ(rocksdb->Fire(500'000), TakeDue(model, 500'000));
  rocksdb->FinishBatch();
  StateChain second(rocksdb->queue);
  second.SealAll();
  EXPECT_EQ(second.segments().size(), 1u);
  EXPECT_EQ(Restored(second.segments(), NewBackend(BackendKind::kMemory))->Fire(kMaxWatermark),
            TakeDue(model, kMaxWatermark));
}

// Whether it is timers that were added or such that have gone.
TEST(TimerCheckpointTest, WhatTheNextCheckpointIsToBeToldIsNotInMemoryEither) {
  constexpr int64_t kLimit = 600'000;
  for (const BackendKind kind : {BackendKind::kMapStore, BackendKind::kRocksDb}) {
    SCOPED_TRACE(BackendName(kind));
    SeededRandom random(11);
    TimersUnderTest timers(NewBackend(kind, kLimit));
    RefuseAtRandom(*timers.backend, random);
    StateChain chain(timers.queue);
    TimerModel model;
    int64_t watermark = 0;
    for (int checkpoints = 0; checkpoints < 5; ++checkpoints) {
      for (int i = 0; i < 40'000; ++i) {
        const std::string key = "a key of some length " + std::to_string(random.Below(1000));
        const int64_t time = watermark + static_cast<int64_t>(random.Below(1000));
        if (random.Below(3) == 0) {
          timers.Delete(time, key);
          model.erase(TimerOf(time, key));
        } else {
          timers.Register(time, key);
          model.insert(TimerOf(time, key));
        }
        if (i % 256 != 0) continue;
        watermark += 5;
        ASSERT_EQ(timers.Fire(watermark), TakeDue(model, watermark));
        if (auto* map = dynamic_cast<MapStateBackend*>(timers.backend.get())) map->EndStall();
        timers.FinishBatch();
        if (!timers.backend->stalled()) {
          ASSERT_LE(timers.backend->used_bytes(), kLimit);
        }
      }
      TimerModel expected = model;
      chain.Seal();
      do {
        timers.Register(watermark + 2000, "meanwhile");
      } while (!chain.EncodeSealed(50'000));
      model.insert(TimerOf(watermark + 2000, "meanwhile"));
      if (checkpoints == 2) chain.BeginBase();
      if (chain.base_running()) chain.EncodeBase(1 << 30);
      ASSERT_EQ(Restored(chain.segments(), NewBackend(BackendKind::kMemory))->Fire(kMaxWatermark),
                TakeDue(expected, kMaxWatermark));
    }
  }
}

// Whoever restores makes room in what others have restored, and nobody ends a stall before the tasks are open.
TEST(TimerCheckpointTest, ARestoreStaysWithinTheLimitWhileTheStoreIsBehind) {
  constexpr int64_t kLimit = 200'000;
  constexpr int kTimers = 20'000;
  TimersUnderTest timers(NewBackend(BackendKind::kMemory));
  for (int i = 0; i < kTimers; ++i) timers.Register(i, "a key of some length " + std::to_string(i));
  StateChain chain(timers.queue);
  chain.SealAll();
  const auto backend = std::make_shared<MapStateBackend>(kLimit);
  backend->refuses = [] { return true; };
  TimersUnderTest first(backend);
  TimersUnderTest second(backend);
  for (TimersUnderTest* restored : {&first, &second}) {
    ASSERT_TRUE(StateChain::Apply(chain.segments(), restored->queue).ok());
    ASSERT_TRUE(restored->queue.FinishRestore(/*inherited=*/false).ok());
    EXPECT_LE(backend->used_bytes(), kLimit);
  }
  // A list cannot go, and takes the room of the timers.
  OperatorListCore<std::string> list("list", StateDistribution::kSplit);
  list.Open(*backend, "op");
  std::string element;
  ByteWriter writer(element);
  Codec<std::string>::Encode(std::string(1'000, 'x'), writer);
  ASSERT_TRUE(list.BeginRestore(list.schema()).ok());
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(list.Restore({.value = element}).ok());
  EXPECT_LE(backend->used_bytes(), kLimit);
  backend->refuses = nullptr;
  EXPECT_EQ(second.Fire(kMaxWatermark).size(), static_cast<size_t>(kTimers));
}

TEST(TimerCheckpointTest, MalformedEntriesAreDataLoss) {
  KeyedTimerQueue<std::string> queue("timers");
  EXPECT_EQ(queue.Restore({.key = "short"}).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace eagre
