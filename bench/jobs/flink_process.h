// Apache Flink in a process of its own, which measures once per order, so that its code gets warm. It is started by
// bench/peers/flink/run.sh, which scripts/bench.sh --peers builds and names in EAGRE_FLINK_PEER.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/jobs/bench_report.h"

namespace eagre::bench {

class FlinkProcess {
 public:
  // `name` and `arguments` are those of Main.java. Ends the benchmark when Flink cannot be started.
  FlinkProcess(const char* name, int parallelism, const std::vector<std::string>& arguments);
  ~FlinkProcess();
  FlinkProcess(const FlinkProcess&) = delete;
  FlinkProcess& operator=(const FlinkProcess&) = delete;

  // One order: the line of JSON that Flink's side answers with.
  std::string Answer();
  // One run of a job. Ends the benchmark when Flink has not found what is expected.
  Measured Run(int64_t events, uint64_t expected_count, uint64_t expected_checksum);

 private:
  pid_t pid_ = -1;
  FILE* orders_ = nullptr;
  FILE* answers_ = nullptr;
};

}  // namespace eagre::bench
