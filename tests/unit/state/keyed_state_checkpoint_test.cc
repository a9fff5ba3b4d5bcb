// Keyed state as checkpoints see it: what is restored is what was there at the seal, whatever happened meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "eagre/functions.h"
#include "eagre/keyed_state.h"
#include "state/state_schema.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/keyed_state_under_test.h"
#include "tests/testing/random_checkpoint_test.h"
#include "tests/testing/state_chain.h"

namespace eagre {

struct StateBefore {
  std::string name;
  int32_t visits = 0;
};
EAGRE_RECORD(StateBefore, name, visits);
struct StateAfter {
  int64_t visits = 0;
  std::string name;
  std::string country = "unknown";
};
EAGRE_RECORD(StateAfter, visits, name, country);

namespace {

struct Owner : StateOwner {
  ValueState<int64_t> value{this, "value"};
  ListState<std::string> list{this, "list"};
  MapState<int64_t, std::string> map{this, "map"};
};

struct Content {
  int64_t value = 0;
  std::vector<std::string> list;
  std::map<int64_t, std::string> map;
  bool empty() const { return value == 0 && list.empty() && map.empty(); }
  friend bool operator==(const Content&, const Content&) = default;
};
using Model = std::map<std::string, Content>;

struct Instance : KeyedStateUnderTest<Owner> {
  explicit Instance(BackendKind kind = BackendKind::kMemory, int64_t object_bytes = 1)
      : KeyedStateUnderTest(NewBackend(kind, object_bytes)) {}

  // What the keys "0" to "`keys` - 1" have, read by batch.
  Model Read(uint64_t keys) {
    Model content;
    std::vector<std::string> texts;
    std::vector<uint64_t> hashes;
    for (uint64_t i = 0; i < keys; ++i) {
      texts.push_back(std::to_string(i));
      hashes.push_back(KeyHash(texts.back()));
    }
    constexpr size_t kBatch = 100;
    for (size_t at = 0; at < keys; at += kBatch) {
      const size_t count = std::min(kBatch, texts.size() - at);
      const Status read =
          table.MakeResident(hashes.data() + at, count, [&](size_t i) -> const std::string& { return texts[at + i]; });
      EXPECT_TRUE(read.ok()) << read;
      for (size_t i = 0; i < count; ++i) {
        table.Select(i);
        Content one;
        if (owner.value.Get() != nullptr) one.value = *owner.value.Get();
        one.list = owner.list.Get();
        for (const auto& [k, v] : owner.map.Entries()) one.map[k] = v;
        if (!one.empty()) content[texts[at + i]] = one;
      }
      FinishBatch();
    }
    if (backend->type() == StateBackend::Type::kMemory) {
      EXPECT_EQ(table.row_count(), content.size());
    }
    return content;
  }
};

// One change of one key, in the state and in the model.
void Change(Random& random, Instance& instance, Model& model, uint64_t keys) {
  const std::string key = std::to_string(random.Below(keys));
  instance.Select(key);
  Content& content = model[key];
  const auto number = static_cast<int64_t>(1 + random.Below(1000));
  switch (random.Below(7)) {
    case 0: instance.owner.value.Set(content.value = number); break;
    case 1:
      instance.owner.list.Add("item " + std::to_string(number));
      content.list.push_back("item " + std::to_string(number));
      break;
    case 2: instance.owner.map.Put(number % 5, content.map[number % 5] = std::to_string(number)); break;
    case 3:
      instance.owner.map.Remove(number % 5);
      content.map.erase(number % 5);
      break;
    default:
      instance.owner.value.Clear();
      instance.owner.list.Clear();
      instance.owner.map.Clear();
      content = {};
  }
  if (content.empty()) model.erase(key);
}

class KeyedStateRandomCheckpointTest : public RandomCheckpointTest<Instance, Model> {
 protected:
  std::unique_ptr<Instance> MakeInstance() override {
    // Above a store nothing stays in memory, or a part of the keys.
    return std::make_unique<Instance>(backend_, seed_ % 2 == 0 ? 1 : static_cast<int64_t>(keys_) * 50);
  }
  void Change(Instance& instance, Model& model) override { eagre::Change(random_, instance, model, keys_); }
  void ExpectRestored(Instance& restored, Model& at_seal, bool) override { EXPECT_EQ(restored.Read(keys_), at_seal); }

  const uint64_t keys_ = seed_ % 3 == 0 ? 20 : backend_ == BackendKind::kMemory ? 6000 : 1500;
};
INSTANTIATE_TEST_SUITE_P(Seeds, KeyedStateRandomCheckpointTest, testing::ValuesIn(RandomBackendCases()),
                         testing::PrintToStringParamName());

TEST_P(KeyedStateRandomCheckpointTest, EveryCheckpointRestoresWhatWasThereAtItsBarrier) {
  Run(keys_);
}

TEST(KeyedStateCheckpointTest, ADeltaHasWhatChangedAndNoMore) {
  Instance instance;
  StateChain chain(instance.table);
  for (int i = 0; i < 10'000; ++i) {
    instance.Select(std::to_string(i));
    instance.owner.value.Set(i);
  }
  instance.table.FinishBatch();
  chain.SealAll();
  const size_t whole = chain.last_delta_bytes();
  chain.SealAll();
  EXPECT_EQ(chain.last_delta_bytes(), 0u);
  for (int i = 0; i < 100; ++i) {
    instance.Select(std::to_string(i));
    instance.owner.value.Mutable() += 1;
    instance.Select(std::to_string(5000 + i));
    EXPECT_EQ(*instance.owner.value.Get(), 5000 + i);  // reading is no change
    instance.Select("made and gone " + std::to_string(i));
    instance.owner.value.Set(1);
    instance.owner.value.Clear();
  }
  instance.table.FinishBatch();
  chain.SealAll();
  EXPECT_LE(chain.last_delta_bytes(), whole / 99);
  EXPECT_GE(chain.last_delta_bytes(), whole / 110);
}

// However large the rows are and whoever goes first, the stream or the checkpoint.
TEST(KeyedStateCheckpointTest, ASliceIsBoundedAndSoIsWhatWaitsForIt) {
  constexpr int kKeys = 3'000;
  constexpr size_t kRowBytes = 10'000;
  constexpr size_t kSliceBytes = 128 * 1024;
  constexpr size_t kMostWaiting = 20 << 20;
  Instance instance;
  const auto change_all = [&](char content, size_t from) {
    for (int i = static_cast<int>(from); i < kKeys; ++i) {
      if (instance.table.blocked()) return static_cast<size_t>(i);
      instance.Select(std::to_string(i));
      instance.owner.map.Put(0, std::string(kRowBytes, content));
      instance.table.FinishBatch();
    }
    return size_t{kKeys};
  };
  StateEntryWriter out;
  const auto slice = [&] {
    const bool done = instance.table.EncodeSealed(out, kSliceBytes);
    EXPECT_LT(out.bytes(), 2 * kSliceBytes);
    static_cast<void>(out.Take());
    return done;
  };
  // All that there is belongs to the first epoch.
  change_all('a', 0);
  instance.table.Seal();
  while (!slice()) {
  }
  change_all('b', 0);
  instance.table.Seal();
  size_t changed = change_all('c', 0);
  EXPECT_LT(changed * kRowBytes, kMostWaiting) << "nothing was encoded meanwhile";
  EXPECT_GT(changed * kRowBytes, kMostWaiting / 2);
  while (!slice()) {
    changed = change_all('c', changed);
  }
  EXPECT_EQ(change_all('c', changed), size_t{kKeys});
  instance.table.BeginBase();
  bool done = false;
  while (!done) {
    done = instance.table.EncodeBase(out, kSliceBytes);
    EXPECT_LT(out.bytes(), 2 * kSliceBytes);
    static_cast<void>(out.Take());
  }
}

TEST(KeyedStateCheckpointTest, KeyGroupsAreDividedAnew) {
  Instance one;
  StateChain chain(one.table);
  SeededRandom random(3);
  Model model;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 3000; ++i) Change(random, one, model, 1000);
    one.table.FinishBatch();
    chain.SealAll();
  }
  Model together;
  for (uint64_t part = 0; part < 3; ++part) {
    Instance restored;
    ASSERT_TRUE(
        StateChain::Apply(chain.segments(), restored.table, [&](uint64_t hash) { return hash % 3 == part; }).ok());
    ASSERT_TRUE(restored.table.FinishRestore(false).ok());
    Model content = restored.Read(1000);
    for (const auto& [key, value] : content) EXPECT_EQ(KeyHash(key) % 3, part);
    together.merge(content);
    // It has a chain of its own, which holds all that it has.
    StateChain own(restored.table);
    own.SealAll();
    Instance again;
    ASSERT_TRUE(StateChain::Apply(own.segments(), again.table).ok());
    ASSERT_TRUE(again.table.FinishRestore(true).ok());
    EXPECT_EQ(again.Read(1000), restored.Read(1000));
  }
  EXPECT_EQ(together, model);
}

// The same function before and after a change of its program.
struct OwnerBefore : StateOwner {
  ValueState<StateBefore> profile{this, "profile"};
  ListState<StateBefore> all{this, "all"};
  MapState<std::string, int32_t> counts{this, "counts"};
  ValueState<int64_t> dropped{this, "dropped"};
};
struct OwnerAfter : StateOwner {
  MapState<std::string, int64_t> counts{this, "counts"};
  ReducingState<int64_t> added{this, "added", [](int64_t& into, const int64_t& value) { into += value; }};
  ListState<StateAfter> all{this, "all"};
  ValueState<StateAfter> profile{this, "profile"};
};
struct OwnerOtherwise : StateOwner {
  ValueState<std::string> counts{this, "counts"};
  ValueState<StateBefore> profile{this, "profile"};
};

template <typename O>
struct Version {
  Version() : table(owner.state_declarations()) { owner.BindStates(table.scope(), table.slot_offsets()); }
  void Select(const std::string& key) { table.SelectKey(KeyHash(key), key); }
  O owner;
  KeyedStateTable<std::string> table;
};

TEST(KeyedStateCheckpointTest, AnOlderVersionsStateIsReadByName) {
  Version<OwnerBefore> before;
  StateChain chain(before.table);
  before.Select("ann");
  before.owner.profile.Set({"Ann", 3});
  before.owner.all.Add({"x", 1});
  before.owner.all.Add({"y", 2});
  before.owner.counts.Put("shop", -7);
  before.owner.dropped.Set(1);
  before.Select("only what is dropped");
  before.owner.dropped.Set(1);
  before.table.FinishBatch();
  chain.SealAll();

  Version<OwnerAfter> after;
  const Status begun = after.table.BeginRestore(before.table.schema());
  ASSERT_TRUE(begun.ok()) << begun;
  ASSERT_TRUE(StateChain::Apply(chain.segments(), after.table).ok());
  ASSERT_TRUE(after.table.FinishRestore(false).ok());
  EXPECT_EQ(after.table.row_count(), 1u);
  after.Select("ann");
  ASSERT_NE(after.owner.profile.Get(), nullptr);
  EXPECT_TRUE(RecordEquals(*after.owner.profile.Get(), StateAfter{3, "Ann", "unknown"}));
  ASSERT_EQ(after.owner.all.Get().size(), 2u);
  EXPECT_TRUE(RecordEquals(after.owner.all.Get()[1], StateAfter{2, "y", "unknown"}));
  EXPECT_EQ(*after.owner.counts.Get("shop"), -7);
  EXPECT_EQ(after.owner.added.Get(), nullptr);
}

TEST(KeyedStateCheckpointTest, WhatDoesNotFitIsListed) {
  Version<OwnerBefore> before;
  Version<OwnerOtherwise> otherwise;
  const Status status = otherwise.table.BeginRestore(before.table.schema());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.ToString().find("state 'counts' was a map and is a value now"), std::string::npos) << status;
  // The same from the texts alone, in both directions.
  EXPECT_EQ(CheckCompatible(before.table.schema(), otherwise.table.schema()), status);
  const Status narrowed = CheckCompatible(Version<OwnerAfter>().table.schema(), before.table.schema());
  EXPECT_NE(narrowed.ToString().find("'counts'[] was int64 and is int32 now"), std::string::npos) << narrowed;
  EXPECT_NE(narrowed.ToString().find("'profile'.visits was int64 and is int32 now"), std::string::npos) << narrowed;
  EXPECT_FALSE(CheckCompatible("key: string", "key: strange").ok());
  EXPECT_FALSE(CheckCompatible("key: string", "key: int64").ok());
  EXPECT_FALSE(CheckCompatible("windows of 1 ms\naccumulator: int8", "windows of 2 ms\naccumulator: int8").ok());
  EXPECT_TRUE(CheckCompatible("windows of 1 ms\naccumulator: int8", "windows of 1 ms\naccumulator: int16").ok());
}

struct Mean : AggregateFunction<int64_t, StateBefore, double> {
  void Add(StateBefore& accumulator, const int64_t& value) override {
    accumulator.visits += 1;
    accumulator.name += static_cast<char>('0' + value);
  }
  double GetResult(const StateBefore& accumulator) override {
    double sum = 0;
    for (const char c : accumulator.name) sum += c - '0';
    return sum / accumulator.visits;
  }
};
struct Aggregates : StateOwner {
  ReducingState<int64_t> most{this, "most", [](int64_t& into, const int64_t& value) { into = std::max(into, value); }};
  AggregatingState<Mean> mean{this, "mean"};
};

TEST(KeyedStateCheckpointTest, ReducedAndAggregatedValuesPerKey) {
  Version<Aggregates> original;
  StateChain chain(original.table);
  original.Select("a");
  EXPECT_EQ(original.owner.most.Get(), nullptr);
  EXPECT_EQ(original.owner.mean.Get(), std::nullopt);
  for (const int64_t value : {3, 8, 1}) {
    original.owner.most.Add(value);
    original.owner.mean.Add(value);
  }
  original.Select("b");
  original.owner.most.Add(2);
  original.table.FinishBatch();
  chain.SealAll();
  Version<Aggregates> restored;
  ASSERT_TRUE(StateChain::Apply(chain.segments(), restored.table).ok());
  ASSERT_TRUE(restored.table.FinishRestore(true).ok());
  restored.Select("a");
  EXPECT_EQ(*restored.owner.most.Get(), 8);
  EXPECT_EQ(restored.owner.mean.Get(), 4.0);
  restored.owner.mean.Clear();
  EXPECT_EQ(restored.owner.mean.Get(), std::nullopt);
  restored.Select("b");
  restored.owner.most.Clear();
  restored.table.FinishBatch();
  EXPECT_EQ(restored.table.row_count(), 1u);
}

TEST(KeyedStateCheckpointTest, MalformedEntriesAreDataLoss) {
  Instance instance;
  StateChain chain(instance.table);
  instance.Select("ann");
  instance.owner.value.Set(7);
  instance.owner.list.Add("x");
  instance.table.FinishBatch();
  chain.SealAll();
  const std::string good = chain.segments().back();
  StateEntryReader reader(good);
  StateEntry entry;
  ASSERT_TRUE(*reader.Next(entry));
  for (size_t cut = 1; cut < entry.value.size(); ++cut) {
    // Some cuts lie between two states and make a shorter value that is whole.
    Instance restored;
    StateEntry cut_entry = entry;
    cut_entry.value = entry.value.substr(0, cut);
    const Status status = restored.table.Restore(cut_entry);
    EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kDataLoss) << status;
    StateEntry cut_key = entry;
    cut_key.key = entry.key.substr(0, entry.key.size() - 1);
    EXPECT_EQ(restored.table.Restore(cut_key).code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace eagre
