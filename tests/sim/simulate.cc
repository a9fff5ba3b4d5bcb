// Runs seeds of the simulation, in two processes at once. See scripts/simulate.sh.
#include <fmt/format.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fault_point.h"
#include "base/logging.h"
#include "tests/sim/simulate_options.h"
#include "tests/sim/simulation.h"

namespace eagre {
namespace {

// Of the processor's time, for one seed.
constexpr time_t kLongestSeedSeconds = 120;
constexpr int kBadArguments = 2;

struct Total {
  uint64_t seeds = 0;
  int64_t faults = 0;
  uint64_t violations = 0;
};

// What is broken in the engine itself.
void Break(std::string_view what) {
  if (what == "alignment") OmitForTest(Omission::kBarrierAlignment);
  if (what == "completion-before-sync") OmitForTest(Omission::kSyncBeforeCompletion);
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// Every `processes`-th seed from the `index`-th on; what becomes of each is told by lines.
[[noreturn]] void RunSeeds(const SimulateOptions& options, uint64_t index, int fd) {
  std::FILE* const out = fdopen(fd, "w");
  LogOptions log;
  log.level = options.log_level;
  static_cast<void>(InitLogging(log));
  Simulator simulator;
  for (; index < options.seeds; index += options.processes) {
    const uint64_t seed = options.first + index;
    fmt::print(out, "begin {}\n", seed);
    std::fflush(out);
    const itimerval limit{.it_interval = {}, .it_value = {.tv_sec = kLongestSeedSeconds, .tv_usec = 0}};
    setitimer(ITIMER_PROF, &limit, nullptr);
    SimulationOptions simulation = options.simulation;
    simulation.seed = seed;
    simulation.mode = options.mode;
    const SimulationOutcome outcome = simulator.Run(simulation);
    for (const std::string& violation : outcome.violations) {
      fmt::print(out, "violation {} {}\n", seed, OneLine(violation));
    }
    fmt::print(out, "end {} {} {:016x} {} {}\n", seed, outcome.faults, outcome.trace_hash, outcome.events,
               outcome.virtual_ms);
    std::fflush(out);
  }
  _exit(0);
}

// A process that runs seeds, as its parent sees it. When it dies of one it is started again behind that.
class Child {
 public:
  Child(const SimulateOptions& options, Total& total, uint64_t index)
      : options_(options), total_(total), index_(index) {
    Start();
  }

  int fd() const { return fd_; }

  // False: it has come to its end.
  bool Read() {
    char buffer[4096];
    const ssize_t got = read(fd_, buffer, sizeof(buffer));
    if (got > 0) {
      received_.append(buffer, static_cast<size_t>(got));
      for (size_t end = received_.find('\n'); end != std::string::npos; end = received_.find('\n')) {
        OnLine(received_.substr(0, end));
        received_.erase(0, end + 1);
      }
      return true;
    }
    close(fd_);
    int status = 0;
    waitpid(pid_, &status, 0);
    if (!running_) return false;
    OnViolation(fmt::format("the simulation itself came to no end: it was ended by signal {}", WTERMSIG(status)));
    OnEnd(0);
    if (index_ >= options_.seeds) return false;
    Start();
    return true;
  }

 private:
  void Start() {
    int pipe_fds[2];
    std::fflush(nullptr);
    if (pipe(pipe_fds) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) RunSeeds(options_, index_, pipe_fds[1]);
    close(pipe_fds[1]);
    fd_ = pipe_fds[0];
    received_.clear();
  }

  void OnLine(const std::string& line) {
    if (line.starts_with("begin ")) {
      running_ = true;
      violated_ = false;
    } else if (line.starts_with("violation ")) {
      OnViolation(line.substr(line.find(' ', sizeof("violation ")) + 1));
    } else {
      if (options_.trace) fmt::print("{}\n", line);
      OnEnd(std::strtoll(line.c_str() + line.find(' ', sizeof("end ")) + 1, nullptr, 10));
    }
  }

  void OnViolation(const std::string& text) {
    fmt::print("seed {}: {}\n", seed(), text);
    if (std::exchange(violated_, true)) return;
    ++total_.violations;
    fmt::print("    again: scripts/simulate.sh --seeds {}{}{}{}\n", seed(),
               options_.mode == "aligned" ? "" : " --mode " + options_.mode, options_.broken.empty() ? "" : " --break ",
               options_.broken);
  }

  void OnEnd(int64_t faults) {
    running_ = false;
    ++total_.seeds;
    total_.faults += faults;
    index_ += options_.processes;
  }

  uint64_t seed() const { return options_.first + index_; }

  const SimulateOptions& options_;
  Total& total_;
  uint64_t index_;  // of the seed at hand, or the next
  pid_t pid_ = -1;
  int fd_ = -1;
  std::string received_;
  bool running_ = false;
  bool violated_ = false;
};

int Main(int argc, char** argv) {
  const StatusOr<SimulateOptions> parsed = ParseSimulateOptions({argv + 1, argv + argc});
  if (!parsed.ok()) {
    fmt::print(stderr, "simulate: {}\n{}", StatusMessage(parsed.status()), SimulateUsage());
    return kBadArguments;
  }
  const SimulateOptions& options = *parsed;
  Break(options.broken);
  Total total;
  std::vector<std::unique_ptr<Child>> children;
  for (uint64_t i = 0; i < std::min(options.processes, options.seeds); ++i) {
    children.push_back(std::make_unique<Child>(options, total, i));
  }
  while (!children.empty()) {
    std::vector<pollfd> polled;
    for (const auto& child : children) polled.push_back({.fd = child->fd(), .events = POLLIN});
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    for (size_t i = polled.size(); i-- > 0;) {
      if (polled[i].revents != 0 && !children[i]->Read()) children.erase(children.begin() + static_cast<ptrdiff_t>(i));
    }
    std::fflush(stdout);
  }
  fmt::print("{} seeds, {} faults, {} violations\n", total.seeds, total.faults, total.violations);
  return total.violations == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace eagre

int main(int argc, char** argv) {
  return eagre::Main(argc, argv);
}
