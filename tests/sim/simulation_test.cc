// The simulation itself: it repeats, it finds nothing where nothing is wrong, and it notices what is broken.
#include "tests/sim/simulation.h"

#include <gtest/gtest.h>

#include <set>

#include "base/fault_point.h"

namespace eagre {
namespace {

TEST(SimulationTest, ASeedIsOneRunAndTheSameEveryTime) {
  std::set<uint64_t> traces;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Simulator first, second;
    const SimulationOutcome once = first.Run({.seed = seed});
    const SimulationOutcome again = second.Run({.seed = seed});
    EXPECT_EQ(once.trace_hash, again.trace_hash) << "seed " << seed << " depends on what it must not depend on";
    EXPECT_EQ(once.faults, again.faults);
    EXPECT_TRUE(traces.insert(once.trace_hash).second) << "seed " << seed << " repeats another seed's run";
  }
}

// The seed by which the broken engine or disk is found out; 0: none of the first.
uint64_t FirstCaught(SimulationOptions options) {
  constexpr uint64_t kSeeds = 100;
  Simulator simulator;
  for (options.seed = 1; options.seed <= kSeeds; ++options.seed) {
    if (!simulator.Run(options).violations.empty()) return options.seed;
  }
  return 0;
}

class BrokenEngineTest : public testing::Test {
 protected:
  ~BrokenEngineTest() override { OmitForTest(Omission::kNone); }
};

TEST_F(BrokenEngineTest, ReadingOnBehindABarrierIsCaught) {
  OmitForTest(Omission::kBarrierAlignment);
  EXPECT_NE(FirstCaught({}), 0u);
}

TEST_F(BrokenEngineTest, CompletionBeforeSyncIsCaught) {
  OmitForTest(Omission::kSyncBeforeCompletion);
  EXPECT_NE(FirstCaught({}), 0u);
}

TEST(BrokenDiskTest, SyncsOfFilesThatDoNothingAreCaught) {
  EXPECT_NE(FirstCaught({.ignores_file_syncs = true}), 0u);
}

TEST(BrokenDiskTest, SyncsOfFoldersThatDoNothingAreCaught) {
  EXPECT_NE(FirstCaught({.ignores_folder_syncs = true}), 0u);
}

}  // namespace
}  // namespace eagre
