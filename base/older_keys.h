// Names that keys have, or had, in Flink and not here, so that an old configuration is told the right ones.
#pragma once

#include <span>
#include <string_view>

namespace eagre {

struct OlderKey {
  std::string_view name;
  std::string_view key;  // what it is called here
};

std::span<const OlderKey> OlderKeys();
// Empty when `name` is none of them.
std::string_view KeyOfOlderName(std::string_view name);

}  // namespace eagre
