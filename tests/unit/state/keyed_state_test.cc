// Keyed state: handles declared as members, one row per key, state reached by batch.
#include "eagre/keyed_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"

namespace eagre {

struct StateTestProfile {
  std::string name;
  int64_t visits = 0;
};
EAGRE_RECORD(StateTestProfile, name, visits);

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Owner : StateOwner {
  int before = 0;
  ValueState<StateTestProfile> profile{this, "profile"};
  ListState<int64_t> recent{this, "recent"};
  MapState<std::string, int64_t> by_shop{this, "by shop"};
};

// An owner bound to a table, as an operator holds them.
template <typename O>
struct Bound {
  explicit Bound(const O& prototype = O()) : owner(prototype), table(owner.state_declarations()) {
    owner.BindStates(table.scope(), table.slot_offsets());
  }
  void Select(const std::string& key) { table.SelectKey(KeyHash(key), key); }
  bool Contains(const std::string& key) { return table.Contains(KeyHash(key), key); }

  O owner;
  KeyedStateTable<std::string> table;
};

TEST(KeyedStateTest, EachKeyHasStatesOfItsOwn) {
  Bound<Owner> bound;
  bound.Select("ann");
  EXPECT_EQ(bound.owner.profile.Get(), nullptr);
  bound.owner.profile.Mutable().visits = 3;
  bound.owner.recent.Add(7);
  bound.owner.recent.Add(8);
  bound.Select("bob");
  EXPECT_EQ(bound.owner.profile.Get(), nullptr);
  EXPECT_TRUE(bound.owner.recent.Empty());
  bound.owner.by_shop.Put("x", 1);
  bound.owner.by_shop.Mutable("a") += 5;
  bound.table.FinishBatch();

  bound.Select("ann");
  ASSERT_NE(bound.owner.profile.Get(), nullptr);
  EXPECT_EQ(bound.owner.profile.Get()->visits, 3);
  EXPECT_THAT(bound.owner.recent.Get(), ElementsAre(7, 8));
  bound.Select("bob");
  EXPECT_THAT(bound.owner.by_shop.Entries(), ElementsAre(testing::Pair("a", 5), testing::Pair("x", 1)));
  EXPECT_EQ(*bound.owner.by_shop.Get("x"), 1);
  EXPECT_EQ(bound.owner.by_shop.Get("y"), nullptr);
  EXPECT_TRUE(bound.owner.by_shop.Contains("a"));
}

TEST(KeyedStateTest, ACopyOfTheFunctionHasHandlesThatWork) {
  auto prototype = std::make_unique<Owner>();
  Bound<Owner> first(*prototype);
  Bound<Owner> second(first.owner);
  prototype.reset();
  first.Select("k");
  first.owner.recent.Add(1);
  second.Select("k");
  EXPECT_TRUE(second.owner.recent.Empty());
  second.owner.recent.Add(2);
  EXPECT_THAT(first.owner.recent.Get(), ElementsAre(1));
}

TEST(KeyedStateTest, RowsWithoutContentAreRemoved) {
  Bound<Owner> bound;
  bound.Select("looked at only");
  EXPECT_EQ(bound.owner.profile.Get(), nullptr);
  bound.Select("kept");
  bound.owner.recent.Add(1);
  EXPECT_EQ(bound.table.row_count(), 2u);
  bound.table.FinishBatch();
  EXPECT_EQ(bound.table.row_count(), 1u);
  EXPECT_FALSE(bound.Contains("looked at only"));

  bound.Select("kept");
  bound.owner.recent.Clear();
  bound.owner.by_shop.Put("a", 1);
  bound.table.FinishBatch();
  EXPECT_TRUE(bound.Contains("kept")) << "another state still holds something";
  bound.Select("kept");
  bound.owner.by_shop.Remove("a");
  bound.table.FinishBatch();
  EXPECT_EQ(bound.table.row_count(), 0u);
}

TEST(KeyedStateTest, InASparseTableOnlyAKeyThatIsChangedGetsARow) {
  Bound<Owner> bound;
  bound.table.SetSparse();
  const std::vector<std::string> keys = {"changed", "looked at only", "changed", "looked at only"};
  std::vector<uint64_t> hashes;
  for (const std::string& key : keys) hashes.push_back(KeyHash(key));
  const auto begin = [&] {
    ASSERT_TRUE(
        bound.table.MakeResident(hashes.data(), keys.size(), [&](size_t i) -> const std::string& { return keys[i]; })
            .ok());
  };
  const auto select = [&](size_t i) { bound.table.SelectSparse(i, hashes[i], keys[i]); };
  begin();
  select(0);
  EXPECT_TRUE(bound.owner.recent.Empty());
  EXPECT_EQ(bound.table.row_count(), 0u);
  bound.owner.recent.Add(1);
  bound.owner.by_shop.Put("a", 2);
  select(1);
  EXPECT_TRUE(bound.owner.recent.Empty());
  select(2);
  EXPECT_THAT(bound.owner.recent.Get(), ElementsAre(1)) << "of a record of the same batch";
  EXPECT_EQ(bound.table.row_count(), 1u);
  bound.table.FinishBatch();

  begin();
  select(0);
  EXPECT_THAT(bound.owner.recent.Get(), ElementsAre(1));
  EXPECT_EQ(*bound.owner.by_shop.Get("a"), 2);
  bound.owner.recent.Clear();
  bound.owner.by_shop.Clear();
  bound.table.FinishBatch();
  EXPECT_EQ(bound.table.row_count(), 0u);
}

TEST(KeyedStateTest, ABatchIsMadeResidentAndKeysMayRepeat) {
  Bound<Owner> bound;
  std::vector<std::string> keys = {"a", "b", "a", "c", "a"};
  std::vector<uint64_t> hashes;
  for (const std::string& key : keys) hashes.push_back(KeyHash(key));
  ASSERT_TRUE(
      bound.table.MakeResident(hashes.data(), keys.size(), [&](size_t i) -> const std::string& { return keys[i]; })
          .ok());
  for (size_t i = 0; i < keys.size(); ++i) {
    bound.table.Select(i);
    ++bound.owner.profile.Mutable().visits;
  }
  bound.table.FinishBatch();
  bound.Select("a");
  EXPECT_EQ(bound.owner.profile.Get()->visits, 3);
}

TEST(KeyedStateTest, AHandleOutsideAKeyedCallIsAClearError) {
  Bound<Owner> bound;
  const auto message = [](auto&& use) -> std::string {
    try {
      use();
    } catch (const StateError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message([&] { bound.owner.profile.Get(); }), HasSubstr("state 'profile' was used outside a keyed call"));
  EXPECT_THAT(message([&] { bound.owner.recent.Add(1); }), HasSubstr("state 'recent'"));
  Owner unbound;
  EXPECT_THAT(message([&] { unbound.by_shop.Clear(); }), HasSubstr("state 'by shop'"));
  bound.Select("a");
  bound.table.FinishBatch();
  EXPECT_THAT(message([&] { bound.owner.profile.Get(); }), HasSubstr("outside a keyed call"));
}

TEST(KeyedStateTest, DeclarationsAreKnownBeforeTheJobRuns) {
  Owner owner;
  EXPECT_TRUE(owner.state_error().ok());
  std::vector<std::string> described;
  for (const StateDeclaration& declaration : owner.state_declarations()) {
    described.push_back(declaration.name + ": " + declaration.TypeText());
  }
  EXPECT_THAT(described,
              ElementsAre("profile: value<StateTestProfile>", "recent: list<int64>", "by shop: map<string, int64>"));
}

TEST(KeyedStateTest, DeclarationsCarryTheirSchema) {
  Owner owner;
  std::vector<std::string> schemas;
  for (const StateDeclaration& declaration : owner.state_declarations()) schemas.push_back(declaration.SchemaText());
  EXPECT_THAT(schemas, ElementsAre("{name:string,visits:int64}", "list<int64>", "map<string,int64>"));
}

TEST(KeyedStateTest, ANameDeclaredTwiceIsAnError) {
  struct Twice : StateOwner {
    ValueState<int64_t> a{this, "count"};
    ListState<int64_t> b{this, "count"};
  };
  EXPECT_THAT(std::string(StatusMessage(Twice().state_error())), HasSubstr("state 'count' is declared twice"));
}

TEST(KeyedStateTest, AHandleThatIsNotCopiedWithTheFunctionIsAnError) {
  struct Part {
    explicit Part(StateOwner* owner) : value(owner, "hidden") {}
    ValueState<int64_t> value;
  };
  struct Indirect : StateOwner {
    std::shared_ptr<Part> part = std::make_shared<Part>(this);
  };
  Indirect owner;
  EXPECT_THAT(std::string(StatusMessage(owner.CheckStatePlacement(&owner, sizeof(owner)))),
              HasSubstr("state 'hidden'"));
  Owner direct;
  EXPECT_TRUE(direct.CheckStatePlacement(&direct, sizeof(direct)).ok());
}

TEST(KeyedStateTest, MemoryIsAccounted) {
  Bound<Owner> bound;
  const size_t empty = bound.table.memory_bytes();
  for (int i = 0; i < 100; ++i) {
    bound.Select("key-" + std::to_string(i));
    bound.owner.profile.Mutable().name = std::string(10'000, 'x');
    bound.table.FinishBatch();
  }
  EXPECT_GE(bound.table.memory_bytes(), empty + 1'000'000);
  EXPECT_LE(bound.table.memory_bytes(), empty + 1'200'000);
  for (int i = 0; i < 100; ++i) {
    bound.Select("key-" + std::to_string(i));
    bound.owner.profile.Clear();
  }
  bound.table.FinishBatch();
  EXPECT_LE(bound.table.memory_bytes(), empty + 20'000);
}

TEST(KeyedStateTest, EveryKindOfStateSurvivesItsEncoding) {
  Bound<Owner> from;
  from.Select("a");
  from.owner.profile.Set({"Ann", 4});
  from.owner.recent.Mutable() = {5, 6};
  from.owner.by_shop.Put("s", 9);
  Bound<Owner> to;
  to.Select("b");
  to.owner.recent.Add(1);

  const auto& declarations = from.table.declarations();
  for (size_t i = 0; i < declarations.size(); ++i) {
    std::string bytes;
    ByteWriter out(bytes);
    const uint32_t offset = from.table.slot_offsets()[i];
    declarations[i].ops->encode(from.table.scope().row + offset, out);
    ByteReader in(bytes);
    EXPECT_TRUE(declarations[i].ops->decode(in, to.table.scope().row + offset));
    EXPECT_TRUE(in.empty());
    ByteReader truncated(std::string_view(bytes).substr(0, bytes.size() - 1));
    EXPECT_FALSE(declarations[i].ops->decode(truncated, from.table.scope().row + offset));
  }
  EXPECT_EQ(to.owner.profile.Get()->name, "Ann");
  EXPECT_THAT(to.owner.recent.Get(), ElementsAre(5, 6));
  EXPECT_EQ(*to.owner.by_shop.Get("s"), 9);
}

TEST(KeyedStateTest, RandomOperationsAgreeWithAModel) {
  struct Model {
    std::map<std::string, int64_t> value;
    std::map<std::string, std::vector<int64_t>> list;
    std::map<std::string, std::map<std::string, int64_t>> map;
  };
  SeededRandom random(7);
  Bound<Owner> bound;
  Model model;
  for (int batch = 0; batch < 3000; ++batch) {
    std::vector<std::string> keys(1 + random.Below(20));
    std::vector<uint64_t> hashes;
    for (std::string& key : keys) {
      key = "user-" + std::to_string(random.Below(3000));
      hashes.push_back(KeyHash(key));
    }
    ASSERT_TRUE(
        bound.table.MakeResident(hashes.data(), keys.size(), [&](size_t i) -> const std::string& { return keys[i]; })
            .ok());
    for (size_t i = 0; i < keys.size(); ++i) {
      bound.table.Select(i);
      const std::string& key = keys[i];
      const auto number = static_cast<int64_t>(random.Below(5));
      ASSERT_EQ(bound.owner.profile.Get() != nullptr, model.value.contains(key));
      if (model.value.contains(key)) {
        ASSERT_EQ(bound.owner.profile.Get()->visits, model.value[key]);
      }
      ASSERT_EQ(bound.owner.recent.Get(), model.list[key]);
      switch (random.Below(8)) {
        case 0:
          bound.owner.profile.Set({key, number});
          model.value[key] = number;
          break;
        case 1:
          bound.owner.profile.Clear();
          model.value.erase(key);
          break;
        case 2:
        case 3:
          bound.owner.recent.Add(number);
          model.list[key].push_back(number);
          break;
        case 4:
          bound.owner.recent.Clear();
          model.list[key].clear();
          break;
        case 5:
          bound.owner.by_shop.Mutable(std::to_string(number)) += number;
          model.map[key][std::to_string(number)] += number;
          break;
        case 6:
          bound.owner.by_shop.Remove(std::to_string(number));
          model.map[key].erase(std::to_string(number));
          break;
        default:
          ASSERT_TRUE(std::equal(bound.owner.by_shop.Entries().begin(), bound.owner.by_shop.Entries().end(),
                                 model.map[key].begin(), model.map[key].end()));
      }
    }
    bound.table.FinishBatch();
  }
  size_t rows = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "user-" + std::to_string(i);
    rows += model.value.contains(key) || !model.list[key].empty() || !model.map[key].empty() ? 1 : 0;
  }
  EXPECT_EQ(bound.table.row_count(), rows);
}

}  // namespace
}  // namespace eagre
