// One socket of the data plane: frames out from any thread, frames in on the network's thread.
//
// Whoever sends writes to the socket at once, unless somebody is writing already, who then takes the new frames along,
// or the socket is full, when the network's thread goes on as soon as it is writable. So a frame reaches an idle socket
// without a thread being woken, and frames that queue up leave several to a system call.
#pragma once

#include <absl/functional/function_ref.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/status.h"
#include "runtime/buffer_pool.h"
#include "runtime/data_network.h"
#include "runtime/frame_codec.h"
#include "runtime/tcp_socket.h"

namespace eagre {

// What connections use of the network that serves them. Shared, so that a connection may outlive the network.
class TcpLoop {
 public:
  TcpLoop(BufferPool& buffers, size_t max_frame_bytes);

  int epoll_fd() const { return epoll_.get(); }
  int wake_fd() const { return wake_.get(); }
  size_t max_frame_bytes() const { return max_frame_bytes_; }
  // The network's buffers; to be used only while a connection is open, which it is not once the network is gone.
  BufferPool& buffers() { return buffers_; }

  // Any thread. Runs `task` on the network's thread; drops it, when that has ended.
  void Post(Closure task);
  // Whoever waits for the sockets wakes up.
  void WakeUp();
  // Whoever serves the network: runs what was posted.
  void RunPosted();
  // Nothing is run any more.
  void End();

 private:
  const UniqueFd epoll_;
  const UniqueFd wake_;
  const size_t max_frame_bytes_;
  BufferPool& buffers_;
  std::mutex mutex_;
  std::vector<Closure> posted_;
  std::vector<Closure> running_;
  bool ended_ = false;
};

class TcpConnection : public std::enable_shared_from_this<TcpConnection> {
 public:
  // `id` is what epoll reports for its socket. `on_failure` is called once on the network's thread when sending failed.
  TcpConnection(std::shared_ptr<TcpLoop> loop, uint64_t id, std::function<void(Status)> on_failure);

  // Any thread. Frames sent before Attach are kept.
  void Send(Frame frame);
  // Any thread. Nothing is sent or delivered any more; the socket is shut down.
  void Close();
  bool closed() const { return closed_.load(std::memory_order_acquire); }

  // The rest is for the network's thread.

  // Gives it a connected socket, and sends what waited for it.
  void Attach(UniqueFd fd);
  // Takes frames larger than this for an error from now on.
  void set_max_payload_bytes(size_t bytes) { max_payload_bytes_ = bytes; }
  // Reads what is there (of much, a part), and hands every whole frame to `deliver`, whose failure it passes on. Fails
  // when the peer closed or sent what is no frame. `scratch` is memory to read into, of any content.
  Status OnReadable(std::vector<char>& scratch, absl::FunctionRef<Status(Frame)> deliver);
  void OnWritable();
  // Reads and drops what is there; fails when the peer closed.
  Status Discard(std::vector<char>& scratch);
  // True when the peer's machine has all that was sent, or the connection is closed.
  bool Drained();

 private:
  struct Outgoing {
    FrameHeaderBytes header;
    std::string payload;
  };

  void Write(int calls);
  bool TakeQueued();
  void Advance(size_t bytes);
  void StopWriting(bool await_writable);
  void Fail(Status reason);
  void Watch(bool writable);
  Status Parse(const char* bytes, size_t size, absl::FunctionRef<Status(Frame)> deliver);
  Status BeginPayload();
  Status FinishFrame(absl::FunctionRef<Status(Frame)> deliver);
  Status EndOfStream() const;

  const std::shared_ptr<TcpLoop> loop_;
  const uint64_t id_;
  const std::function<void(Status)> on_failure_;
  std::atomic<bool> closed_{false};
  UniqueFd fd_;  // set by Attach and kept to the end, so that no thread writes to another's descriptor

  // Sending. `mutex_` guards the first group; the second belongs to whoever set `writing_`.
  std::mutex mutex_;
  std::vector<Outgoing> queued_;
  bool attached_ = false;
  bool writing_ = false;
  bool await_writable_ = false;    // the network's thread goes on writing
  bool watches_writable_ = false;  // epoll reports it

  std::vector<Outgoing> in_flight_;
  size_t first_in_flight_ = 0;
  size_t written_of_first_ = 0;  // header and payload counted together

  // Receiving: the frame under way.
  size_t max_payload_bytes_ = kMaxHelloBytes;
  FrameHeaderBytes header_bytes_{};
  size_t header_filled_ = 0;
  FrameHeader header_;
  std::string payload_;
  size_t payload_filled_ = 0;
};

}  // namespace eagre
