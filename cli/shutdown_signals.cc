#include "cli/shutdown_signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/check.h"

namespace eagre {
namespace {

// A signal handler reaches nothing but globals; the pipe is open exactly while an instance lives.
std::atomic<int> shutdown_pipe_write{-1};
int shutdown_pipe_read = -1;
struct sigaction saved_interrupt, saved_terminate, saved_hangup;

void WriteShutdownByte(unsigned char value) {
  const int saved_errno = errno;
  const int fd = shutdown_pipe_write.load(std::memory_order_relaxed);
  // A full pipe means that wake-ups enough are waiting already.
  if (fd >= 0 && write(fd, &value, 1) < 0) errno = saved_errno;
  errno = saved_errno;
}

extern "C" void OnShutdownSignal(int signal_number) {
  WriteShutdownByte(static_cast<unsigned char>(signal_number));
}

}  // namespace

ShutdownSignals::ShutdownSignals(bool also_hangup) {
  EAGRE_CHECK(shutdown_pipe_write.load() < 0);
  int fds[2];
  EAGRE_CHECK(pipe2(fds, O_CLOEXEC) == 0);
  EAGRE_CHECK(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
  shutdown_pipe_read = fds[0];
  shutdown_pipe_write.store(fds[1]);
  struct sigaction action {};
  action.sa_handler = OnShutdownSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &saved_interrupt);
  sigaction(SIGTERM, &action, &saved_terminate);
  sigaction(SIGHUP, nullptr, &saved_hangup);
  if (also_hangup && saved_hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

ShutdownSignals::~ShutdownSignals() {
  sigaction(SIGINT, &saved_interrupt, nullptr);
  sigaction(SIGTERM, &saved_terminate, nullptr);
  sigaction(SIGHUP, &saved_hangup, nullptr);
  close(shutdown_pipe_write.exchange(-1));
  close(shutdown_pipe_read);
}

int ShutdownSignals::Wait() {
  for (;;) {
    unsigned char value = 0;
    const ssize_t got = read(shutdown_pipe_read, &value, 1);
    if (got == 1) return value;
    EAGRE_CHECK(got < 0 && errno == EINTR);
  }
}

void ShutdownSignals::Wake() {
  WriteShutdownByte(0);
}

}  // namespace eagre
