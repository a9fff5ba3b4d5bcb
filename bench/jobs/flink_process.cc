#include "bench/jobs/flink_process.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "bench/jobs/window_result.h"

namespace eagre::bench {

struct FlinkRun {
  uint64_t count = 0;
  uint64_t checksum = 0;
  double wall_seconds = 0;
  double cpu_seconds = 0;
};
EAGRE_RECORD(FlinkRun, count, checksum, wall_seconds, cpu_seconds);

namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

}  // namespace

FlinkProcess::FlinkProcess(const char* name, int parallelism, const std::vector<std::string>& arguments) {
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
    std::vector<std::string> words = {script, name, std::to_string(parallelism)};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    execv(script, argv.data());
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

std::string FlinkProcess::Answer() {
  std::fputs("run\n", orders_);
  std::fflush(orders_);
  std::array<char, 4096> line{};
  if (std::fgets(line.data(), line.size(), answers_) == nullptr) Die("Flink ended without an answer");
  return line.data();
}

Measured FlinkProcess::Run(int64_t events, uint64_t expected_count, uint64_t expected_checksum) {
  const StatusOr<FlinkRun> run = FromJson<FlinkRun>(Answer());
  DieUnless(run.status());
  if (run->count != expected_count || run->checksum != expected_checksum) {
    Die(fmt::format("Flink found {} with checksum {}, expected are {} with {}", run->count, run->checksum,
                    expected_count, expected_checksum));
  }
  return {.events = events, .wall_seconds = run->wall_seconds, .cpu_seconds = run->cpu_seconds};
}

}  // namespace eagre::bench
