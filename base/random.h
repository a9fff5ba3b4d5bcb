// Randomness as an interface, so that a simulated cluster and a generator of test data repeat exactly.
#pragma once

#include <cstdint>
#include <memory>

namespace eagre {

// One thread at a time.
class Random {
 public:
  virtual ~Random() = default;
  // 64 uniformly distributed bits.
  virtual uint64_t Next() = 0;

  // Uniform in [0, bound); bound > 0.
  uint64_t Below(uint64_t bound);
  // Uniform in [0, 1).
  double NextDouble();
};

// xoshiro256**: the same seed gives the same sequence on every machine, for ever.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed);
  uint64_t Next() override;

 private:
  uint64_t state_[4];
};

// Seeded by the operating system's entropy.
std::unique_ptr<Random> NewSystemRandom();

}  // namespace eagre
