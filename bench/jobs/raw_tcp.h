// What the machine's loopback carries between two processes: the denominator of the shuffle.
#pragma once

#include <cstddef>

namespace eagre::bench {

struct RawTcp {
  double gigabytes_per_second = 0;
  double cpu_seconds_per_gigabyte = 0;  // of both processes
};
// Writes and reads pieces of 32 KiB. Forks, so it comes before anything that starts threads.
RawTcp MeasureRawTcp(size_t bytes);

}  // namespace eagre::bench
