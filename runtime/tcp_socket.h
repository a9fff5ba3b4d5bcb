// Non-blocking TCP sockets for the data plane: addresses, listening, connecting. Nothing here waits, but ResolveHost.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/host_port.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace eagre {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};
std::string FormatSocketAddress(const SocketAddress& address);

// The addresses of a numeric host or of "localhost", IPv4 first; nothing when a name server has to be asked.
std::optional<std::vector<SocketAddress>> ResolveWithoutWaiting(const std::string& host, int port);
// Any host; may ask a name server and wait for it.
StatusOr<std::vector<SocketAddress>> ResolveHost(const std::string& host, int port);

struct ListeningSocket {
  UniqueFd fd;
  int port = 0;
};
// Listens on the first of the host's addresses that this machine has; port 0 takes any free one. ALREADY_EXISTS when
// the port is in use.
StatusOr<ListeningSocket> ListenOn(const std::string& host, int port);

// The next connection in the backlog, ready for ConfigureDataSocket; an invalid descriptor when there is none. Fails
// when the process has no descriptors left.
StatusOr<UniqueFd> AcceptFrom(const ListeningSocket& listener, SocketAddress& peer);

// Begins to connect; the socket turns writable when that succeeded or failed, and ConnectResult then tells which.
StatusOr<UniqueFd> StartConnect(const SocketAddress& address);
Status ConnectResult(const UniqueFd& fd);

// No delay for small frames, and a peer whose machine vanished is noticed within about half a minute.
void ConfigureDataSocket(const UniqueFd& fd);

}  // namespace eagre
