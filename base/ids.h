// Identifiers in Flink's form: 32 lower-case hexadecimal characters.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"

namespace eagre {

// 128 random bits, e.g. a job's or a TaskManager's id.
std::string NewHexId(Random& random);

// True when `text` has the form of an id.
bool IsHexId(std::string_view text);

}  // namespace eagre
