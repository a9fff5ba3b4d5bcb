#include "tests/cluster/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

extern char** environ;

namespace eagre {

struct ChildProcess::State {
  pid_t pid = -1;
  int read_fds[2] = {-1, -1};  // standard output, standard error
  std::thread reader;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::string text[2];
  bool exited = false;
  int exit_status = -1;

  void Read();
  void NoteExit(int wait_status);
};

namespace {

int StatusAsShellSays(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

// The line around `at`, without its newline; "" while it is incomplete.
std::string CompleteLineAt(const std::string& text, size_t at) {
  const size_t end = text.find('\n', at);
  if (end == std::string::npos) return "";
  const size_t before = text.rfind('\n', at);
  const size_t begin = before == std::string::npos ? 0 : before + 1;
  return text.substr(begin, end - begin);
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

void PauseBeforeNextLook() {
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

// Reads both streams until they end, which for a process without children is when it exits; a grandchild that holds
// them open does not keep the exit from being noticed.
void ChildProcess::State::Read() {
  bool open[2] = {true, true};
  while (true) {
    pollfd polled[2];
    for (int i = 0; i < 2; ++i) polled[i] = {.fd = open[i] ? read_fds[i] : -1, .events = POLLIN, .revents = 0};
    poll(polled, 2, open[0] || open[1] ? 50 : 5);
    bool got_any = false;
    for (int i = 0; i < 2; ++i) {
      if (!open[i] || polled[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = read(read_fds[i], buffer, sizeof buffer);
      if (got <= 0) {
        open[i] = got < 0 && errno == EINTR;
        continue;
      }
      got_any = true;
      std::lock_guard lock(mutex);
      text[i].append(buffer, static_cast<size_t>(got));
      changed.notify_all();
    }
    int wait_status = 0;
    if (!got_any && waitpid(pid, &wait_status, WNOHANG) == pid) {
      // What it wrote last may have come between the poll and its end.
      for (int i = 0; i < 2; ++i) {
        char buffer[65536];
        fcntl(read_fds[i], F_SETFL, O_NONBLOCK);
        for (ssize_t got; (got = read(read_fds[i], buffer, sizeof buffer)) > 0;) {
          std::lock_guard lock(mutex);
          text[i].append(buffer, static_cast<size_t>(got));
        }
      }
      NoteExit(wait_status);
      return;
    }
  }
}

void ChildProcess::State::NoteExit(int wait_status) {
  std::lock_guard lock(mutex);
  exited = true;
  exit_status = StatusAsShellSays(wait_status);
  changed.notify_all();
}

ChildProcess::ChildProcess(std::vector<std::string> command, Options options) : state_(std::make_unique<State>()) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    ADD_FAILURE() << "cannot create pipes: " << strerror(errno);
    return;
  }
  std::vector<std::string> environment = options.environment;
  for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
  std::vector<char*> argv = Pointers(command);
  std::vector<char*> envp = Pointers(environment);
  const pid_t parent = getpid();
  state_->pid = fork();
  if (state_->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    const int null_fd = open("/dev/null", O_RDONLY);
    dup2(null_fd, STDIN_FILENO);
    if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) _exit(125);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  state_->read_fds[0] = out[0];
  state_->read_fds[1] = err[0];
  if (state_->pid < 0) {
    ADD_FAILURE() << "cannot fork: " << strerror(errno);
    return;
  }
  state_->reader = std::thread([state = state_.get()] { state->Read(); });
}

ChildProcess::~ChildProcess() {
  if (Running()) Signal(SIGKILL);
  if (state_->reader.joinable()) state_->reader.join();
  for (const int fd : state_->read_fds) {
    if (fd >= 0) close(fd);
  }
}

pid_t ChildProcess::pid() const {
  return state_->pid;
}

std::string ChildProcess::Stdout() const {
  std::lock_guard lock(state_->mutex);
  return state_->text[0];
}

std::string ChildProcess::Stderr() const {
  std::lock_guard lock(state_->mutex);
  return state_->text[1];
}

std::string ChildProcess::Output() const {
  std::lock_guard lock(state_->mutex);
  return "--- stdout\n" + state_->text[0] + "--- stderr\n" + state_->text[1];
}

std::string ChildProcess::AwaitLine(const std::string& text, std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  std::string line;
  const auto seen = [&] {
    for (const std::string& stream : state_->text) {
      const size_t at = stream.find(text);
      if (at == std::string::npos) continue;
      line = CompleteLineAt(stream, at);
      if (!line.empty()) return true;
    }
    return false;
  };
  state_->changed.wait_for(lock, patience, [&] { return seen() || state_->exited; });
  return line;
}

int ChildProcess::AwaitExit(std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, patience, [&] { return state_->exited; }) ? state_->exit_status : -1;
}

bool ChildProcess::Running() {
  std::lock_guard lock(state_->mutex);
  return state_->pid > 0 && !state_->exited;
}

void ChildProcess::Signal(int signal_number) {
  // Under the lock, so that the pid is not one that was reaped and given to somebody else.
  std::lock_guard lock(state_->mutex);
  if (state_->pid > 0 && !state_->exited) kill(state_->pid, signal_number);
}

}  // namespace eagre
