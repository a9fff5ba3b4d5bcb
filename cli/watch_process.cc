#include "cli/watch_process.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "base/unique_fd.h"

namespace eagre {
namespace {

// Editors write a file in several steps, or a new one that they rename: what follows so closely is one save.
constexpr int kSettleMs = 50;
// How long a job may take to stop before its process is killed: whoever saves a file waits for it.
constexpr int kStopPatienceMs = 2000;

class FileWatch {
 public:
  // Watches the folders of the files, for a saved file may be a new one of the same name.
  static StatusOr<FileWatch> Create(const std::vector<std::string>& files) {
    FileWatch watch;
    watch.fd_ = UniqueFd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (watch.fd_.get() < 0) return ResourceExhausted("cannot watch files: {}", strerror(errno));
    for (const std::string& file : files) {
      const std::string folder = ParentPath(file);
      if (inotify_add_watch(watch.fd_.get(), folder.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE) < 0) {
        return Unavailable("cannot watch {}: {}", folder, strerror(errno));
      }
      watch.names_.emplace(BaseName(file));
    }
    return watch;
  }

  int fd() const { return fd_.get(); }
  // Takes what has happened; true when one of the files was among it.
  bool Take() {
    bool changed = false;
    alignas(inotify_event) char buffer[4096];
    for (;;) {
      const ssize_t got = read(fd_.get(), buffer, sizeof(buffer));
      if (got <= 0) return changed;
      for (const char* at = buffer; at < buffer + got;) {
        const auto* event = reinterpret_cast<const inotify_event*>(at);
        if (event->len > 0) changed |= names_.contains(event->name);
        at += sizeof(inotify_event) + event->len;
      }
    }
  }
  void AwaitChange() {
    pollfd entry{.fd = fd(), .events = POLLIN, .revents = 0};
    while (!Take()) poll(&entry, 1, -1);
    Settle();
  }
  // Takes what belongs to the save that was just seen.
  void Settle() {
    pollfd entry{.fd = fd(), .events = POLLIN, .revents = 0};
    while (poll(&entry, 1, kSettleMs) > 0) Take();
  }

 private:
  FileWatch() = default;
  UniqueFd fd_;
  std::set<std::string, std::less<>> names_;
};

// SIGINT and SIGTERM as something to poll for, while it lives; before and behind it they end the process as ever, be it
// those that have come meanwhile and were not taken.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &held, &before_);
    fd_ = UniqueFd(signalfd(-1, &held, SFD_CLOEXEC));
  }
  ~HeldSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  int fd() const { return fd_.get(); }
  signalfd_siginfo Take() {
    signalfd_siginfo info{};
    while (read(fd(), &info, sizeof(info)) < 0 && errno == EINTR) {
    }
    return info;
  }
  // What a process has when it starts.
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
  UniqueFd fd_;
};

// A run of the job, in a process that ends with this one, however this one ends.
class Child {
 public:
  static StatusOr<Child> Start(const std::vector<std::string>& command, const HeldSignals& signals) {
    std::vector<std::string> words = command;
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) return Internal("cannot start a process for the job: {}", strerror(errno));
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(1);
      pthread_sigmask(SIG_SETMASK, &signals.before(), nullptr);
      execv("/proc/self/exe", argv.data());
      _exit(127);
    }
    return Child(pid);
  }

  // Readable when it has ended.
  int fd() const { return ended_.get(); }
  void Signal(int signal_number) { kill(pid_, signal_number); }
  // True when it ends within so long.
  bool EndsWithin(int patience_ms) {
    pollfd entry{.fd = fd(), .events = POLLIN, .revents = 0};
    int ready;
    while ((ready = poll(&entry, 1, patience_ms)) < 0 && errno == EINTR) {
    }
    return ready > 0;
  }
  void Reap() {
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  explicit Child(pid_t pid) : pid_(pid), ended_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}
  pid_t pid_;
  UniqueFd ended_;
};

enum class RunEnd {
  kEnded,    // by itself
  kStopped,  // because a file has changed
};

// Runs the job until it has ended or a file has changed. A signal that asks this process to end goes to the job; when
// that has ended, this process ends of the signal.
StatusOr<RunEnd> RunUntilChange(const std::vector<std::string>& command, FileWatch& watch) {
  int ended_by = 0;
  RunEnd end = RunEnd::kEnded;
  {
    HeldSignals signals;
    EAGRE_ASSIGN_OR_RETURN(Child child, Child::Start(command, signals));
    pollfd entries[] = {{.fd = child.fd(), .events = POLLIN, .revents = 0},
                        {.fd = signals.fd(), .events = POLLIN, .revents = 0},
                        {.fd = watch.fd(), .events = POLLIN, .revents = 0}};
    for (;;) {
      poll(entries, std::size(entries), -1);
      if ((entries[0].revents & POLLIN) != 0) break;
      if ((entries[1].revents & POLLIN) != 0) {
        const signalfd_siginfo info = signals.Take();
        ended_by = static_cast<int>(info.ssi_signo);
        // A terminal has told the job too, and a second Ctrl-C would make it leave without having stopped.
        if (info.ssi_code != SI_KERNEL) child.Signal(ended_by);
      }
      if (!watch.Take() || ended_by != 0) continue;
      child.Signal(SIGINT);  // as Ctrl-C: the job is cancelled
      if (!child.EndsWithin(kStopPatienceMs)) child.Signal(SIGKILL);
      watch.Settle();
      end = RunEnd::kStopped;
      break;
    }
    child.Reap();
  }
  if (ended_by != 0) {
    raise(ended_by);
    _exit(128 + ended_by);  // where the signal is ignored
  }
  return end;
}

}  // namespace

Status WatchAndRun(JobCompiler& compiler, const std::string& source, const std::vector<std::string>& command) {
  std::vector<std::string> sources = {source};
  for (;;) {
    // Before the compiler reads the files, so that no save is missed.
    EAGRE_ASSIGN_OR_RETURN(FileWatch watch, FileWatch::Create(sources));
    const StatusOr<CompiledJob> job = compiler.Compile(source);
    if (!job.ok()) {
      fmt::print(stderr, "eagre run: {}\nWaiting for a change.\n", StatusMessage(job.status()));
      watch.AwaitChange();
      continue;
    }
    if (job->sources != sources) {
      sources = job->sources;
      EAGRE_ASSIGN_OR_RETURN(watch, FileWatch::Create(sources));
    }
    EAGRE_ASSIGN_OR_RETURN(const RunEnd end, RunUntilChange(command, watch));
    if (end == RunEnd::kEnded) {
      fmt::print(stderr, "Waiting for a change.\n");
      watch.AwaitChange();
    }
    fmt::print(stderr, "Changed: compiling and starting anew.\n");
  }
}

}  // namespace eagre
