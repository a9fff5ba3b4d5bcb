// A bare TCP client on loopback: scrapes metrics, and plays the stranger who connects to the wrong port.
#pragma once

#include <string>
#include <string_view>

namespace eagre {

// A connection to 127.0.0.1; closed by the destructor.
class TcpProbe {
 public:
  explicit TcpProbe(int port);
  ~TcpProbe();
  TcpProbe(TcpProbe&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  TcpProbe(const TcpProbe&) = delete;
  TcpProbe& operator=(const TcpProbe&) = delete;

  bool connected() const { return fd_ >= 0; }
  // False when the peer is gone. Never raises SIGPIPE.
  bool Send(std::string_view bytes);
  // What comes until the peer closes, at most for a few seconds.
  std::string ReceiveUntilClosed();

 private:
  int fd_ = -1;
};

// The body of an answer 200 to GET `path`, else "".
std::string HttpGet(int port, const std::string& path);

// Bytes that look like nothing, the same for one seed.
std::string RandomBytes(size_t size, unsigned seed);

}  // namespace eagre
