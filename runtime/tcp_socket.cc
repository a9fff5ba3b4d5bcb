#include "runtime/tcp_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace eagre {
namespace {

constexpr int kListenBacklog = 128;
constexpr int kKeepaliveIdleSeconds = 10;
constexpr int kKeepaliveIntervalSeconds = 5;
constexpr int kKeepaliveProbes = 4;
constexpr unsigned kUserTimeoutMs = 30'000;

std::string ErrorText(int error) {
  return std::generic_category().message(error);
}

template <typename T>
void SetOption(const UniqueFd& fd, int level, int name, T value) {
  // Only a hint is lost when the kernel refuses one of these.
  static_cast<void>(setsockopt(fd.get(), level, name, &value, sizeof(value)));
}

// Ports are set by the caller.
std::vector<SocketAddress> ToSocketAddresses(const addrinfo* list, int port) {
  std::vector<SocketAddress> addresses;
  for (; list != nullptr; list = list->ai_next) {
    if (list->ai_family != AF_INET && list->ai_family != AF_INET6) continue;
    SocketAddress address;
    std::memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
    address.size = list->ai_addrlen;
    if (list->ai_family == AF_INET) {
      reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(static_cast<uint16_t>(port));
    } else {
      reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(static_cast<uint16_t>(port));
    }
    addresses.push_back(address);
  }
  return addresses;
}

StatusOr<std::vector<SocketAddress>> Resolve(const std::string& host, int port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) return Unavailable("cannot resolve host '{}': {}", host, gai_strerror(error));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  std::vector<SocketAddress> addresses = ToSocketAddresses(list, port);
  if (addresses.empty()) return Unavailable("host '{}' has no IPv4 or IPv6 address", host);
  return addresses;
}

StatusOr<ListeningSocket> ListenOnAddress(const SocketAddress& address) {
  ListeningSocket listener;
  listener.fd = UniqueFd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener.fd.valid()) return Unavailable("{}", ErrorText(errno));
  SetOption(listener.fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind(listener.fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 ||
      listen(listener.fd.get(), kListenBacklog) != 0) {
    return errno == EADDRINUSE ? AlreadyExists("{}", ErrorText(errno)) : Unavailable("{}", ErrorText(errno));
  }
  SocketAddress bound;
  bound.size = sizeof(bound.storage);
  if (getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.size) != 0) {
    return Unavailable("{}", ErrorText(errno));
  }
  listener.port = ntohs(bound.storage.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(bound.storage).sin_port
                                                           : reinterpret_cast<sockaddr_in6&>(bound.storage).sin6_port);
  return listener;
}

}  // namespace

std::string FormatSocketAddress(const SocketAddress& address) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  const auto* generic = reinterpret_cast<const sockaddr*>(&address.storage);
  if (getnameinfo(generic, address.size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) !=
      0) {
    return "an unknown address";
  }
  return FormatHostPort(host, std::atoi(port));
}

std::optional<std::vector<SocketAddress>> ResolveWithoutWaiting(const std::string& host, int port) {
  if (host == "localhost") {
    std::vector<SocketAddress> addresses = *ResolveWithoutWaiting("127.0.0.1", port);
    addresses.push_back(ResolveWithoutWaiting("::1", port)->front());
    return addresses;
  }
  StatusOr<std::vector<SocketAddress>> addresses = Resolve(host, port, AI_NUMERICHOST);
  if (!addresses.ok()) return std::nullopt;
  return *std::move(addresses);
}

StatusOr<std::vector<SocketAddress>> ResolveHost(const std::string& host, int port) {
  if (auto addresses = ResolveWithoutWaiting(host, port)) return *std::move(addresses);
  return Resolve(host, port, AI_ADDRCONFIG);
}

StatusOr<ListeningSocket> ListenOn(const std::string& host, int port) {
  EAGRE_ASSIGN_OR_RETURN(const std::vector<SocketAddress> addresses, ResolveHost(host, port));
  Status first_failure;
  for (const SocketAddress& address : addresses) {
    StatusOr<ListeningSocket> listener = ListenOnAddress(address);
    // A port that is taken on one of the addresses is not taken on another: peers would reach whoever has the first.
    if (listener.ok() || listener.status().code() == absl::StatusCode::kAlreadyExists) return listener;
    if (first_failure.ok()) first_failure = listener.status();
  }
  return first_failure;
}

StatusOr<UniqueFd> AcceptFrom(const ListeningSocket& listener, SocketAddress& peer) {
  while (true) {
    peer.size = sizeof(peer.storage);
    UniqueFd fd(accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.size,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid() || errno == EAGAIN || errno == EWOULDBLOCK) return fd;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return ResourceExhausted("cannot accept a data connection: {}", ErrorText(errno));
    }
    // Everything else concerns one connection that is already gone again (ECONNABORTED, EPROTO, EINTR...).
  }
}

StatusOr<UniqueFd> StartConnect(const SocketAddress& address) {
  UniqueFd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Unavailable("{}", ErrorText(errno));
  const int result = connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size);
  if (result != 0 && errno != EINPROGRESS && errno != EINTR) return Unavailable("{}", ErrorText(errno));
  return fd;
}

Status ConnectResult(const UniqueFd& fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return error == 0 ? OkStatus() : Unavailable("{}", ErrorText(error));
}

void ConfigureDataSocket(const UniqueFd& fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
  SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
}

}  // namespace eagre
