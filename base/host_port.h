// Addresses as users write them: "host:port".
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace eagre {

struct HostPort {
  std::string host;
  int port = 0;
};
// "127.0.0.1" for "localhost", else the host. One address, so that a port is either ours or not: "localhost" may stand
// for two of which one is taken, and on a bare machine for none.
std::string NumericHost(const std::string& host);
// Reads "host:port" or "[ipv6]:port".
StatusOr<HostPort> ParseHostPort(std::string_view address);
std::string FormatHostPort(std::string_view host, int port);
// "localhost:6123" with the numeric host, other addresses as they are.
std::string NumericAddress(const std::string& address);

}  // namespace eagre
