#include "base/host_port.h"

#include <charconv>
#include <system_error>

#include <fmt/format.h>

namespace eagre {

std::string NumericHost(const std::string& host) {
  return host == "localhost" ? "127.0.0.1" : host;
}

StatusOr<HostPort> ParseHostPort(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return InvalidArgument("'{}' is no address: expected host:port", address);
  std::string_view host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string_view digits = address.substr(colon + 1);
  HostPort result{.host = std::string(host)};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
  if (host.empty() || error != std::errc() || end != digits.data() + digits.size() || result.port < 1 ||
      result.port > 65535) {
    return InvalidArgument("'{}' is no address: expected host:port with a port from 1 to 65535", address);
  }
  return result;
}

std::string FormatHostPort(std::string_view host, int port) {
  return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port)
                                                  : fmt::format("[{}]:{}", host, port);
}

std::string NumericAddress(const std::string& address) {
  const StatusOr<HostPort> parsed = ParseHostPort(address);
  return parsed.ok() ? FormatHostPort(NumericHost(parsed->host), parsed->port) : address;
}

}  // namespace eagre
