// The hand-written loop of `kafka_window`, on librdkafka alone.
#pragma once

#include <cstdint>
#include <string>

#include "bench/limit/tumbling_loop.h"

namespace eagre::bench {

// Reads `events` JSON transactions of topic `in` -> one-minute count and sum by user -> JSON to topic `out`, all
// acknowledged. Ends the benchmark on failure.
LoopSink RunKafkaWindowLoop(const std::string& servers, const std::string& in, const std::string& out, int64_t events);

}  // namespace eagre::bench
