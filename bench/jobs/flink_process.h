// Apache Flink in a process of its own, which runs a job once per order, so that its code gets warm. It is started by
// bench/peers/flink/run.sh, which scripts/bench.sh --peers builds and names in EAGRE_FLINK_PEER.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "bench/jobs/bench_report.h"
#include "bench/limit/tumbling_loop.h"

namespace eagre::bench {

class FlinkProcess {
 public:
  // `job` and `input` are those of WindowPeer.java. Ends the benchmark when Flink cannot be started.
  FlinkProcess(const char* job, const std::string& input, int parallelism);
  ~FlinkProcess();
  FlinkProcess(const FlinkProcess&) = delete;
  FlinkProcess& operator=(const FlinkProcess&) = delete;

  // One run. Ends the benchmark when Flink's result is not that of the loop.
  Measured Run(int64_t events, const LoopSink& loop);

 private:
  pid_t pid_ = -1;
  FILE* orders_ = nullptr;
  FILE* answers_ = nullptr;
};

}  // namespace eagre::bench
