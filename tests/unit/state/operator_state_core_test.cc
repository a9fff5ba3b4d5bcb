// Operator state: what a checkpoint stores is what was there at the barrier, whatever changes while it is stored, and
// what it takes counts in the memory of the slot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "record/record.h"
#include "state/operator_state.h"
#include "state/state_declaration.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Map = BroadcastCore<std::string, std::string>;
using List = OperatorListCore<std::string>;
using MapContents = std::map<std::string, std::string, RecordLess>;

template <typename Core>
void RestoreFrom(const StateEntryWriter& stored, Core& core) {
  ASSERT_TRUE(core.BeginRestore(core.schema()).ok());
  StateEntryReader reader(stored.view());
  for (StateEntry entry;;) {
    const StatusOr<bool> more = reader.Next(entry);
    ASSERT_TRUE(more.ok());
    if (!*more) break;
    ASSERT_TRUE(core.Restore(entry).ok());
  }
  ASSERT_TRUE(core.FinishRestore(false).ok());
}

class OperatorStateSeedTest : public testing::TestWithParam<uint32_t> {
 protected:
  uint32_t Random(uint32_t below) { return std::uniform_int_distribution<uint32_t>(0, below - 1)(random_); }
  std::string Text() { return std::string(Random(200), static_cast<char>('a' + Random(26))); }
  std::string Key() { return std::to_string(Random(40)); }

  std::mt19937 random_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Seeds, OperatorStateSeedTest, testing::Range(0u, 50u));

TEST_P(OperatorStateSeedTest, AMapIsStoredAsItWasAtTheBarrier) {
  MemoryStateBackend backend;
  Map core("rules");
  core.Open(backend, "apply");
  MapContents model;
  std::optional<MapContents> sealed;
  StateEntryWriter stored;
  for (int step = 0; step < 2000; ++step) {
    const std::string key = Key();
    const std::string text = Text();
    switch (Random(sealed ? 40 : 400)) {
      case 0:
        core.Clear();
        model.clear();
        break;
      case 1:
        if (!sealed) core.Seal(), sealed = model;
        break;
      case 2:
      case 3:
        if (sealed && core.EncodeSealed(stored, 1 + Random(500))) {
          Map restored("rules");
          RestoreFrom(stored, restored);
          ASSERT_EQ(restored.entries(), *sealed) << "step " << step;
          sealed.reset();
          stored.Take();
        }
        break;
      case 4:
      case 5:
      case 6:
        core.Remove(key);
        model.erase(key);
        break;
      case 7:
      case 8:
        core.Mutable(key) += text;
        model[key] += text;
        break;
      default: core.Put(key, text); model.insert_or_assign(key, text);
    }
    ASSERT_EQ(core.entries(), model) << "step " << step;
  }
  while (sealed && !core.EncodeSealed(stored, 500)) {
  }
  core.Seal();  // measures what was changed in place
  stored.Take();
  while (!core.EncodeSealed(stored, 500)) {
  }
  Map again("rules");
  RestoreFrom(stored, again);
  EXPECT_EQ(again.entries(), model);
  EXPECT_EQ(core.memory_bytes(), again.memory_bytes());
  EXPECT_EQ(static_cast<size_t>(backend.used_bytes()), core.memory_bytes());
}

TEST_P(OperatorStateSeedTest, AListIsStoredAsItWasAtTheBarrier) {
  MemoryStateBackend backend;
  List core("held", StateDistribution::kSplit);
  core.Open(backend, "hold");
  std::deque<std::string> model;
  std::optional<std::deque<std::string>> sealed;
  StateEntryWriter stored;
  for (int step = 0; step < 2000; ++step) {
    switch (Random(20)) {
      case 0:
        core.Clear();
        model.clear();
        break;
      case 1: {
        const std::vector<std::string> values(Random(10), Text());
        core.Update(values);
        model.assign(values.begin(), values.end());
        break;
      }
      case 2:
        if (!sealed) core.Seal(), sealed = model;
        break;
      case 3:
      case 4:
        if (sealed && core.EncodeSealed(stored, 1 + Random(500))) {
          List restored("held", StateDistribution::kSplit);
          RestoreFrom(stored, restored);
          ASSERT_EQ(restored.values(), *sealed) << "step " << step;
          sealed.reset();
          stored.Take();
        }
        break;
      default: {
        const std::string text = Text();
        core.Add(text);
        model.push_back(text);
      }
    }
    ASSERT_EQ(core.values(), model) << "step " << step;
  }
  while (sealed && !core.EncodeSealed(stored, 500)) {
  }
  List again("held", StateDistribution::kSplit);
  again.Update({model.begin(), model.end()});
  EXPECT_EQ(core.memory_bytes(), again.memory_bytes());
  EXPECT_EQ(static_cast<size_t>(backend.used_bytes()), core.memory_bytes());
}

// A slice ends also where nothing is left to be written: what came since the barrier is passed over in steps.
TEST(OperatorStateCoreTest, WhatCameSinceTheBarrierIsPassedOverInSlices) {
  Map core("rules");
  core.Seal();
  for (int i = 0; i < 10'000; ++i) core.Put(std::to_string(i), "x");
  StateEntryWriter stored;
  int slices = 1;
  while (!core.EncodeSealed(stored, 1 << 20)) ++slices;
  EXPECT_EQ(stored.entries(), 0u);
  EXPECT_GT(slices, 5);
}

TEST(OperatorStateCoreTest, ACopyCountsNowhereAndGoesWithNobody) {
  MemoryStateBackend backend;
  List core("held", StateDistribution::kSplit);
  core.Open(backend, "hold");
  core.Add("a");
  const int64_t used = backend.used_bytes();
  EXPECT_GT(used, 0);
  {
    List copy(core);
    copy.Add("b");
    EXPECT_EQ(backend.used_bytes(), used);
  }
  EXPECT_EQ(backend.used_bytes(), used);
}

// A function is copied for each subtask, with what its constructor put into its states.
TEST(OperatorStateCoreTest, WhatACopyHasFromTheBeginningIsCountedOnceItIsOpened) {
  MemoryStateBackend backend;
  List list("held", StateDistribution::kSplit);
  list.Add("a");
  List list_copy(list);
  list_copy.Open(backend, "hold");
  EXPECT_EQ(list_copy.memory_bytes(), list.memory_bytes());
  list_copy.Clear();
  EXPECT_EQ(backend.used_bytes(), 0);
  Map map("rules");
  map.Put("a", "b");
  Map map_copy(map);
  map_copy.Open(backend, "apply");
  EXPECT_EQ(map_copy.memory_bytes(), map.memory_bytes());
  map_copy.Remove("a");
  EXPECT_EQ(backend.used_bytes(), 0);
}

// ---- more than the slot has room for ----

// As RocksDB's, of which only the type matters here.
class DiskBackend final : public StateBackend {
 public:
  explicit DiskBackend(int64_t limit_bytes) : StateBackend(Type::kRocksDb, limit_bytes) {}
  StatusOr<std::unique_ptr<EntryStore>> OpenStore(int) override { return std::unique_ptr<EntryStore>(); }
};

template <typename Add>
std::string MessageOf(const Add& add) {
  for (int i = 0; i < 1000; ++i) {
    try {
      add(std::to_string(i), std::string(1000, 'x'));
    } catch (const StateError& error) {
      EXPECT_GT(i, 90);
      EXPECT_LT(i, 100);
      return error.what();
    }
  }
  return "never refused";
}

TEST(OperatorStateCoreTest, WhoAddsMoreThanTheSlotHasRoomForIsTold) {
  MemoryStateBackend memory(100'000);
  DiskBackend disk(100'000);
  for (StateBackend* backend : std::initializer_list<StateBackend*>{&memory, &disk}) {
    List list("held", StateDistribution::kSplit);
    list.Open(*backend, "hold");
    EXPECT_THAT(MessageOf([&](const std::string&, const std::string& text) { list.Add(text); }),
                AllOf(HasSubstr("100000b"), HasSubstr("the state 'held' of operator 'hold'"),
                      HasSubstr("taskmanager.memory.managed.size"), Not(HasSubstr("state.backend.type"))));
    list.Clear();
    Map put("rules");
    put.Open(*backend, "apply");
    EXPECT_THAT(MessageOf([&](const std::string& key, const std::string& text) { put.Put(key, text); }),
                HasSubstr("the state 'rules' of operator 'apply'"));
    put.Clear();
    Map changed("changed");
    changed.Open(*backend, "apply");
    EXPECT_THAT(MessageOf([&](const std::string& key, const std::string& text) { changed.Mutable(key) = text; }),
                HasSubstr("the state 'changed' of operator 'apply'"));
  }
}

TEST(OperatorStateCoreTest, SoIsWhoRestoresMore) {
  List core("held", StateDistribution::kUnion);
  for (int i = 0; i < 100; ++i) core.Add(std::string(1000, 'x'));
  core.Seal();
  StateEntryWriter stored;
  ASSERT_TRUE(core.EncodeSealed(stored, 1 << 20));

  DiskBackend backend(50'000);
  List restored("held", StateDistribution::kUnion);
  restored.Open(backend, "hold");
  ASSERT_TRUE(restored.BeginRestore(restored.schema()).ok());
  StateEntryReader reader(stored.view());
  Status status;
  StateEntry entry;
  while (status.ok() && *reader.Next(entry)) status = restored.Restore(entry);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("the state 'held' of operator 'hold'"));
}

}  // namespace
}  // namespace eagre
