#include "tests/vectors/run_apart.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>

namespace eagre::vectors {
namespace {

constexpr rlim_t kMaxSeconds = 30;
constexpr rlim_t kMaxGibibytes = 4;

// Soft, so that the next vector can be given more.
void Limit(__rlimit_resource resource, rlim_t amount) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return;
  limit.rlim_cur = std::min(amount, limit.rlim_max);
  setrlimit(resource, &limit);
}

void LimitProcess() {
  Limit(RLIMIT_CORE, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these reserve far more than they use
  Limit(RLIMIT_AS, kMaxGibibytes << 30);
#endif
}

// From now on.
void LimitTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  Limit(RLIMIT_CPU, static_cast<rlim_t>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + 1 + kMaxSeconds);
}

Outcome Guarded(const std::function<Outcome(size_t)>& run, size_t i) {
  try {
    return run(i);
  } catch (const std::bad_alloc&) {
    return Outcome::Of(fmt::format("takes more memory than the {} GiB that a vector is given", kMaxGibibytes));
  } catch (const std::exception& error) {
    return Outcome::Of(error.what());
  }
}

void Write(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

// False at the end.
bool Read(int file, char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t got = read(file, bytes, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

// An outcome in the pipe: the verdict, the length of the reason, the reason.
struct Head {
  Outcome::Verdict verdict;
  size_t length;
};

void WriteOutcome(int file, const Outcome& outcome) {
  const Head head{outcome.verdict, outcome.reason.size()};
  Write(file, {reinterpret_cast<const char*>(&head), sizeof(head)});
  Write(file, outcome.reason);
}

bool ReadOutcome(int file, Outcome& outcome) {
  Head head;
  if (!Read(file, reinterpret_cast<char*>(&head), sizeof(head))) return false;
  outcome.verdict = head.verdict;
  outcome.reason.resize(head.length);
  return Read(file, outcome.reason.data(), head.length);
}

std::string EndOf(int status) {
  if (!WIFSIGNALED(status)) return fmt::format("its process ended with {}", WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL) {
    return fmt::format("was stopped: it takes more than {} s of the processor, or the machine's memory", kMaxSeconds);
  }
  return fmt::format("crashed: {}", strsignal(WTERMSIG(status)));
}

class Copy {
 public:
  // Of this process, that runs from `first` on.
  Copy(size_t first, size_t count, const std::function<Outcome(size_t)>& run) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    std::fflush(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      LimitProcess();
      for (size_t i = first; i < count; ++i) {
        LimitTime();
        WriteOutcome(ends[1], Guarded(run, i));
      }
      _exit(0);
    }
    close(ends[1]);
    file_ = ends[0];
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() { close(file_); }

  bool Next(Outcome& outcome) { return pid_ > 0 && ReadOutcome(file_, outcome); }
  // Why there was no next.
  std::string End() const {
    int status = 0;
    if (pid_ < 0) return "there is no process to run it in";
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return EndOf(status);
  }

 private:
  pid_t pid_ = -1;
  int file_ = -1;
};

}  // namespace

void RunApart(size_t count, const std::function<Outcome(size_t)>& run,
              const std::function<void(size_t, Outcome)>& report) {
  for (size_t i = 0; i < count; ++i) {
    Copy copy(i, count, run);
    for (Outcome outcome; i < count && copy.Next(outcome); ++i) report(i, outcome);
    const std::string end = copy.End();
    if (i < count) report(i, Outcome::Of(end));
  }
}

}  // namespace eagre::vectors
