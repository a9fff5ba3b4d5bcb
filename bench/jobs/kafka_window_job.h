// What kafka_window runs: JSON transactions of 300 bytes out of a topic of Kafka -> key by user (100 k) -> one-minute
// count and sum -> JSON into another topic, at parallelism 1. The broker is a process of its own.
#pragma once

#include <cstdint>
#include <string>

#include "bench/jobs/bench_broker.h"
#include "bench/limit/tumbling_loop.h"

namespace eagre::bench {

// A broker with the transactions in topic "transactions" and room for results in topic "results".
class KafkaWindowTopics {
 public:
  KafkaWindowTopics();

  const std::string& servers() const { return broker_.servers(); }
  int64_t events() const { return events_; }

  // On librdkafka alone.
  LoopSink RunLoop() const;
  // Ends the benchmark when the result is not that of the loop.
  void RunJob(const LoopSink& loop) const;

 private:
  const BenchBroker broker_;
  const int64_t events_;
};

}  // namespace eagre::bench
