// A real process under test: started, listened to, signalled, and never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace eagre {

// How long a test waits for what must happen, before it calls it a failure. Generous: machines under test are busy.
constexpr std::chrono::seconds kPatience{20};

// Output of both streams is captured as it comes. The destructor kills the process if it still runs.
class ChildProcess {
 public:
  struct Options {
    std::string directory;                 // working directory; empty: the test's own
    std::vector<std::string> environment;  // NAME=value, added to the test's own
  };
  // `command[0]` is the program's path. Fails the test when it cannot be started.
  ChildProcess(std::vector<std::string> command, Options options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const;
  std::string Stdout() const;
  std::string Stderr() const;
  std::string Output() const;  // both, for failure messages

  // Waits until `text` has appeared on either stream; returns the whole line with it, or "" when `patience` or the
  // process ended first.
  std::string AwaitLine(const std::string& text, std::chrono::milliseconds patience = kPatience);
  // Exit status, or 128 + signal as a shell says it; -1 when it still runs after `patience`.
  int AwaitExit(std::chrono::milliseconds patience = kPatience);
  bool Running();
  void Signal(int signal_number);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// Calls `condition` until it is true, a few milliseconds apart: for what no event announces. False after `patience`.
template <typename Condition>
bool AwaitTrue(Condition condition, std::chrono::milliseconds patience = kPatience);

void PauseBeforeNextLook();

template <typename Condition>
bool AwaitTrue(Condition condition, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    if (condition()) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    PauseBeforeNextLook();
  }
}

}  // namespace eagre
