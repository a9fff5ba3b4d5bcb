// What the random tests of keyed state have in common: the state of many keys is changed at random beside a model of
// it, checkpoints are taken on the way, and what is restored from each is held against the model of its barrier. Now
// and then the test goes on with what was restored.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/keyed_state_under_test.h"
#include "tests/testing/state_chain.h"

namespace eagre {

// `Instance` is a KeyedStateUnderTest.
template <typename Instance, typename Model>
class RandomCheckpointTest : public testing::TestWithParam<RandomBackendCase> {
 protected:
  static constexpr int kCheckpoints = 12;

  virtual std::unique_ptr<Instance> MakeInstance() = 0;
  // One change of one key, in the state and in the model.
  virtual void Change(Instance& instance, Model& model) = 0;
  // A batch has ended.
  virtual void AfterBatch(Instance&) {}
  // A checkpoint is complete, and not yet restored.
  virtual void AfterCheckpoint(Instance&) {}
  // Whether `restored` is as the model was at the barrier. The test may go on with it.
  virtual void ExpectRestored(Instance& restored, Model& at_seal, bool goes_on) = 0;

  // Returns the instance that is left, or nothing after a failure.
  std::unique_ptr<Instance> Run(uint64_t keys) {
    std::unique_ptr<Instance> instance = NewInstance();
    auto chain = std::make_unique<StateChain>(instance->table);
    Model model;
    Model at_seal;
    for (int checkpoints = 0; checkpoints < kCheckpoints;) {
      for (uint64_t changes = random_.Below(keys); changes > 0; --changes) {
        Change(*instance, model);
        if (random_.Below(10) == 0) {
          instance->FinishBatch();
          AfterBatch(*instance);
        }
        EndStallAtRandom(*instance->backend, random_);
      }
      if (random_.Below(2) == 0) instance->FinishBatch();  // else the barrier cuts a batch
      if (!chain->AdvanceAtRandom(random_, 50'000, [&] { at_seal = model; })) continue;
      ++checkpoints;
      AfterCheckpoint(*instance);
      const bool inherited = random_.Below(2) == 0;
      const bool goes_on = random_.Below(3) == 0;
      std::unique_ptr<Instance> restored = NewInstance();
      EXPECT_TRUE(StateChain::Apply(chain->segments(), restored->table).ok());
      EXPECT_TRUE(restored->table.FinishRestore(inherited).ok());
      ExpectRestored(*restored, at_seal, goes_on);
      if (HasFailure()) {
        ADD_FAILURE() << "at checkpoint " << checkpoints;
        return nullptr;
      }
      if (!goes_on) continue;
      chain = std::make_unique<StateChain>(restored->table, inherited ? chain->segments() : std::vector<std::string>());
      instance = std::move(restored);
      model = at_seal;
    }
    return instance;
  }

  const BackendKind backend_ = GetParam().backend;
  const int seed_ = GetParam().seed;
  SeededRandom random_{static_cast<uint64_t>(seed_)};

 private:
  std::unique_ptr<Instance> NewInstance() {
    std::unique_ptr<Instance> instance = MakeInstance();
    RefuseAtRandom(*instance->backend, random_);
    return instance;
  }
};

}  // namespace eagre
