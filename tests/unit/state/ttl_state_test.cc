// State with TTL: what is seen when of what has expired, on every backend, and that it goes by itself.
#include "eagre/ttl_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/random.h"
#include "eagre/functions.h"
#include "eagre/testing/fake_operator_context.h"
#include "state/state_schema.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/keyed_state_under_test.h"
#include "tests/testing/random_checkpoint_test.h"
#include "tests/testing/state_chain.h"

namespace eagre {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr int64_t kTtlMs = 100;
constexpr BackendKind kBackends[] = {BackendKind::kMemory, BackendKind::kMapStore, BackendKind::kRocksDb,
                                     BackendKind::kRocksDbCached};

struct Sum : AggregateFunction<int64_t, int64_t, int64_t> {
  void Add(int64_t& sum, const int64_t& value) override { sum += value; }
  int64_t GetResult(const int64_t& sum) override { return sum; }
};

// One state of each kind.
struct Owner : StateOwner {
  explicit Owner(const StateTtl& ttl)
      : value(this, "value", ttl),
        list(this, "list", ttl),
        map(this, "map", ttl),
        reducing(
            this, "reducing", [](int64_t& into, const int64_t& other) { into += other; }, ttl),
        aggregating(this, "aggregating", ttl) {}
  TtlValueState<int64_t> value;
  TtlListState<int64_t> list;
  TtlMapState<std::string, int64_t> map;
  TtlReducingState<int64_t> reducing;
  TtlAggregatingState<Sum> aggregating;
};
// The same without TTL.
struct OwnerWithout : StateOwner {
  ValueState<int64_t> value{this, "value"};
  ListState<int64_t> list{this, "list"};
  MapState<std::string, int64_t> map{this, "map"};
  ReducingState<int64_t> reducing{this, "reducing", [](int64_t& into, const int64_t& other) { into += other; }};
  AggregatingState<Sum> aggregating{this, "aggregating"};
};

template <typename O>
struct Instance : KeyedStateUnderTest<O> {
  using KeyedStateUnderTest<O>::table;
  Instance(BackendKind kind, const Clock& clock, const O& prototype, int64_t object_bytes = 1)
      : Instance(NewBackend(kind, object_bytes), clock, prototype) {}
  Instance(std::shared_ptr<StateBackend> backend, const Clock& clock, const O& prototype)
      : KeyedStateUnderTest<O>(std::move(backend), prototype, &clock) {}

  // A step of the removal in the background.
  void Sweep(int64_t now_ms) {
    const Status removed = table.RemoveExpired(now_ms);
    EXPECT_TRUE(removed.ok()) << removed;
    this->FinishBatch();
  }
  // All steps that are due until then, the clock going on with them.
  void AdvanceTo(int64_t now_ms, ManualClock& clock) {
    while (table.next_sweep_ms() <= now_ms) {
      clock.now_ms = std::max(clock.now_ms, table.next_sweep_ms());
      Sweep(clock.now_ms);
    }
    clock.now_ms = now_ms;
  }
};

// ---- what is seen ----

enum class Kind { kValue, kList, kMap, kMapEntries, kReducing, kAggregating };
constexpr Kind kKinds[] = {Kind::kValue,      Kind::kList,     Kind::kMap,
                           Kind::kMapEntries, Kind::kReducing, Kind::kAggregating};

void Write(Owner& owner, Kind kind, int64_t number) {
  switch (kind) {
    case Kind::kValue: return owner.value.Set(number);
    case Kind::kList: return owner.list.Update({number});
    case Kind::kMap:
    case Kind::kMapEntries: return owner.map.Put("entry", number);
    case Kind::kReducing: owner.reducing.Clear(); return owner.reducing.Add(number);
    case Kind::kAggregating: owner.aggregating.Clear(); return owner.aggregating.Add(number);
  }
}
// Adds to what is there, if that can be gone on with.
void Add(Owner& owner, Kind kind, int64_t number) {
  switch (kind) {
    case Kind::kValue: owner.value.Mutable() += number; return;
    case Kind::kList: return owner.list.Add(number);
    case Kind::kMap:
    case Kind::kMapEntries: owner.map.Mutable("entry") += number; return;
    case Kind::kReducing: return owner.reducing.Add(number);
    case Kind::kAggregating: return owner.aggregating.Add(number);
  }
}
// The sum of what is there, -1 for nothing.
int64_t Read(Owner& owner, Kind kind) {
  const auto value_of = [](const int64_t* value) { return value == nullptr ? -1 : *value; };
  int64_t sum = -1;
  switch (kind) {
    case Kind::kValue: return value_of(owner.value.Get());
    case Kind::kList:
      for (const int64_t value : owner.list.Get()) sum = std::max<int64_t>(sum, 0) + value;
      return sum;
    case Kind::kMap: return value_of(owner.map.Get("entry"));
    case Kind::kMapEntries:
      for (const auto& [key, value] : owner.map.Entries()) sum = std::max<int64_t>(sum, 0) + value;
      return sum;
    case Kind::kReducing: return value_of(owner.reducing.Get());
    case Kind::kAggregating: return owner.aggregating.Get().value_or(-1);
  }
  return sum;
}

struct Step {
  int64_t time_ms;
  enum Op { kWrite, kAdd, kRead, kSweep } op;
  int64_t number = 0;  // what is written, or expected; -1: nothing
};
struct Script {
  const char* name;
  bool updates_on_read;
  bool returns_expired;
  std::vector<Step> steps;
};
const Script kScripts[] = {
    {"WhatIsNotWrittenAnewExpires", false, false, {{0, Step::kWrite, 7}, {99, Step::kRead, 7}, {100, Step::kRead, -1}}},
    {"WritingIsUsing",
     false,
     false,
     {{0, Step::kWrite, 7}, {60, Step::kWrite, 8}, {159, Step::kRead, 8}, {160, Step::kRead, -1}}},
    {"ReadingIsNot", false, false, {{0, Step::kWrite, 7}, {60, Step::kRead, 7}, {100, Step::kRead, -1}}},
    {"ReadingIsUsingWhereItUpdates",
     true,
     false,
     {{0, Step::kWrite, 7},
      {60, Step::kRead, 7},
      {159, Step::kRead, 7},
      {258, Step::kRead, 7},
      {358, Step::kRead, -1}}},
    {"WhatHasExpiredIsNotRenewedByReading",
     true,
     true,
     {{0, Step::kWrite, 7}, {100, Step::kRead, 7}, {101, Step::kRead, -1}}},
    {"WhatHasExpiredIsReturnedOnce",
     false,
     true,
     {{0, Step::kWrite, 7}, {500, Step::kRead, 7}, {500, Step::kRead, -1}, {501, Step::kRead, -1}}},
    {"UnlessItWasRemovedBefore", false, true, {{0, Step::kWrite, 7}, {500, Step::kSweep}, {500, Step::kRead, -1}}},
    {"TheSweepLeavesWhatIsAlive",
     false,
     true,
     {{0, Step::kWrite, 7}, {99, Step::kSweep}, {99, Step::kRead, 7}, {150, Step::kRead, 7}}},
    {"WritingBeginsAnewAfterTheEnd",
     false,
     false,
     {{0, Step::kWrite, 7},
      {200, Step::kAdd, 5},
      {201, Step::kRead, 5},
      {299, Step::kRead, 5},
      {300, Step::kRead, -1}}},
    {"OrGoesOnWhereTheExpiredIsReturned",
     false,
     true,
     {{0, Step::kWrite, 7}, {200, Step::kAdd, 5}, {201, Step::kRead, 12}}},
    {"NothingIsThereBeforeTheFirstWrite",
     true,
     true,
     {{0, Step::kRead, -1}, {50, Step::kWrite, 1}, {60, Step::kRead, 1}}},
};

enum class Restores { kNever, kBetweenSteps };
std::string SemanticsName(const testing::TestParamInfo<std::tuple<BackendKind, Kind, Restores>>& info) {
  constexpr const char* kNames[] = {"Value", "List", "Map", "MapEntries", "Reducing", "Aggregating"};
  const auto& [backend, kind, restores] = info.param;
  return BackendName(backend) + kNames[static_cast<int>(kind)] + (restores == Restores::kNever ? "" : "Restored");
}
class TtlSemanticsTest : public testing::TestWithParam<std::tuple<BackendKind, Kind, Restores>> {};
INSTANTIATE_TEST_SUITE_P(All, TtlSemanticsTest,
                         testing::Combine(testing::ValuesIn(kBackends), testing::ValuesIn(kKinds),
                                          testing::Values(Restores::kNever, Restores::kBetweenSteps)),
                         SemanticsName);

TEST_P(TtlSemanticsTest, ScriptsOfReadsAndWrites) {
  const auto [backend_kind, kind, restores] = GetParam();
  // For all scripts, since it takes a while to open a database.
  const std::shared_ptr<StateBackend> backend = NewBackend(backend_kind);
  for (const Script& script : kScripts) {
    SCOPED_TRACE(script.name);
    StateTtl ttl{milliseconds(kTtlMs)};
    if (script.updates_on_read) ttl = ttl.UpdateOnReadAndWrite();
    if (script.returns_expired) ttl = ttl.ReturnExpiredIfNotCleanedUp();
    ManualClock clock;
    auto instance = std::make_unique<Instance<Owner>>(backend, clock, Owner(ttl));
    auto chain = std::make_unique<StateChain>(instance->table);
    bool inherited = false;
    for (const Step& step : script.steps) {
      clock.now_ms = step.time_ms;
      SCOPED_TRACE(step.time_ms);
      if (step.op == Step::kSweep) {
        // A pass goes over memory, then over the store.
        for (int i = 0; i < 4; ++i) instance->Sweep(clock.now_ms);
      } else {
        instance->Select("key");
        if (step.op == Step::kWrite) Write(instance->owner, kind, step.number);
        if (step.op == Step::kAdd) Add(instance->owner, kind, step.number);
        if (step.op == Step::kRead) {
          EXPECT_EQ(Read(instance->owner, kind), step.number);
        }
        instance->FinishBatch();
      }
      if (restores == Restores::kNever) continue;
      chain->SealAll();
      auto restored = std::make_unique<Instance<Owner>>(backend, clock, Owner(ttl));
      inherited = !inherited;
      ASSERT_TRUE(restored->table.BeginRestore(instance->table.schema()).ok());
      ASSERT_TRUE(StateChain::Apply(chain->segments(), restored->table).ok());
      ASSERT_TRUE(restored->table.FinishRestore(inherited).ok());
      chain = std::make_unique<StateChain>(restored->table, inherited ? chain->segments() : std::vector<std::string>());
      instance = std::move(restored);
    }
  }
}

class TtlStateTest : public testing::TestWithParam<BackendKind> {
 protected:
  Instance<Owner> New(const StateTtl& ttl = StateTtl(milliseconds(kTtlMs)), int64_t object_bytes = 1) {
    return {GetParam(), clock_, Owner(ttl), object_bytes};
  }
  ManualClock clock_;
};
INSTANTIATE_TEST_SUITE_P(Backends, TtlStateTest, testing::ValuesIn(kBackends), testing::PrintToStringParamName());

std::vector<std::pair<std::string, int64_t>> EntriesOf(TtlMapState<std::string, int64_t>& map) {
  std::vector<std::pair<std::string, int64_t>> entries;
  for (const auto& [key, value] : map.Entries()) entries.emplace_back(key, value);
  return entries;
}

TEST_P(TtlStateTest, ListsExpireByElementAndMapsByEntry) {
  Instance<Owner> instance = New();
  for (const int64_t time : {0, 30, 60}) {
    clock_.now_ms = time;
    instance.Select("key");
    instance.owner.list.Add(time);
    instance.owner.map.Put(std::to_string(time), time);
    instance.FinishBatch();
  }
  clock_.now_ms = 120;
  instance.Select("key");
  EXPECT_THAT(instance.owner.list.Get(), ElementsAre(30, 60));
  EXPECT_FALSE(instance.owner.map.Contains("0"));
  EXPECT_THAT(EntriesOf(instance.owner.map), ElementsAre(Pair("30", 30), Pair("60", 60)));
  instance.owner.map.Put("30", 31);
  instance.FinishBatch();
  clock_.now_ms = 160;
  instance.Select("key");
  EXPECT_THAT(instance.owner.list.Get(), IsEmpty());
  EXPECT_TRUE(instance.owner.list.Empty());
  EXPECT_THAT(EntriesOf(instance.owner.map), ElementsAre(Pair("30", 31)));
  EXPECT_FALSE(instance.owner.map.Empty());
  instance.FinishBatch();
  clock_.now_ms = 220;
  instance.Select("key");
  EXPECT_TRUE(instance.owner.map.Empty());
  EXPECT_EQ(instance.owner.map.Entries().size(), 0u);
  instance.FinishBatch();
  EXPECT_EQ(instance.table.row_count(), 0u);
}

TEST_P(TtlStateTest, ReadingAllOfAListOrMapUsesAllThatIsAlive) {
  Instance<Owner> instance = New(StateTtl(milliseconds(kTtlMs)).UpdateOnReadAndWrite().ReturnExpiredIfNotCleanedUp());
  for (const int64_t time : {0, 50}) {
    clock_.now_ms = time;
    instance.Select("key");
    instance.owner.list.Add(time);
    instance.owner.map.Put(std::to_string(time), time);
    instance.FinishBatch();
  }
  clock_.now_ms = 110;
  instance.Select("key");
  EXPECT_THAT(instance.owner.list.Get(), ElementsAre(0, 50)) << "once what has expired, too";
  EXPECT_THAT(EntriesOf(instance.owner.map), ElementsAre(Pair("0", 0), Pair("50", 50)));
  instance.FinishBatch();
  clock_.now_ms = 209;
  instance.Select("key");
  EXPECT_THAT(instance.owner.list.Get(), ElementsAre(50));
  EXPECT_EQ(*instance.owner.map.Get("50"), 50);
  EXPECT_EQ(instance.owner.map.Get("0"), nullptr);
  instance.FinishBatch();
  clock_.now_ms = 308;
  instance.Select("key");
  EXPECT_THAT(instance.owner.list.Get(), ElementsAre(50));
  EXPECT_THAT(EntriesOf(instance.owner.map), ElementsAre(Pair("50", 50)));
}

TEST_P(TtlStateTest, DisabledNothingExpires) {
  Instance<Owner> instance = New(StateTtl::Disabled());
  EXPECT_EQ(instance.table.next_sweep_ms(), ExpirySweep::kNever);
  instance.Select("key");
  for (const Kind kind : kKinds) Write(instance.owner, kind, 7);
  instance.FinishBatch();
  clock_.now_ms = int64_t{1} << 60;
  instance.Select("key");
  for (const Kind kind : kKinds) EXPECT_EQ(Read(instance.owner, kind), 7);
  EXPECT_EQ(instance.table.next_sweep_ms(), ExpirySweep::kNever);
}

TEST(TtlDeclarationTest, ATimeToLiveMustBeOne) {
  EXPECT_TRUE(Owner(StateTtl(milliseconds(1))).state_error().ok());
  for (const int64_t ttl_ms : {0, -5}) {
    const Owner owner{StateTtl(milliseconds(ttl_ms))};
    EXPECT_THAT(std::string(StatusMessage(owner.state_error())),
                HasSubstr("the time to live of state 'value' must be at least 1 ms"));
  }
}

TEST(TtlDeclarationTest, UsingAStateOutsideOfAKeyedCallIsAClearError) {
  Owner owner{StateTtl(milliseconds(kTtlMs))};
  EXPECT_THROW(owner.value.Get(), StateError);
  EXPECT_THROW(owner.list.Add(1), StateError);
  EXPECT_THROW(owner.map.Put("a", 1), StateError);
  EXPECT_THROW(owner.map.Entries(), StateError);
  EXPECT_THROW(owner.reducing.Add(1), StateError);
  EXPECT_THROW(owner.aggregating.Add(int64_t{1}), StateError);
}

// ---- what goes by itself ----

TEST_P(TtlStateTest, WhatNobodyReadsGoesWhileOtherKeysLive) {
  Instance<Owner> instance = New();
  constexpr int kKeys = 300;
  for (int i = 0; i < kKeys; ++i) {
    instance.Select("quiet " + std::to_string(i));
    Write(instance.owner, kKinds[i % std::size(kKinds)], i);
    if (i % 50 == 49) instance.FinishBatch();
  }
  instance.FinishBatch();
  for (int64_t time = 10; time <= 200; time += 10) {
    instance.AdvanceTo(time, clock_);
    instance.Select("busy");
    instance.owner.value.Set(time);
    instance.FinishBatch();
    if (time < kTtlMs) {
      EXPECT_EQ(instance.table.row_count(), kKeys + 1u) << time;
    }
  }
  EXPECT_EQ(instance.table.row_count(), 1u);
  instance.AdvanceTo(400, clock_);
  EXPECT_EQ(instance.table.row_count(), 0u);
  instance.table.ForEachRow([](const RowHeader&, const char*) { FAIL() << "a row in memory that holds nothing"; });
}

TEST_P(TtlStateTest, AKeyKeepsWhatIsAliveOfIt) {
  Instance<Owner> instance = New();
  for (int i = 0; i < 100; ++i) {
    instance.Select(std::to_string(i));
    instance.owner.list.Add(1);
    instance.owner.value.Set(1);
  }
  instance.FinishBatch();
  instance.AdvanceTo(80, clock_);
  for (int i = 0; i < 100; i += 2) {
    instance.Select(std::to_string(i));
    instance.owner.list.Add(2);
  }
  instance.FinishBatch();
  instance.AdvanceTo(150, clock_);
  EXPECT_EQ(instance.table.row_count(), 50u);
  clock_.now_ms = 50;  // so that reading removes nothing
  for (int i = 0; i < 100; ++i) {
    instance.Select(std::to_string(i));
    EXPECT_EQ(instance.owner.list.Get().size(), i % 2 == 0 ? 1u : 0u);
    EXPECT_EQ(instance.owner.value.Get(), nullptr);
    if (i % 10 == 9) instance.FinishBatch();
  }
}

TEST_P(TtlStateTest, AStepIsBounded) {
  Instance<Owner> instance = New(StateTtl(milliseconds(kTtlMs)), 1 << 20);
  constexpr size_t kKeys = 10'000;
  for (size_t i = 0; i < kKeys; ++i) {
    instance.Select(std::to_string(i));
    instance.owner.value.Set(1);
    if (i % 100 == 0) instance.FinishBatch();
  }
  instance.FinishBatch();
  clock_.now_ms = 1000;
  ASSERT_LE(instance.table.next_sweep_ms(), 1000);
  size_t before = instance.table.row_count();
  EXPECT_EQ(before, kKeys);
  int steps = 0;
  for (; before > 0 && steps < 200; ++steps) {
    instance.Sweep(clock_.now_ms);
    EXPECT_GT(instance.table.next_sweep_ms(), clock_.now_ms) << "records have their turn";
    EXPECT_LE(before - instance.table.row_count(), ExpirySweep::kRowsPerStep);
    before = instance.table.row_count();
    clock_.now_ms = instance.table.next_sweep_ms();
  }
  EXPECT_EQ(before, 0u);
  EXPECT_GE(steps, 9);
  EXPECT_LE(clock_.now_ms, 1000 + kTtlMs);
}

TEST_P(TtlStateTest, NothingIsLookedAtBeforeItMayHaveExpired) {
  Instance<Owner> instance = New(StateTtl(milliseconds(1'000'000)), 1 << 20);
  clock_.now_ms = 500;
  instance.Select("a");
  instance.owner.value.Set(1);
  instance.FinishBatch();
  EXPECT_EQ(instance.table.next_sweep_ms(), 1'000'000);
  instance.AdvanceTo(1'000'499, clock_);
  EXPECT_EQ(instance.table.row_count(), 1u);
  EXPECT_LE(instance.table.next_sweep_ms(), 1'001'000) << "at most a second late";
  instance.AdvanceTo(1'001'000, clock_);
  EXPECT_EQ(instance.table.row_count(), 0u);
}

TEST_P(TtlStateTest, ACheckpointTellsTheNextOneWhatWasRemoved) {
  Instance<Owner> instance = New();
  StateChain chain(instance.table);
  for (int i = 0; i < 50; ++i) {
    instance.Select(std::to_string(i));
    instance.owner.value.Set(i);
    instance.owner.list.Add(i);
  }
  instance.FinishBatch();
  chain.SealAll();
  instance.AdvanceTo(60, clock_);
  instance.Select("7");
  instance.owner.list.Add(70);
  instance.FinishBatch();
  instance.AdvanceTo(140, clock_);
  EXPECT_EQ(instance.table.row_count(), 1u);
  chain.SealAll();

  // Nothing expires here: what is gone was erased.
  ManualClock early;
  Instance<Owner> restored(GetParam(), early, Owner(StateTtl(milliseconds(kTtlMs))));
  ASSERT_TRUE(StateChain::Apply(chain.segments(), restored.table).ok());
  ASSERT_TRUE(restored.table.FinishRestore(true).ok());
  for (int i = 0; i < 50; ++i) {
    restored.Select(std::to_string(i));
    EXPECT_EQ(restored.owner.value.Get(), nullptr);
    EXPECT_EQ(restored.owner.list.Get().size(), i == 7 ? 1u : 0u);
    restored.FinishBatch();
  }
}

TEST_P(TtlStateTest, WhatIsRestoredHasAgedAndGoesAtOnce) {
  Instance<Owner> instance = New();
  StateChain chain(instance.table);
  for (int i = 0; i < 40; ++i) {
    clock_.now_ms = i < 20 ? 0 : 80;
    instance.Select(std::to_string(i));
    for (const Kind kind : kKinds) Write(instance.owner, kind, i);
    instance.FinishBatch();
  }
  chain.SealAll();
  for (const bool inherited : {false, true}) {
    clock_.now_ms = 90;
    Instance<Owner> restored = New();
    clock_.now_ms = 120;
    ASSERT_TRUE(StateChain::Apply(chain.segments(), restored.table).ok());
    ASSERT_TRUE(restored.table.FinishRestore(inherited).ok());
    EXPECT_EQ(restored.table.next_sweep_ms(), 120);
    restored.AdvanceTo(130, clock_);
    EXPECT_EQ(restored.table.row_count(), 20u);
    restored.Select("3");
    for (const Kind kind : kKinds) EXPECT_EQ(Read(restored.owner, kind), -1);
    restored.Select("33");
    for (const Kind kind : kKinds) EXPECT_EQ(Read(restored.owner, kind), 33);
    restored.FinishBatch();
    // Its own chain goes on with the removals.
    StateChain own(restored.table, inherited ? chain.segments() : std::vector<std::string>());
    own.SealAll();
    ManualClock early;
    Instance<Owner> again(GetParam(), early, Owner(StateTtl(milliseconds(kTtlMs))));
    ASSERT_TRUE(StateChain::Apply(own.segments(), again.table).ok());
    ASSERT_TRUE(again.table.FinishRestore(true).ok());
    for (int i = 0; i < 40; ++i) {
      again.Select(std::to_string(i));
      EXPECT_EQ(again.owner.value.Get() != nullptr, i >= 20) << i;
      again.FinishBatch();
    }
  }
}

TEST_P(TtlStateTest, VisitingAllKeysLeavesOutWhatHasExpired) {
  Instance<Owner> instance = New();
  for (int i = 0; i < 10; ++i) {
    clock_.now_ms = i < 4 ? 0 : 50;
    instance.Select(std::to_string(i));
    instance.owner.value.Set(i);
    instance.FinishBatch();
  }
  clock_.now_ms = 120;
  int visited = 0;
  instance.table.ForEachKeyWith("value", [&](const std::string&) {
    ++visited;
    EXPECT_GE(*instance.owner.value.Get(), 4);
  });
  instance.FinishBatch();
  EXPECT_EQ(visited, 6);
  EXPECT_EQ(instance.table.row_count(), 6u);
}

// ---- TTL comes and goes ----

TEST_P(TtlStateTest, StateWithoutTtlIsRestoredAsUsedNow) {
  Instance<OwnerWithout> before(GetParam(), clock_, OwnerWithout());
  StateChain chain(before.table);
  before.Select("key");
  before.owner.value.Set(7);
  before.owner.list.Add(7);
  before.owner.map.Put("entry", 7);
  before.owner.reducing.Add(7);
  before.owner.aggregating.Add(int64_t{7});
  before.FinishBatch();
  chain.SealAll();
  clock_.now_ms = 1'000'000;
  Instance<Owner> after = New();
  const Status begun = after.table.BeginRestore(before.table.schema());
  ASSERT_TRUE(begun.ok()) << begun;
  ASSERT_TRUE(StateChain::Apply(chain.segments(), after.table).ok());
  ASSERT_TRUE(after.table.FinishRestore(false).ok());
  after.AdvanceTo(1'000'099, clock_);
  after.Select("key");
  for (const Kind kind : kKinds) EXPECT_EQ(Read(after.owner, kind), 7);
  after.FinishBatch();
  after.AdvanceTo(1'000'200, clock_);
  EXPECT_EQ(after.table.row_count(), 0u);
}

TEST_P(TtlStateTest, StateWithTtlIsRestoredWithoutAndStays) {
  Instance<Owner> before = New();
  StateChain chain(before.table);
  before.Select("key");
  for (const Kind kind : kKinds) Write(before.owner, kind, 7);
  before.owner.list.Add(8);
  before.FinishBatch();
  chain.SealAll();
  clock_.now_ms = 1'000'000;
  Instance<OwnerWithout> after(GetParam(), clock_, OwnerWithout());
  const Status begun = after.table.BeginRestore(before.table.schema());
  ASSERT_TRUE(begun.ok()) << begun;
  ASSERT_TRUE(StateChain::Apply(chain.segments(), after.table).ok());
  ASSERT_TRUE(after.table.FinishRestore(false).ok());
  EXPECT_EQ(after.table.next_sweep_ms(), ExpirySweep::kNever);
  after.Select("key");
  EXPECT_EQ(*after.owner.value.Get(), 7);
  EXPECT_THAT(after.owner.list.Get(), ElementsAre(7, 8));
  EXPECT_EQ(*after.owner.map.Get("entry"), 7);
  EXPECT_EQ(*after.owner.reducing.Get(), 7);
  EXPECT_EQ(after.owner.aggregating.Get(), 7);
}

TEST(TtlSchemaTest, TtlIsPartOfTheSchemaAndNoDifference) {
  const ManualClock clock;
  const Instance<Owner> with(BackendKind::kMemory, clock, Owner(StateTtl(milliseconds(1))));
  const Instance<OwnerWithout> without(BackendKind::kMemory, clock, OwnerWithout());
  EXPECT_EQ(with.table.schema(),
            "key: string\nvalue value: ttl int64\nlist list: ttl list<int64>\nmap map: ttl map<string,int64>\n"
            "reducing reducing: ttl int64\naggregating aggregating: ttl int64");
  EXPECT_TRUE(CheckCompatible(with.table.schema(), without.table.schema()).ok());
  EXPECT_TRUE(CheckCompatible(without.table.schema(), with.table.schema()).ok());
  const Status narrowed = CheckCompatible("value a: ttl int64", "value a: int32");
  EXPECT_THAT(std::string(StatusMessage(narrowed)), HasSubstr("'a' was int64 and is int32 now"));
  EXPECT_TRUE(CheckCompatible("value a: int32", "value a: ttl int64").ok());
}

struct NarrowOwner : StateOwner {
  ValueState<int32_t> value{this, "value"};
  TtlListState<int32_t> list{this, "list", StateTtl(milliseconds(5))};
  TtlMapState<std::string, int32_t> map{this, "map", StateTtl(milliseconds(5))};
};

TEST_P(TtlStateTest, TypesMayChangeWithIt) {
  Instance<NarrowOwner> before(GetParam(), clock_, NarrowOwner());
  StateChain chain(before.table);
  before.Select("key");
  before.owner.value.Set(-1);
  before.owner.list.Add(-2);
  before.owner.map.Put("entry", -3);
  before.FinishBatch();
  chain.SealAll();
  clock_.now_ms = 60;
  Instance<Owner> after = New();
  ASSERT_TRUE(after.table.BeginRestore(before.table.schema()).ok());
  ASSERT_TRUE(StateChain::Apply(chain.segments(), after.table).ok());
  ASSERT_TRUE(after.table.FinishRestore(false).ok());
  after.Select("key");
  EXPECT_EQ(*after.owner.value.Get(), -1);
  EXPECT_THAT(after.owner.list.Get(), ElementsAre(-2));
  EXPECT_EQ(*after.owner.map.Get("entry"), -3);
  after.FinishBatch();
  clock_.now_ms = 100;  // the list has its old times, and the new time to live
  after.Select("key");
  EXPECT_THAT(after.owner.list.Get(), IsEmpty());
  EXPECT_EQ(after.owner.map.Get("entry"), nullptr);
  EXPECT_EQ(*after.owner.value.Get(), -1);
}

TEST(TtlSchemaTest, CutOffContentsAreMalformed) {
  const Owner owner{StateTtl(milliseconds(kTtlMs))};
  ManualClock clock;
  Instance<Owner> instance(BackendKind::kMemory, clock, owner);
  instance.Select("key");
  for (const Kind kind : kKinds) Write(instance.owner, kind, 7);
  const auto& declarations = instance.table.declarations();
  for (size_t i = 0; i < declarations.size(); ++i) {
    char* slot = instance.table.scope().row + instance.table.slot_offsets()[i];
    std::string bytes;
    ByteWriter out(bytes);
    declarations[i].ops->encode(slot, out);
    for (size_t size = 0; size < bytes.size(); ++size) {
      ByteReader cut(std::string_view(bytes).substr(0, size));
      EXPECT_FALSE(declarations[i].ops->decode(cut, slot)) << declarations[i].name << " " << size;
      // The slot holds something valid.
      declarations[i].ops->expire(slot, 0);
      std::string again;
      ByteWriter rest(again);
      declarations[i].ops->encode(slot, rest);
    }
    ByteReader in(bytes);
    EXPECT_TRUE(declarations[i].ops->decode(in, slot) && in.empty());
  }
}

// ---- at random ----

struct Timed {
  int64_t value = 0;
  int64_t time_ms = 0;
};
// What one key has, kept by the letter: nothing of it is removed but by who reads it.
struct Content {
  std::optional<Timed> value;
  std::vector<Timed> list;
  std::map<std::string, Timed> map;

  static bool Alive(const Timed& timed, int64_t now_ms) { return timed.time_ms + kTtlMs > now_ms; }
  void Expire(int64_t now_ms) {
    if (value && !Alive(*value, now_ms)) value.reset();
    std::erase_if(list, [=](const Timed& timed) { return !Alive(timed, now_ms); });
    std::erase_if(map, [=](const auto& entry) { return !Alive(entry.second, now_ms); });
  }
  bool empty() const { return !value && list.empty() && map.empty(); }
};
using Model = std::map<std::string, Content>;

void ExpectEqual(Instance<Owner>& instance, const std::string& key, Content content, int64_t now_ms) {
  content.Expire(now_ms);
  const int64_t* value = instance.owner.value.Get();
  EXPECT_EQ(value == nullptr ? -1 : *value, content.value ? content.value->value : -1) << key;
  std::vector<int64_t> list;
  for (const Timed& timed : content.list) list.push_back(timed.value);
  EXPECT_EQ(instance.owner.list.Empty(), list.empty());
  EXPECT_EQ(instance.owner.list.Get(), list) << key;
  std::vector<std::pair<std::string, int64_t>> map;
  for (const auto& [entry, timed] : content.map) map.emplace_back(entry, timed.value);
  EXPECT_EQ(instance.owner.map.Empty(), map.empty());
  EXPECT_EQ(EntriesOf(instance.owner.map), map) << key;
}

void Change(Random& random, Instance<Owner>& instance, Model& model, uint64_t keys, int64_t now_ms, bool on_read) {
  const std::string key = std::to_string(random.Below(keys));
  instance.Select(key);
  Content& content = model[key];
  content.Expire(now_ms);
  const auto number = static_cast<int64_t>(random.Below(1000));
  const std::string entry = std::to_string(number % 4);
  switch (random.Below(10)) {
    case 0:
      instance.owner.value.Set(number);
      content.value = {number, now_ms};
      break;
    case 1:
      instance.owner.value.Mutable() += number;
      content.value = {(content.value ? content.value->value : 0) + number, now_ms};
      break;
    case 2:
      instance.owner.list.Add(number);
      content.list.push_back({number, now_ms});
      break;
    case 3:
      instance.owner.list.Update({number, number});
      content.list = {{number, now_ms}, {number, now_ms}};
      break;
    case 4:
      instance.owner.map.Put(entry, number);
      content.map[entry] = {number, now_ms};
      break;
    case 5:
      instance.owner.map.Mutable(entry) += number;
      content.map[entry] = {(content.map.contains(entry) ? content.map[entry].value : 0) + number, now_ms};
      break;
    case 6:
      instance.owner.map.Remove(entry);
      content.map.erase(entry);
      break;
    case 7: {
      const int64_t* read = instance.owner.map.Get(entry);
      ASSERT_EQ(read != nullptr, content.map.contains(entry));
      if (read != nullptr && on_read) content.map[entry].time_ms = now_ms;
      break;
    }
    case 8:
      ExpectEqual(instance, key, content, now_ms);
      if (on_read) {
        if (content.value) content.value->time_ms = now_ms;
        for (Timed& timed : content.list) timed.time_ms = now_ms;
        for (auto& [name, timed] : content.map) timed.time_ms = now_ms;
      }
      break;
    default:
      instance.owner.value.Clear();
      instance.owner.list.Clear();
      instance.owner.map.Clear();
      content = {};
  }
  if (content.empty()) model.erase(key);
}

class TtlRandomTest : public RandomCheckpointTest<Instance<Owner>, Model> {
 protected:
  std::unique_ptr<Instance<Owner>> MakeInstance() override {
    const StateTtl declared{milliseconds(kTtlMs)};
    const StateTtl ttl = on_read_ ? declared.UpdateOnReadAndWrite() : declared;
    const int64_t object_bytes = seed_ % 4 < 2 ? 1 : static_cast<int64_t>(keys_) * 50;
    return std::make_unique<Instance<Owner>>(backend_, clock_, Owner(ttl), object_bytes);
  }
  void Change(Instance<Owner>& instance, Model& model) override {
    eagre::Change(random_, instance, model, keys_, clock_.now_ms, on_read_);
  }
  void AfterBatch(Instance<Owner>& instance) override {
    clock_.now_ms += static_cast<int64_t>(random_.Below(6));
    if (instance.table.next_sweep_ms() <= clock_.now_ms) instance.Sweep(clock_.now_ms);
  }
  void AfterCheckpoint(Instance<Owner>& instance) override {
    instance.FinishBatch();
    clock_.now_ms += static_cast<int64_t>(random_.Below(kTtlMs));
  }
  void ExpectRestored(Instance<Owner>& restored, Model& at_seal, bool goes_on) override {
    if (goes_on) return;  // reading would give what is there another time to live
    for (uint64_t i = 0; i < keys_ && !HasFailure(); ++i) {
      const std::string key = std::to_string(i);
      restored.Select(key);
      ExpectEqual(restored, key, at_seal.contains(key) ? at_seal[key] : Content(), clock_.now_ms);
      if (i % 100 == 99) restored.FinishBatch();
    }
  }

  const uint64_t keys_ = seed_ % 3 == 0 ? 20 : 1500;
  const bool on_read_ = seed_ % 2 == 1;
  ManualClock clock_;
};
INSTANTIATE_TEST_SUITE_P(Seeds, TtlRandomTest, testing::ValuesIn(RandomBackendCases()),
                         testing::PrintToStringParamName());

TEST_P(TtlRandomTest, AgreesWithAModelAcrossCheckpointsAndTheSweep) {
  const std::unique_ptr<Instance<Owner>> instance = Run(keys_);
  ASSERT_NE(instance, nullptr);
  // In the end all of it goes.
  if (backend_ == BackendKind::kMapStore) {
    static_cast<MapStateBackend&>(*instance->backend).refuses = nullptr;
    static_cast<MapStateBackend&>(*instance->backend).EndStall();
  }
  instance->FinishBatch();
  instance->AdvanceTo(clock_.now_ms + 20 * kTtlMs, clock_);
  StateEntryWriter rest;
  instance->table.BeginBase();
  while (!instance->table.EncodeBase(rest, 1 << 20)) {
  }
  EXPECT_EQ(rest.entries(), 0u);
}

}  // namespace
}  // namespace eagre
