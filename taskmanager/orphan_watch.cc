#include "taskmanager/orphan_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace eagre {
namespace {

constexpr std::chrono::milliseconds kOrphanGrace{1'500};
constexpr int kOrphanExitCode = 3;
constexpr int kLowestDuplicate = 6;  // above what a worker inherits

}  // namespace

void StartOrphanWatch(int socket) {
  const int watched = fcntl(socket, F_DUPFD_CLOEXEC, kLowestDuplicate);
  std::thread([watched] {
    pollfd polled{.fd = watched, .events = POLLRDHUP, .revents = 0};
    while (poll(&polled, 1, -1) < 1 || (polled.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0) {
    }
    std::this_thread::sleep_for(kOrphanGrace);
    // What this process started in its group goes too, when the group is its own.
    if (getpgrp() == getpid()) kill(0, SIGKILL);
    _exit(kOrphanExitCode);
  }).detach();
}

}  // namespace eagre
