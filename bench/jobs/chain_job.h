// What the benchmark `chain` runs.
#pragma once

#include <cstdint>

namespace eagre::bench {

// Four map and filter operators, chained, on so many records of 32 bytes; returns the sum of a field of what is left.
int64_t RunChainJob(int64_t events);

}  // namespace eagre::bench
