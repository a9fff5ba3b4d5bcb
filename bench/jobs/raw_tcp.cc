#include "bench/jobs/raw_tcp.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/jobs/cluster_processes.h"

namespace eagre::bench {
namespace {

constexpr size_t kPieceBytes = 32 * 1024;

double CpuSecondsOf(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

void ConnectPair(int& sender, int& receiver) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  sender = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      connect(sender, reinterpret_cast<sockaddr*>(&address), size) != 0) {
    std::perror("loopback");
    std::exit(1);
  }
  receiver = accept(listener, nullptr, nullptr);
  close(listener);
  const int on = 1;
  setsockopt(sender, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

RawTcp MeasureRawTcp(size_t bytes) {
  int sender = -1, receiver = -1;
  ConnectPair(sender, receiver);
  const double cpu = CpuSecondsOf(RUSAGE_SELF) + CpuSecondsOf(RUSAGE_CHILDREN);
  const double started = MonotonicSeconds();
  const pid_t child = fork();
  std::vector<char> piece(kPieceBytes, 'x');
  if (child == 0) {
    close(sender);
    while (read(receiver, piece.data(), piece.size()) > 0) {
    }
    _exit(0);
  }
  close(receiver);
  for (size_t sent = 0; sent < bytes;) {
    const ssize_t wrote = write(sender, piece.data(), piece.size());
    if (wrote <= 0) break;
    sent += static_cast<size_t>(wrote);
  }
  close(sender);
  waitpid(child, nullptr, 0);
  const double gigabytes = static_cast<double>(bytes) / 1e9;
  return {gigabytes / (MonotonicSeconds() - started),
          (CpuSecondsOf(RUSAGE_SELF) + CpuSecondsOf(RUSAGE_CHILDREN) - cpu) / gigabytes};
}

}  // namespace eagre::bench
