// How much two words differ, to guess what was meant by one that nobody knows.
#pragma once

#include <cstddef>
#include <string_view>

namespace eagre {

// Levenshtein's: the fewest insertions, removals and replacements that make one of the other.
size_t EditDistance(std::string_view a, std::string_view b);

}  // namespace eagre
