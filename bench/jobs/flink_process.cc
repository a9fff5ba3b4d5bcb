#include "bench/jobs/flink_process.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "bench/jobs/window_result.h"
#include "bench/limit/loops.h"

namespace eagre::bench {

struct FlinkRun {
  uint64_t results = 0;
  uint64_t counted = 0;
  double wall_seconds = 0;
  double cpu_seconds = 0;
};
EAGRE_RECORD(FlinkRun, results, counted, wall_seconds, cpu_seconds);

namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

}  // namespace

FlinkProcess::FlinkProcess(const char* job, const std::string& input, int parallelism) {
  const char* script = std::getenv("EAGRE_FLINK_PEER");
  if (script == nullptr) Die("EAGRE_FLINK_PEER does not name Flink's run.sh: start this by scripts/bench.sh --peers");
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (pipe(in.data()) != 0 || pipe(out.data()) != 0) Die("no pipes");
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    for (const int fd : {in[0], in[1], out[0], out[1]}) close(fd);
    execl(script, script, job, input.c_str(), std::to_string(parallelism).c_str(), std::to_string(kLatenessMs).c_str(),
          nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  orders_ = fdopen(in[1], "w");
  answers_ = fdopen(out[0], "r");
}

FlinkProcess::~FlinkProcess() {
  std::fclose(orders_);
  std::fclose(answers_);
  waitpid(pid_, nullptr, 0);
}

Measured FlinkProcess::Run(int64_t events, const LoopSink& loop) {
  std::fputs("run\n", orders_);
  std::fflush(orders_);
  std::array<char, 4096> line{};
  if (std::fgets(line.data(), line.size(), answers_) == nullptr) Die("Flink ended without an answer");
  const StatusOr<FlinkRun> run = FromJson<FlinkRun>(line.data());
  DieUnless(run.status());
  if (run->results != loop.results || run->counted != loop.counted) {
    Die(fmt::format("Flink made {} results of {} events, the loop {} of {}", run->results, run->counted, loop.results,
                    loop.counted));
  }
  return {.events = events, .wall_seconds = run->wall_seconds, .cpu_seconds = run->cpu_seconds};
}

}  // namespace eagre::bench
