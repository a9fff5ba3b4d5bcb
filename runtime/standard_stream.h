// What a sink prints to. In a job that runs in the user's own process that is the user's terminal, so it is part of the
// plan.
#pragma once

#include <cstdint>

namespace eagre {

enum class StandardStream : uint8_t { kNone, kOutput, kError };

}  // namespace eagre
