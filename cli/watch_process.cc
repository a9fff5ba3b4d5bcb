#include "cli/watch_process.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include <fmt/format.h>

#include "base/unique_fd.h"

extern char** environ;

namespace eagre {
namespace {

// Editors write a file in several steps, or a new one that they rename: what follows so closely is one save.
constexpr int kSettleMs = 50;

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
    while (poll(&entry, 1, kSettleMs) > 0) Take();
  }

 private:
  FileWatch() = default;
  UniqueFd fd_;
  std::set<std::string, std::less<>> names_;
};

StatusOr<pid_t> StartChild(const std::vector<std::string>& command) {
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv.data(), environ);
  if (error != 0) return Internal("cannot start a process for the job: {}", strerror(error));
  return pid;
}

void Reap(pid_t child) {
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// Until the child has ended or a file has changed; then the child is stopped. True when it had ended by itself.
bool AwaitEndOrChange(pid_t child, FileWatch& watch) {
  const UniqueFd ended(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  pollfd entries[] = {{.fd = ended.get(), .events = POLLIN, .revents = 0},
                      {.fd = watch.fd(), .events = POLLIN, .revents = 0}};
  for (;;) {
    poll(entries, 2, -1);
    if ((entries[0].revents & POLLIN) != 0) {
      Reap(child);
      return true;
    }
    if (!watch.Take()) continue;
    kill(child, SIGINT);  // as Ctrl-C: the job is cancelled
    if (poll(entries, 1, 2000) == 0) kill(child, SIGKILL);
    Reap(child);
    pollfd settling = entries[1];
    while (poll(&settling, 1, kSettleMs) > 0) watch.Take();
    return false;
  }
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
    EAGRE_ASSIGN_OR_RETURN(const pid_t child, StartChild(command));
    if (AwaitEndOrChange(child, watch)) {
      fmt::print(stderr, "Waiting for a change.\n");
      watch.AwaitChange();
    }
    fmt::print(stderr, "Changed: compiling and starting anew.\n");
  }
}

}  // namespace eagre
