#include "base/ids.h"

#include <fmt/format.h>

#include <algorithm>

namespace eagre {

std::string NewHexId(Random& random) {
  const uint64_t high = random.Next();
  return fmt::format("{:016x}{:016x}", high, random.Next());
}

bool IsHexId(std::string_view text) {
  constexpr size_t kIdCharacters = 32;
  return text.size() == kIdCharacters &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace eagre
