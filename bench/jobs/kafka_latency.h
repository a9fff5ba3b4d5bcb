// From the moment at which a record was produced to the moment at which a consumer that reads only what is committed
// has it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace eagre::bench {

// Writes transactions to topic `in` at `rate` a second and reads topic `out`, where a running job puts each with the
// timestamp that the producer gave it; both have one partition, and `out` is empty. Milliseconds, the shortest first.
// Ends the benchmark on failure.
std::vector<double> MeasureKafkaLatency(const std::string& servers, const std::string& in, const std::string& out,
                                        int64_t rate, int64_t records);

}  // namespace eagre::bench
