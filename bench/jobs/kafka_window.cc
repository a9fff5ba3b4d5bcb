// Kafka to Kafka through a keyed window, beside a loop on librdkafka alone: see kafka_window_job.h.
#include "bench/jobs/bench_report.h"
#include "bench/jobs/kafka_window_job.h"

using namespace eagre::bench;

int main() {
  const KafkaWindowTopics topics;
  LoopSink loop_result = topics.RunLoop();
  const Comparison comparison = Compare(
      5,
      [&] {
        topics.RunJob(loop_result);
        return topics.events();
      },
      [&] {
        loop_result = topics.RunLoop();
        return topics.events();
      });
  PrintLine("kafka_window", "loop", 1, comparison);
}
