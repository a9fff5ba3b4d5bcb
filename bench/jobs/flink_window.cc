// The window benchmarks beside Apache Flink: the same job on the same bytes, in turn, in one run.
//
// usage: bench_flink_window [json_window|binary_window...]   (scripts/bench.sh --peers builds Flink's side and runs it)
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/window_result.h"
#include "bench/limit/loops.h"
#include "bench/limit/transaction.h"

namespace eagre::bench {
EAGRE_RECORD(BinaryTransaction, user, timestamp, amount);
namespace {

struct FlinkRun {
  uint64_t results = 0;
  uint64_t counted = 0;
  double wall_seconds = 0;
  double cpu_seconds = 0;
};
EAGRE_RECORD(FlinkRun, results, counted, wall_seconds, cpu_seconds);

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

// Flink in a process of its own, which runs the job once per line that it is sent, so that its code gets warm.
class Flink {
 public:
  Flink(const char* job, const std::string& path, int parallelism) {
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
      execl(script, script, job, path.c_str(), std::to_string(parallelism).c_str(), std::to_string(kLatenessMs).c_str(),
            nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    orders_ = fdopen(in[1], "w");
    answers_ = fdopen(out[0], "r");
  }
  ~Flink() {
    std::fclose(orders_);
    std::fclose(answers_);
    waitpid(pid_, nullptr, 0);
  }
  Flink(const Flink&) = delete;
  Flink& operator=(const Flink&) = delete;

  // Ends the benchmark when Flink's result is not that of the loop.
  Measured Run(int64_t events, const LoopSink& loop) {
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

 private:
  pid_t pid_ = -1;
  FILE* orders_ = nullptr;
  FILE* answers_ = nullptr;
};

constexpr int kRounds = 3;

template <typename MakeSource, typename Key>
void BesideFlink(const char* name, const char* job, const std::string& path, int64_t events, MakeSource make_source,
                 Key key, const LoopSink& expected) {
  for (const int parallelism : {1, 2}) {
    Flink flink(job, path, parallelism);
    const Comparison comparison = CompareMeasured(
        kRounds,
        [&] {
          return Measure([&] {
            RunWindowJob(make_source(), key, parallelism, expected);
            return events;
          });
        },
        [&] { return flink.Run(events, expected); });
    PrintLine(name, "flink", parallelism, comparison);
  }
}

void JsonWindow() {
  const auto events = static_cast<int64_t>(2'000'000 * Scale());
  const std::string path = DataFolder() + "/flink-transactions.ndjson";
  WriteTransactions(path, events);
  BesideFlink(
      "json_window", "json", path, events, [&] { return NdjsonFiles<Transaction>(path); }, &Transaction::user_id,
      RunJsonWindowLoop(path, 1));
}

void BinaryWindow() {
  const auto events = static_cast<int64_t>(8'000'000 * Scale());
  const auto records = std::make_shared<const std::vector<BinaryTransaction>>(
      MakeBinaryTransactions(static_cast<size_t>(events), 100'000));
  const std::string path = DataFolder() + "/flink-transactions.bin";
  FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr ||
      std::fwrite(records->data(), sizeof(BinaryTransaction), records->size(), file) != records->size() ||
      std::fclose(file) != 0) {
    Die("cannot write " + path);
  }
  BesideFlink(
      "binary_window", "binary", path, events, [&] { return FromMemory(records); }, &BinaryTransaction::user,
      RunBinaryWindowLoop(*records, 1));
}

}  // namespace
}  // namespace eagre::bench

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> names(argv + 1, argv + argc);
  if (names.empty()) names = {"json_window", "binary_window"};
  for (const std::string& name : names) {
    if (name == "json_window") eagre::bench::JsonWindow();
    if (name == "binary_window") eagre::bench::BinaryWindow();
  }
}
