// Runs seeds of the simulation, in two processes at once. See scripts/simulate.sh.
#include <fmt/format.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fault_point.h"
#include "base/logging.h"
#include "tests/sim/simulation.h"

namespace eagre {
namespace {

// Of the processor's time, for one seed.
constexpr time_t kLongestSeedSeconds = 120;

struct Options {
  uint64_t first = 1;
  uint64_t last = 100;
  int processes = 2;
  bool trace = false;
  std::string mode = "aligned";
  std::string broken;  // empty: nothing is
  SimulationOptions simulation;
  LogLevel log_level = LogLevel::kOff;
};

struct Total {
  uint64_t seeds = 0;
  int64_t faults = 0;
  uint64_t violations = 0;
};

[[noreturn]] void Usage() {
  fmt::print(
      stderr,
      "usage: simulate --seeds A..B [--processes N] [--mode aligned|unaligned|switching] [--trace] [--log LEVEL]\n"
      "       [--break alignment|completion-before-sync|file-syncs|folder-syncs]\n");
  exit(2);
}

template <typename Number>
Number ParseNumber(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) Usage();
  return number;
}

void Break(Options& options) {
  if (options.broken == "alignment") {
    OmitForTest(Omission::kBarrierAlignment);
  } else if (options.broken == "completion-before-sync") {
    OmitForTest(Omission::kSyncBeforeCompletion);
  } else if (options.broken == "file-syncs") {
    options.simulation.ignores_file_syncs = true;
  } else if (options.broken == "folder-syncs") {
    options.simulation.ignores_folder_syncs = true;
  } else {
    Usage();
  }
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--trace") {
      options.trace = true;
      continue;
    }
    if (++i == argc) Usage();
    const std::string_view value = argv[i];
    if (option == "--seeds") {
      const size_t dots = value.find("..");
      options.first = ParseNumber<uint64_t>(value.substr(0, dots));
      options.last = dots == std::string_view::npos ? options.first : ParseNumber<uint64_t>(value.substr(dots + 2));
    } else if (option == "--processes") {
      options.processes = std::max(ParseNumber<int>(value), 1);
    } else if (option == "--mode") {
      options.mode = value;
    } else if (option == "--break") {
      options.broken = value;
    } else if (option == "--log") {
      const StatusOr<LogLevel> level = ParseLogLevel(value);
      if (!level.ok()) Usage();
      options.log_level = *level;
    } else {
      Usage();
    }
  }
  if (!options.broken.empty()) Break(options);
  return options;
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// Every `step`-th seed from `seed` on; what becomes of each is told by lines.
[[noreturn]] void RunSeeds(const Options& options, uint64_t seed, uint64_t step, int fd) {
  std::FILE* const out = fdopen(fd, "w");
  LogOptions log;
  log.level = options.log_level;
  static_cast<void>(InitLogging(log));
  Simulator simulator;
  for (; seed <= options.last; seed += step) {
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
  Child(const Options& options, Total& total, uint64_t seed) : options_(options), total_(total), seed_(seed) {
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
    if (seed_ > options_.last) return false;
    Start();
    return true;
  }

 private:
  void Start() {
    int pipe_fds[2];
    std::fflush(nullptr);
    if (pipe(pipe_fds) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) RunSeeds(options_, seed_, static_cast<uint64_t>(options_.processes), pipe_fds[1]);
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
      const size_t faults = line.find(' ', sizeof("end ")) + 1;
      OnEnd(ParseNumber<int64_t>(std::string_view(line).substr(faults, line.find(' ', faults) - faults)));
    }
  }

  void OnViolation(const std::string& text) {
    fmt::print("seed {}: {}\n", seed_, text);
    if (std::exchange(violated_, true)) return;
    ++total_.violations;
    fmt::print("    again: scripts/simulate.sh --seeds {}{}{}{}\n", seed_,
               options_.mode == "aligned" ? "" : " --mode " + options_.mode, options_.broken.empty() ? "" : " --break ",
               options_.broken);
  }

  void OnEnd(int64_t faults) {
    running_ = false;
    ++total_.seeds;
    total_.faults += faults;
    seed_ += static_cast<uint64_t>(options_.processes);
  }

  const Options& options_;
  Total& total_;
  uint64_t seed_;  // at hand, or next
  pid_t pid_ = -1;
  int fd_ = -1;
  std::string received_;
  bool running_ = false;
  bool violated_ = false;
};

int Main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  Total total;
  std::vector<std::unique_ptr<Child>> children;
  for (uint64_t i = 0; i < static_cast<uint64_t>(options.processes) && options.first + i <= options.last; ++i) {
    children.push_back(std::make_unique<Child>(options, total, options.first + i));
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
