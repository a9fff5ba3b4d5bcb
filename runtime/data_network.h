// The data plane's transport: frames between the workers of one attempt. Real: framed TCP over epoll
// (NewTcpDataNetwork). Simulated: in the tests. What the frames mean is the business of exchange.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "runtime/buffer_pool.h"

namespace eagre {

struct Frame {
  uint64_t channel = 0;
  uint8_t type = 0;     // of exchange.h
  std::string payload;  // its memory is reused: whoever has drained it releases it to the network's buffers()
};

// One connection between two workers. Send may be called on any thread and never blocks: what may be outstanding is
// bounded by the credits of the layer above.
class DataConnection {
 public:
  virtual ~DataConnection() = default;  // closes
  virtual void Send(Frame frame) = 0;
  virtual void Close() = 0;
};

// Called on the network's thread, which is, here and wherever it is spoken of, the thread that serves the network at
// the moment: its own or a slot's (DataNetwork::Serve), never two at once. The simulator's: its scheduler's.
struct DataHandlers {
  std::function<void(Frame frame)> on_frame;
  std::function<void(Status reason)> on_closed;  // at most once, last; not after Close() by this side
};

// Who connects, sent first on every connection. A connection that does not show the attempt's token in time is closed.
struct DataHello {
  std::string token;
  int32_t worker_index = 0;
};

class DataNetwork {
 public:
  virtual ~DataNetwork() = default;
  // Opens this worker's port and returns its address, host:port. `on_accept` is called for every connection that showed
  // `token`, and returns the handlers to use for it.
  using AcceptHandler = std::function<DataHandlers(int32_t worker_index, std::unique_ptr<DataConnection> connection)>;
  virtual StatusOr<std::string> Listen(const std::string& token, AcceptHandler on_accept) = 0;
  // Starts to connect; frames sent before the connection stands are kept. A failure to connect is reported by
  // on_closed.
  virtual std::unique_ptr<DataConnection> Connect(const std::string& address, const DataHello& hello,
                                                  DataHandlers handlers) = 0;
  // Stops listening, closes all connections (what was sent before still goes out to a peer that reads it); no handler
  // is called any more once it returned. Not to be called from a handler.
  virtual void Stop() = 0;

  // Threads that have nothing else to do serve the network, so that no other has to be woken for what arrives. As they
  // stand here: a network that needs nobody.

  // Delivers what has arrived, by handlers on this thread. False when nothing had, or another thread serves.
  virtual bool Serve() { return false; }
  // Waits until there is something to serve, Interrupt was called or `timeout_ms` is over (-1: never). False at once
  // when another thread serves: the caller is to sleep elsewhere, and counts as asleep until EndSleep is called, by
  // whichever thread.
  virtual bool Wait(int /*timeout_ms*/) { return false; }
  virtual void EndSleep() {}
  // Ends the Wait under way, or the next. Any thread.
  virtual void Interrupt() {}

  // Memory for payloads, for the transport and for who speaks over it.
  BufferPool& buffers() { return buffers_; }

 private:
  BufferPool buffers_;
};

struct TcpNetworkOptions {
  std::string bind_host = "localhost";
  std::string advertised_host = "localhost";  // put into the address that Listen returns
  int port = 0;                               // 0: any free one
  int last_port = 0;                          // when above `port`: the first free one of the range
  int64_t hello_timeout_ms = 10'000;          // for a peer that connected to show a valid hello
  int64_t connect_timeout_ms = 10'000;        // for each address of a peer
  int64_t linger_ms = 5'000;                  // for Stop to send what is left
  int max_pending_connections = 64;           // accepted, without a valid hello yet; more are closed at once
  size_t max_frame_bytes = 1u << 30;          // of a peer that showed the token; larger ones break the connection
  // Told why a connection without a valid hello was closed, for the log. On the network's thread.
  std::function<void(const Status& reason)> on_rejected;
};

// One epoll thread for all connections.
std::unique_ptr<DataNetwork> NewTcpDataNetwork(const TcpNetworkOptions& options);

}  // namespace eagre
