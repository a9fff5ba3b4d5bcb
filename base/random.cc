#include "base/random.h"

#include <bit>
#include <random>

#include "base/check.h"
#include "base/hash.h"

namespace eagre {

uint64_t Random::Below(uint64_t bound) {
  EAGRE_CHECK(bound > 0);
  // Lemire's method: the high half of a product is uniform once the few biased low halves are thrown away.
  using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(Next()) * bound;
  if (static_cast<uint64_t>(product) < bound) {
    const uint64_t biased = -bound % bound;
    while (static_cast<uint64_t>(product) < biased) product = static_cast<Wide>(Next()) * bound;
  }
  return static_cast<uint64_t>(product >> 64);
}

double Random::NextDouble() {
  constexpr double kStep = 1.0 / (uint64_t{1} << 53);
  return static_cast<double>(Next() >> 11) * kStep;
}

SeededRandom::SeededRandom(uint64_t seed) {
  constexpr uint64_t kSplitMixStep = 0x9E3779B97F4A7C15ULL;
  for (uint64_t& word : state_) {
    word = MixInt64(seed);
    seed += kSplitMixStep;
  }
}

uint64_t SeededRandom::Next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::unique_ptr<Random> NewSystemRandom() {
  std::random_device entropy;
  const uint64_t seed = (static_cast<uint64_t>(entropy()) << 32) | entropy();
  return std::make_unique<SeededRandom>(seed);
}

}  // namespace eagre
