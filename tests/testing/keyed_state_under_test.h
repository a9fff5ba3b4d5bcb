// An owner of states bound to a table above a backend, as an operator holds them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/random.h"
#include "state/keyed_state_table.h"
#include "state/state_backend.h"
#include "tests/testing/map_state_backend.h"

namespace eagre {

template <typename O>
struct KeyedStateUnderTest {
  // States with TTL need a clock, which outlives this.
  explicit KeyedStateUnderTest(std::shared_ptr<StateBackend> state_backend, const O& prototype = O(),
                               const Clock* clock = nullptr)
      : backend(std::move(state_backend)), owner(prototype), table(owner.state_declarations()) {
    if (clock != nullptr) table.SetClock(*clock);
    EXPECT_TRUE(table.Open(*backend, "counts", 128).ok());
    owner.BindStates(table.scope(), table.slot_offsets());
  }
  void Select(const std::string& key) { table.SelectKey(KeyHash(key), key); }
  void FinishBatch() {
    table.FinishBatch();
    const Status room = table.MakeRoom();
    EXPECT_TRUE(room.ok()) << room;
  }

  std::shared_ptr<StateBackend> backend;
  O owner;
  KeyedStateTable<std::string> table;
};

// Makes a map of stores refuse a write now and then; other backends are left alone.
inline void RefuseAtRandom(StateBackend& backend, Random& random) {
  auto* map = dynamic_cast<MapStateBackend*>(&backend);
  if (map != nullptr) map->refuses = [&random] { return random.Below(5) == 0; };
}
inline void EndStallAtRandom(StateBackend& backend, Random& random) {
  auto* map = dynamic_cast<MapStateBackend*>(&backend);
  if (map != nullptr && random.Below(4) == 0) map->EndStall();
}

}  // namespace eagre
