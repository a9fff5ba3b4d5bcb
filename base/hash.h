// Hashes. All are frozen formats: key groups, artifact names and graph digests that outlive a process are made of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace eagre {

// XXH3 of the bytes with seed 0.
uint64_t Hash64(std::string_view bytes);

// The finaliser of splitmix64: a bijection that spreads integers, e.g. keys that are numbers.
constexpr uint64_t MixInt64(uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

// The 128-bit XXH3 of the bytes as 32 hexadecimal characters. Not cryptographic: it finds damage and names content, it
// does not stop somebody who forges a collision.
std::string Hash128Hex(std::string_view bytes);

// The same over pieces, for content too large to hold. One thread.
class Hasher128 {
 public:
  Hasher128();
  ~Hasher128();
  Hasher128(const Hasher128&) = delete;
  Hasher128& operator=(const Hasher128&) = delete;

  void Update(std::string_view bytes);
  // Of everything so far; more may follow.
  std::string Hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eagre
