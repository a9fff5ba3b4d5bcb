// The hash table under keyed state and windows: behaves as a map, keeps a deterministic order, grows in bounded steps.
#include "state/flat_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/random.h"

namespace eagre {
namespace {

struct Entry {
  std::string key;
  int64_t value;
};

// The table as a map of strings, with a hash of the test's choice.
class StringTable {
 public:
  explicit StringTable(std::function<uint64_t(const std::string&)> hash) : hash_(std::move(hash)) {}

  int64_t& operator[](const std::string& key) {
    return table
        .FindOrInsert(
            hash_(key), [&](const Entry& entry) { return entry.key == key; },
            [&](void* place) {
              new (place) Entry{key, 0};
            })
        .value;
  }
  const int64_t* Find(const std::string& key) const {
    const Entry* entry = table.Find(hash_(key), [&](const Entry& other) { return other.key == key; });
    return entry == nullptr ? nullptr : &entry->value;
  }
  bool Erase(const std::string& key) {
    return table.Erase(hash_(key), [&](const Entry& entry) { return entry.key == key; });
  }
  std::vector<std::pair<std::string, int64_t>> InOrder() const {
    std::vector<std::pair<std::string, int64_t>> entries;
    table.ForEach([&](const Entry& entry) { entries.emplace_back(entry.key, entry.value); });
    return entries;
  }

  FlatTable<Entry> table;

 private:
  std::function<uint64_t(const std::string&)> hash_;
};

uint64_t GoodHash(const std::string& key) {
  return Hash64(key);
}

void RunAgainstModel(uint64_t seed, int operations, uint64_t keys, std::function<uint64_t(const std::string&)> hash) {
  SeededRandom random(seed);
  StringTable table(std::move(hash));
  std::map<std::string, int64_t> model;
  for (int i = 0; i < operations; ++i) {
    const std::string key = "key-" + std::to_string(random.Below(keys));
    switch (random.Below(4)) {
      case 0:
      case 1: {
        const auto value = static_cast<int64_t>(random.Below(1000));
        table[key] = value;
        model[key] = value;
        break;
      }
      case 2: ASSERT_EQ(table.Erase(key), model.erase(key) == 1) << key; break;
      default: {
        const int64_t* found = table.Find(key);
        const auto expected = model.find(key);
        ASSERT_EQ(found != nullptr, expected != model.end()) << key;
        if (found != nullptr) {
          ASSERT_EQ(*found, expected->second);
        }
      }
    }
    ASSERT_EQ(table.table.size(), model.size());
  }
  auto entries = table.InOrder();
  std::sort(entries.begin(), entries.end());
  EXPECT_EQ(entries, (std::vector<std::pair<std::string, int64_t>>(model.begin(), model.end())));
}

TEST(FlatTableTest, BehavesAsAMap) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    RunAgainstModel(seed, 20'000, 50, GoodHash);
    RunAgainstModel(seed, 60'000, 20'000, GoodHash);
  }
}

TEST(FlatTableTest, BehavesAsAMapWhenHashesCollide) {
  RunAgainstModel(1, 20'000, 300, [](const std::string& key) { return Hash64(key) % 7; });
  RunAgainstModel(2, 20'000, 300, [](const std::string&) { return uint64_t{0}; });
  // Keys of one high prefix: no split can part them.
  RunAgainstModel(3, 60'000, 20'000, [](const std::string& key) { return Hash64(key) >> 30; });
  // Only the low bits differ, which decide the key group and are not used for places.
  RunAgainstModel(4, 10'000, 2'000, [](const std::string& key) { return Hash64(key) % 4096; });
}

TEST(FlatTableTest, TheEmptyTableIsUsable) {
  StringTable table(GoodHash);
  EXPECT_EQ(table.Find("a"), nullptr);
  EXPECT_FALSE(table.Erase("a"));
  EXPECT_TRUE(table.InOrder().empty());
  table.table.Prefetch(0);
  EXPECT_EQ(table.table.slot_count(), 0u);
  table["a"] = 1;
  table.table.Clear();
  EXPECT_EQ(table.Find("a"), nullptr);
  table["a"] = 2;
  EXPECT_EQ(*table.Find("a"), 2);
}

TEST(FlatTableTest, OrderFollowsFromHistoryAlone) {
  const auto build = [] {
    StringTable table(GoodHash);
    for (int i = 0; i < 30'000; ++i) table[std::to_string(i)] = i;
    for (int i = 0; i < 30'000; i += 3) table.Erase(std::to_string(i));
    return table.InOrder();
  };
  const auto first = build();
  std::vector<std::unique_ptr<char[]>> other_addresses;
  for (int i = 0; i < 100; ++i) other_addresses.push_back(std::make_unique<char[]>(5000));
  EXPECT_EQ(first, build());
}

// Counts how often objects of it are moved.
struct Counted {
  explicit Counted(uint64_t key) : key(key) {}
  Counted(Counted&& other) noexcept : key(other.key) { ++moves; }
  uint64_t key;
  inline static int64_t moves = 0;
};

TEST(FlatTableTest, NoInsertionMovesMoreThanOneSegment) {
  FlatTable<Counted> table;
  int64_t most = 0;
  for (uint64_t i = 0; i < 300'000; ++i) {
    Counted::moves = 0;
    table.FindOrInsert(
        MixInt64(i), [&](const Counted& other) { return other.key == i; },
        [&](void* place) { new (place) Counted(i); });
    most = std::max(most, Counted::moves);
  }
  EXPECT_EQ(table.size(), 300'000u);
  EXPECT_LE(most, 4096);
}

TEST(FlatTableTest, DrainVisitsEverythingOnceAndLeavesAnEmptyTable) {
  StringTable table(GoodHash);
  std::map<std::string, int64_t> model;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10'000; ++i) model[std::to_string(i)] = table[std::to_string(i)] = i * round;
    const size_t slots = table.table.slot_count();
    std::map<std::string, int64_t> drained;
    FlatTable<Entry>::Cursor cursor;
    int left = 0;
    while (!table.table.Drain(
        cursor, [&] { return left-- == 0; },
        [&](uint64_t, Entry& entry) { EXPECT_TRUE(drained.emplace(entry.key, entry.value).second); })) {
      left = 7;
    }
    EXPECT_EQ(drained, model);
    EXPECT_TRUE(table.table.empty());
    EXPECT_EQ(table.table.slot_count(), slots) << "the memory is kept for the next use";
    EXPECT_EQ(table.Find("1"), nullptr);
  }
}

TEST(FlatTableTest, AWalkInStepsSeesWhoStaysOnceWhileTheTableChanges) {
  SeededRandom random(5);
  for (int round = 0; round < 20; ++round) {
    StringTable table(GoodHash);
    const auto count = static_cast<int>(random.Below(30'000));
    for (int i = 0; i < count; ++i) table[std::to_string(i)] = i;
    std::map<std::string, int> seen;
    uint64_t position = 0;
    int next = count;
    bool more = true;
    while (more) {
      more = table.table.VisitSegment(position, [&](uint64_t hash, const Entry& entry) {
        EXPECT_EQ(hash, GoodHash(entry.key)) << "the mark's bits are put back";
        ++seen[entry.key];
      });
      // New ones come, and some of the old ones go.
      for (int i = 0; i < 500; ++i, ++next) table[std::to_string(next)] = next;
      for (int i = 0; i < 10; ++i) table.Erase(std::to_string(count - 1 - next % 1000));
    }
    for (int i = 0; i < count - 1000; ++i) EXPECT_EQ(seen[std::to_string(i)], 1) << i;
    for (const auto& [key, times] : seen) EXPECT_EQ(times, 1) << key;
  }
}

TEST(FlatTableTest, MarksStayWithTheirEntries) {
  StringTable table(GoodHash);
  std::map<std::string, uint8_t> model;
  const auto entry = [&](const std::string& key) -> Entry& {
    return *table.table.Find(GoodHash(key), [&](const Entry& other) { return other.key == key; });
  };
  SeededRandom random(6);
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = std::to_string(random.Below(8000));
    const bool known = model.contains(key);
    table[key] = 1;
    EXPECT_EQ(FlatTable<Entry>::MarkOf(entry(key)), known ? model[key] : 0);
    if (random.Below(4) == 0) {
      table.Erase(key);
      model.erase(key);
      continue;
    }
    const auto mark = static_cast<uint8_t>(random.Below(128));
    FlatTable<Entry>::SetMark(entry(key), mark);
    model[key] = mark;
  }
  for (const auto& [key, mark] : model) EXPECT_EQ(FlatTable<Entry>::MarkOf(entry(key)), mark);
}

TEST(FlatTableTest, PayloadsAreDestroyed) {
  auto token = std::make_shared<int>(0);
  {
    FlatTable<std::shared_ptr<int>> table;
    for (uint64_t i = 0; i < 5000; ++i) {
      table.FindOrInsert(
          MixInt64(i), [](const std::shared_ptr<int>&) { return false; },
          [&](void* place) { new (place) std::shared_ptr<int>(token); });
    }
    EXPECT_EQ(token.use_count(), 5001);
    table.Erase(MixInt64(17), [](const std::shared_ptr<int>&) { return true; });
    EXPECT_EQ(token.use_count(), 5000);
  }
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace eagre
