// Durations and memory sizes in the notation of Flink's configuration: "10 s", "200 ms", "5 min", "32kb", "64mb".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace eagre {

// A whole number and a unit of d, h, min, s or ms (also their long names and m); without a unit milliseconds.
StatusOr<int64_t> ParseDurationMs(std::string_view text);

// With the largest unit that leaves a whole number: 1500 is "1500 ms", 300000 "5 min".
std::string FormatDurationMs(int64_t duration_ms);

// A whole number and a unit of b, kb, mb, gb or tb, which are powers of 1024; without a unit bytes.
StatusOr<int64_t> ParseMemorySize(std::string_view text);

// With the largest unit that leaves a whole number: 32768 is "32kb".
std::string FormatMemorySize(int64_t bytes);

}  // namespace eagre
