// Timers as checkpoints see them: what is restored is what was registered at the seal.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "runtime/timer_service.h"
#include "tests/testing/state_chain.h"

namespace eagre {
namespace {

using Queue = KeyedTimerQueue<std::string>;
using Model = std::set<std::pair<int64_t, std::string>>;

Model Read(const Queue& queue) {
  Model content;
  queue.queue().ForEach([&](uint32_t slot) {
    EXPECT_TRUE(content.emplace(queue.queue().timer(slot).timestamp, queue.key(slot)).second);
  });
  return content;
}

// What fires later, in order, as a restored queue must do it too.
std::vector<std::pair<int64_t, std::string>> FireAll(Queue& queue) {
  std::vector<std::pair<int64_t, std::string>> fired;
  queue.FireDue(
      kMaxWatermark, [] { return false; },
      [&](int64_t time, uint64_t, const std::string& key) { fired.emplace_back(time, key); });
  return fired;
}

class TimerRandomCheckpointTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Seeds, TimerRandomCheckpointTest, testing::Range(0, 20));

TEST_P(TimerRandomCheckpointTest, EveryCheckpointRestoresTheTimersAtItsBarrier) {
  SeededRandom random(static_cast<uint64_t>(GetParam()));
  const int64_t span = GetParam() % 2 == 0 ? 400 : 50'000;
  auto queue = std::make_unique<Queue>("timers");
  auto chain = std::make_unique<StateChain>(*queue);
  Model model;
  Model at_seal;
  int64_t watermark = 0;
  for (int checkpoints = 0; checkpoints < 15;) {
    for (uint64_t i = random.Below(3000); i > 0; --i) {
      const std::string key = "k" + std::to_string(random.Below(50));
      const int64_t time = watermark - 20 + static_cast<int64_t>(random.Below(static_cast<uint64_t>(span)));
      switch (random.Below(8)) {
        case 0:
        case 1:
          queue->Delete(time, KeyHash(key), key);
          model.erase({time, key});
          break;
        case 2:
          watermark += static_cast<int64_t>(random.Below(static_cast<uint64_t>(span / 20)));
          queue->FireDue(
              watermark, [&] { return random.Below(5) == 0; },
              [&](int64_t fired, uint64_t, const std::string& of) {
                EXPECT_EQ(model.erase({fired, of}), 1u);
              });
          break;
        default: queue->Register(time, KeyHash(key), key); model.emplace(time, key);
      }
    }
    if (!chain->AdvanceAtRandom(random, 10'000, [&] { at_seal = model; })) continue;
    ++checkpoints;
    const bool inherited = random.Below(2) == 0;
    auto restored = std::make_unique<Queue>("timers");
    ASSERT_TRUE(StateChain::Apply(chain->segments(), *restored).ok());
    ASSERT_TRUE(restored->FinishRestore(inherited).ok());
    ASSERT_EQ(Read(*restored), at_seal) << "checkpoint " << checkpoints;
    if (random.Below(3) == 0) {
      chain = std::make_unique<StateChain>(*restored, inherited ? chain->segments() : std::vector<std::string>());
      queue = std::move(restored);
      model = at_seal;
    }
  }
  Model fired;
  for (const auto& timer : FireAll(*queue)) EXPECT_TRUE(fired.insert(timer).second);
  EXPECT_EQ(fired, model);
}

TEST(TimerCheckpointTest, ADeltaHasWhatWasRegisteredDeletedOrFiredAndNoMore) {
  Queue queue("timers");
  StateChain chain(queue);
  const auto key_of = [](int i) { return "key " + std::to_string(100'000 + i); };
  const auto add = [&](int64_t time, const std::string& key) { queue.Register(time, KeyHash(key), key); };
  for (int i = 0; i < 10'000; ++i) add(i, key_of(i));
  chain.SealAll();
  const size_t whole = chain.last_delta_bytes();
  for (int i = 0; i < 100; ++i) queue.Delete(9'000 + i, KeyHash(key_of(9'000 + i)), key_of(9'000 + i));
  queue.FireDue(
      99, [] { return false; }, [](int64_t, uint64_t, const std::string&) {});
  for (int i = 0; i < 100; ++i) add(20'000, key_of(i));
  for (int i = 0; i < 1000; ++i) {
    add(30'000, key_of(i));
    queue.Delete(30'000, KeyHash(key_of(i)), key_of(i));
  }
  chain.SealAll();
  EXPECT_EQ(chain.last_delta_bytes(), whole * 3 / 100);
}

TEST(TimerCheckpointTest, MalformedEntriesAreDataLoss) {
  Queue queue("timers");
  EXPECT_EQ(queue.Restore({.key = "short"}).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace eagre
