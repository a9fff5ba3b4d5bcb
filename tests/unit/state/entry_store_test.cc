// What every entry store promises, and what the backends do when there is no room.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "base/random.h"
#include "eagre/keyed_state.h"
#include "state/state_backend_factory.h"
#include "tests/testing/backend_under_test.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

class EntryStoreTest : public testing::TestWithParam<BackendKind> {
 protected:
  EntryStoreTest() : backend_(NewBackend(GetParam())) {}
  std::unique_ptr<EntryStore> NewStore() {
    StatusOr<std::unique_ptr<EntryStore>> store = backend_->OpenStore(16);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  static void Put(EntryStore& store, uint64_t hash, const std::string& key, uint32_t epoch, const std::string& value) {
    store.BeginPut(hash).Raw(key);
    EXPECT_EQ(store.key_at_hand(), key);
    store.BeginValue(epoch).Raw(value);
    store.EndPut();
  }
  static void Erase(EntryStore& store, uint64_t hash, const std::string& key) {
    store.BeginPut(hash).Raw(key);
    store.EndErase();
  }
  static void Commit(EntryStore& store) {
    const StatusOr<bool> committed = store.Commit(/*may_wait=*/true);
    ASSERT_TRUE(committed.ok()) << committed.status();
    EXPECT_TRUE(*committed);
  }
  // "KEY=VALUE@EPOCH" of all entries, in any order, by slices of `slice`.
  static std::vector<std::string> All(EntryStore& store, const std::string& prefix, int slice) {
    std::vector<std::string> found;
    std::string position;
    for (;;) {
      int left = slice;
      const StatusOr<bool> done = store.Scan(prefix, position, [&](const StoredEntry& entry) {
        found.push_back(fmt::format("{}={}@{}", entry.key, entry.value, entry.epoch));
        EXPECT_EQ(std::to_string(entry.hash), std::string(entry.key.substr(entry.key.find('#') + 1)));
        return --left > 0;
      });
      EXPECT_TRUE(done.ok()) << done.status();
      if (!done.ok() || *done) break;
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  std::unique_ptr<StateBackend> backend_;
};
INSTANTIATE_TEST_SUITE_P(Stores, EntryStoreTest, testing::Values(BackendKind::kMapStore, BackendKind::kRocksDb),
                         testing::PrintToStringParamName());

TEST_P(EntryStoreTest, IsAMapOfEntriesForEachState) {
  SeededRandom random(5);
  std::vector<std::unique_ptr<EntryStore>> stores;
  for (int i = 0; i < 3; ++i) stores.push_back(NewStore());
  std::map<std::string, std::string> models[3];
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < 40; ++i) {
      const uint64_t hash = random.Below(50);
      const size_t which = random.Below(3);
      const std::string key = (hash % 2 == 0 ? "even#" : "odd#") + std::to_string(hash);
      if (random.Below(4) == 0) {
        Erase(*stores[which], hash, key);
        models[which].erase(key);
      } else {
        const auto epoch = static_cast<uint32_t>(random.Below(1000));
        Put(*stores[which], hash, key, epoch, std::to_string(i));
        models[which][key] = fmt::format("{}={}@{}", key, i, epoch);
      }
    }
    for (auto& store : stores) Commit(*store);
    for (size_t which = 0; which < 3; ++which) {
      std::vector<std::string> expected;
      std::vector<std::string> even;
      for (const auto& [key, text] : models[which]) {
        expected.push_back(text);
        if (key[0] == 'e') even.push_back(text);
      }
      std::sort(expected.begin(), expected.end());
      std::sort(even.begin(), even.end());
      EXPECT_EQ(All(*stores[which], "", 1 + static_cast<int>(random.Below(9))), expected);
      EXPECT_EQ(All(*stores[which], "even", 1 + static_cast<int>(random.Below(9))), even);
      // All keys, also those that are not there, in one read.
      std::vector<std::string> keys;
      for (uint64_t hash = 0; hash < 50; ++hash) {
        keys.push_back((hash % 2 == 0 ? "even#" : "odd#") + std::to_string(hash));
        stores[which]->AddRead(hash).Raw(keys.back());
      }
      size_t next = 0;
      const Status read = stores[which]->Read([&](size_t i, const StoredEntry* entry) {
        EXPECT_EQ(i, next++);
        const auto found = models[which].find(keys[i]);
        EXPECT_EQ(entry != nullptr, found != models[which].end()) << keys[i];
        if (entry == nullptr) return OkStatus();
        EXPECT_EQ(fmt::format("{}={}@{}", keys[i], entry->value, entry->epoch), found->second);
        return OkStatus();
      });
      EXPECT_TRUE(read.ok()) << read;
      EXPECT_EQ(next, 50u);
    }
    if (round % 10 != 9) continue;
    const StatusOr<bool> erased = stores[1]->ErasePrefix("even");
    ASSERT_TRUE(erased.ok() && *erased) << erased.status();
    std::erase_if(models[1], [](const auto& entry) { return entry.first[0] == 'e'; });
    EXPECT_TRUE(All(*stores[1], "even", 100).empty());
  }
}

TEST_P(EntryStoreTest, AViewIsOfTheTimeWhenItWasMade) {
  const std::unique_ptr<EntryStore> store = NewStore();
  for (uint64_t hash = 0; hash < 100; ++hash) Put(*store, hash, fmt::format("#{}", hash), 1, "before");
  Commit(*store);
  const std::unique_ptr<EntryStore::View> view = store->NewView();
  for (uint64_t hash = 0; hash < 150; hash += 2) Put(*store, hash, fmt::format("#{}", hash), 2, "after");
  for (uint64_t hash = 0; hash < 150; hash += 3) Erase(*store, hash, fmt::format("#{}", hash));
  Commit(*store);
  std::set<uint64_t> seen;
  for (bool done = false; !done;) {
    int left = 7;
    const StatusOr<bool> scanned = view->Scan([&](const StoredEntry& entry) {
      EXPECT_EQ(entry.value, "before");
      EXPECT_EQ(entry.key, fmt::format("#{}", entry.hash));
      EXPECT_TRUE(seen.insert(entry.hash).second);
      return --left > 0;
    });
    ASSERT_TRUE(scanned.ok()) << scanned.status();
    done = *scanned;
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST_P(EntryStoreTest, AStoreOfTimersIsInTheOrderOfItsKeys) {
  StatusOr<std::unique_ptr<EntryStore>> opened = backend_->OpenTimerStore();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EntryStore& store = **opened;
  const std::unique_ptr<EntryStore> other = NewStore();
  Put(*other, 3, "b of another", 1, "");
  Commit(*other);
  for (const char* key : {"d", "b", "a", "e", "c"}) Put(store, static_cast<uint64_t>(key[0]) * 7919, key, 0, "");
  Commit(store);
  const auto from = [&](std::string_view key, size_t most) {
    std::string keys;
    const StatusOr<bool> done = store.ScanFrom(key, [&](const StoredEntry& entry) {
      keys += entry.key;
      return keys.size() < most;
    });
    EXPECT_TRUE(done.ok()) << done.status();
    return keys + (*done ? "." : "");
  };
  EXPECT_EQ(from("", 9), "abcde.");
  EXPECT_EQ(from("bb", 2), "cd");
  EXPECT_EQ(from("c", 9), "cde.");
  EXPECT_EQ(from("f", 9), ".");
}

TEST(StateBackendTest, TimersAreInRocksDbUnlessTheConfigurationSaysOtherwise) {
  Configuration config;
  ASSERT_TRUE(config.Set("state.backend.type", "rocksdb", "test").ok());
  ASSERT_TRUE(config.Set("state.backend.rocksdb.localdir", testing::TempDir(), "test").ok());
  const auto has_store = [&] {
    const std::unique_ptr<StateBackend> backend = NewStateBackend({.config = &config, .memory_bytes = 16 << 20});
    const StatusOr<std::unique_ptr<EntryStore>> store = backend->OpenTimerStore();
    EXPECT_TRUE(store.ok()) << store.status();
    return *store != nullptr;
  };
  EXPECT_TRUE(has_store());
  ASSERT_TRUE(config.Set("state.backend.rocksdb.timer-service.factory", "HEAP", "test").ok());
  EXPECT_FALSE(has_store());
  ASSERT_TRUE(config.Set("state.backend.type", "hashmap", "test").ok());
  EXPECT_FALSE(has_store());
}

struct Owner : StateOwner {
  ValueState<std::string> text{this, "text"};
};

struct Bound {
  explicit Bound(StateBackend& backend) : table(owner.state_declarations()) {
    EXPECT_TRUE(table.Open(backend, "notes", 16).ok());
    owner.BindStates(table.scope(), table.slot_offsets());
  }
  void Set(const std::string& key, const std::string& text) {
    table.SelectKey(KeyHash(key), key);
    owner.text.Set(text);
  }
  std::string Get(const std::string& key) {
    table.SelectKey(KeyHash(key), key);
    return owner.text.Get() == nullptr ? "" : *owner.text.Get();
  }
  Status FinishBatch() {
    table.FinishBatch();
    return table.MakeRoom();
  }

  Owner owner;
  KeyedStateTable<std::string> table;
};

TEST(StateBackendTest, BeyondItsLimitTheMemoryBackendFailsNamingOperatorAndState) {
  MemoryStateBackend backend(100'000);
  Bound small(backend);
  Bound large(backend);
  small.Set("a", "b");
  ASSERT_TRUE(small.FinishBatch().ok());
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    large.Set(std::to_string(i), std::string(2000, 'x'));
    status = large.FinishBatch();
    EXPECT_GT(backend.used_bytes(), i * 2000);
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("the state 'text' of operator 'notes'"));
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("state.backend.type: rocksdb"));
}

TEST(StateBackendTest, ItNamesAllStatesThatAFunctionDeclares) {
  struct Two : StateOwner {
    ValueState<std::string> text{this, "text"};
    ValueState<int64_t> count{this, "count"};
  } owner;
  MemoryStateBackend backend(1'000);
  KeyedStateTable<std::string> table(owner.state_declarations());
  ASSERT_TRUE(table.Open(backend, "notes", 16).ok());
  owner.BindStates(table.scope(), table.slot_offsets());
  table.SelectKey(KeyHash(std::string("key")), "key");
  owner.text.Set(std::string(2'000, 'x'));
  table.FinishBatch();
  EXPECT_THAT(std::string(StatusMessage(table.MakeRoom())),
              HasSubstr("the states 'text', 'count' of operator 'notes'"));
}

TEST(StateBackendTest, WhatIsHeldStaysWithinTheLimitAndWhatAStateHeldIsGivenBack) {
  MapStateBackend backend(200'000);
  {
    Bound first(backend);
    Bound second(backend);
    for (int i = 0; i < 1000; ++i) {
      Bound& one = i % 3 == 0 ? first : second;
      one.Set(std::to_string(i), std::string(1000, static_cast<char>('a' + i % 26)));
      ASSERT_TRUE(one.FinishBatch().ok());
      EXPECT_LE(backend.used_bytes(), 200'000);
    }
    EXPECT_GT(backend.used_bytes(), 150'000);
    EXPECT_EQ(first.table.row_count(), 334u);
    EXPECT_EQ(second.table.row_count(), 666u);
    for (int i = 0; i < 1000; ++i) {
      Bound& one = i % 3 == 0 ? first : second;
      EXPECT_EQ(one.Get(std::to_string(i)), std::string(1000, static_cast<char>('a' + i % 26)));
      ASSERT_TRUE(one.FinishBatch().ok());
    }
    first.Set("3", "");
    first.owner.text.Clear();
    ASSERT_TRUE(first.FinishBatch().ok());
    EXPECT_EQ(first.table.row_count(), 333u);
    EXPECT_EQ(first.Get("3"), "");
  }
  EXPECT_EQ(backend.used_bytes(), 0);
}

TEST(StateBackendTest, WhatIsUsedStaysInMemory) {
  MapStateBackend backend(100'000);
  Bound bound(backend);
  for (int i = 0; i < 3000; ++i) {
    bound.Set("hot", std::to_string(i));
    bound.Set("cold " + std::to_string(i), std::string(100, 'x'));
    ASSERT_TRUE(bound.FinishBatch().ok());
  }
  const size_t reads = backend.reads;
  EXPECT_EQ(bound.Get("hot"), "2999");
  EXPECT_EQ(backend.reads, reads);
  EXPECT_EQ(bound.Get("cold 1"), std::string(100, 'x'));
  EXPECT_EQ(backend.reads, reads + 1);
}

TEST(StateBackendTest, WhileTheStoreRefusesNothingIsLostAndWhoeverNeedsRoomWaits) {
  MapStateBackend backend(1);
  bool refuses = true;
  backend.refuses = [&] { return refuses; };
  Bound bound(backend);
  bound.Set("a", "1");
  ASSERT_TRUE(bound.FinishBatch().ok());
  EXPECT_TRUE(bound.table.blocked());
  EXPECT_EQ(backend.refused, 1u);
  ASSERT_TRUE(bound.table.MakeRoom().ok());
  EXPECT_EQ(backend.refused, 1u);  // it is not asked again before the stall is over
  backend.EndStall();
  ASSERT_TRUE(bound.table.MakeRoom().ok());
  EXPECT_EQ(backend.refused, 2u);
  EXPECT_EQ(bound.Get("a"), "1");
  ASSERT_TRUE(bound.FinishBatch().ok());
  refuses = false;
  backend.EndStall();
  ASSERT_TRUE(bound.table.MakeRoom().ok());
  EXPECT_FALSE(bound.table.blocked());
  EXPECT_EQ(bound.Get("a"), "1");
}

TEST(StateBackendTest, AFailureOfTheStoreIsNeverTakenForAnEmptyState) {
  MapStateBackend backend(1);
  Bound bound(backend);
  bound.Set("a", "1");
  ASSERT_TRUE(bound.FinishBatch().ok());
  backend.read_error = DataLoss("the disk is gone");
  EXPECT_THROW(bound.Get("a"), StateError);
  const std::string key = "a";
  const uint64_t hash = KeyHash(key);
  Bound other(backend);
  other.Set("a", "1");
  backend.read_error = OkStatus();
  ASSERT_TRUE(other.FinishBatch().ok());
  backend.read_error = DataLoss("the disk is gone");
  EXPECT_EQ(other.table.MakeResident(&hash, 1, [&](size_t) -> const std::string& { return key; }), backend.read_error);
}

TEST(StateBackendTest, WhoeverEncodesACheckpointTellsWhyItCannotGoOn) {
  for (const bool base : {false, true}) {
    MapStateBackend backend(1);
    Bound bound(backend);
    bound.Set("a", "1");
    ASSERT_TRUE(bound.FinishBatch().ok());
    StateEntryWriter out;
    if (base) {
      bound.table.BeginBase();
    } else {
      bound.table.Seal();
    }
    EXPECT_TRUE(bound.table.error().ok());
    backend.read_error = DataLoss("the disk is gone");
    for (int slice = 0; slice < 3; ++slice) {
      EXPECT_FALSE(base ? bound.table.EncodeBase(out, 1000) : bound.table.EncodeSealed(out, 1000));
    }
    EXPECT_EQ(bound.table.error(), backend.read_error);
  }
}

TEST(StateBackendTest, ABaseWaitsWhileTheStoreRefuses) {
  MapStateBackend backend(1'000'000);
  Bound bound(backend);
  bound.Set("a", "1");
  ASSERT_TRUE(bound.FinishBatch().ok());
  bool refuses = true;
  backend.refuses = [&] { return refuses; };
  StateEntryWriter out;
  bound.table.BeginBase();
  EXPECT_FALSE(bound.table.waits());
  EXPECT_FALSE(bound.table.EncodeBase(out, 1000));
  EXPECT_TRUE(bound.table.waits());
  refuses = false;
  backend.EndStall();
  EXPECT_FALSE(bound.table.waits());
  while (!bound.table.EncodeBase(out, 1000)) ASSERT_FALSE(bound.table.waits());
  EXPECT_EQ(out.entries(), 1u);
}

// Values lie in the store, and some are large.
TEST(StateBackendTest, ASliceOfACheckpointReadsAndEncodesNotMuchMoreThanItMay) {
  constexpr size_t kSlice = 128 << 10;
  constexpr size_t kLarge = 100'000;
  constexpr int kKeys = 300;
  MapStateBackend backend(1);
  Bound bound(backend);
  const auto change_all = [&](char content, bool all_large) {
    for (int i = 0; i < kKeys; ++i) {
      bound.Set(std::to_string(i), std::string(all_large || i >= kKeys / 2 ? kLarge : 10, content));
      ASSERT_TRUE(bound.FinishBatch().ok());
    }
    bound.table.Seal();
  };
  const auto encode = [&](size_t most_read) {
    std::set<std::string> keys;
    for (bool done = false; !done;) {
      StateEntryWriter out;
      const size_t before = backend.read_bytes;
      done = bound.table.EncodeSealed(out, kSlice);
      EXPECT_LT(out.bytes(), kSlice + kLarge + 1000);
      EXPECT_LE(backend.read_bytes - before, most_read);
      const std::string bytes = out.Take();
      StateEntryReader reader(bytes);
      for (StateEntry entry; *reader.Next(entry);) EXPECT_TRUE(keys.insert(std::string(entry.key)).second);
    }
    return keys.size();
  };
  change_all('a', false);  // found by a scan
  EXPECT_EQ(encode(kSlice + kLarge), size_t{kKeys});
  change_all('b', true);
  EXPECT_EQ(encode(kSlice + kLarge), size_t{kKeys});
  change_all('c', false);  // it is not known beforehand which are large
  EXPECT_EQ(encode(130 * kLarge), size_t{kKeys});
}

TEST_P(EntryStoreTest, AllKeysAreVisitedWhereverTheyAre) {
  Bound bound(*backend_);
  for (int i = 0; i < 1300; ++i) {
    bound.Set(std::to_string(i), "x");
    if (i % 100 != 0) continue;
    ASSERT_TRUE(bound.FinishBatch().ok());
  }
  std::map<std::string, int> visited;
  bound.table.ForEachKeyWith("text", [&](const std::string& key) {
    ++visited[key];
    bound.owner.text.Mutable() += key;
  });
  ASSERT_TRUE(bound.FinishBatch().ok());
  EXPECT_EQ(visited.size(), 1300u);
  for (const auto& [key, times] : visited) EXPECT_EQ(times, 1) << key;
  EXPECT_EQ(bound.Get("7"), "x7");
  EXPECT_EQ(bound.Get("1299"), "x1299");
}

}  // namespace
}  // namespace eagre
