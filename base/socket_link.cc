#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/link.h"
#include "base/link_inbox.h"

namespace eagre {
namespace {

constexpr size_t kFrameHeaderBytes = sizeof(uint32_t);
constexpr size_t kLargestMessageBytes = size_t{64} << 20;
// A peer that does not read for so long that this much waits for it is treated as broken.
constexpr size_t kLargestBacklogBytes = size_t{256} << 20;
// While this much has arrived and is not handled yet nothing more is read, so that the peer feels it.
constexpr size_t kLargestInboxBytes = size_t{64} << 20;
constexpr int kInboxFullPollMs = 5;
// How long an orderly close may take to hand over what was sent before it.
constexpr int64_t kFlushTimeoutNs = 1'000'000'000;
constexpr size_t kReadChunkBytes = size_t{64} << 10;

// One thread does all reading and writing; the socket is non-blocking, an eventfd wakes the thread for new output.
class SocketLink final : public Link {
 public:
  explicit SocketLink(int fd) : fd_(fd), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), inbox_(LinkInbox::New()) {
    fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
    if (wake_fd_ < 0) broken_ = ResourceExhausted("cannot watch a connection: {}", std::strerror(errno));
    thread_ = std::thread([this] { Loop(); });
  }

  ~SocketLink() override {
    Close();
    thread_.join();
    if (wake_fd_ >= 0) close(wake_fd_);
  }

  void Start(Executor& executor, LinkHandlers handlers) override { inbox_->Start(executor, std::move(handlers)); }

  void Send(std::string message) override {
    std::string frame;
    const bool too_large = message.size() > kLargestMessageBytes;
    if (!too_large) {
      frame.reserve(kFrameHeaderBytes + message.size());
      ByteWriter writer(frame);
      writer.Fixed(static_cast<uint32_t>(message.size()));
      writer.Raw(message);
    }
    std::lock_guard lock(mutex_);
    if (closing_ || !broken_.ok()) return;
    if (too_large) {
      broken_ = InvalidArgument("a message of {} bytes is larger than the {} that a link carries", message.size(),
                                kLargestMessageBytes);
    } else if (backlog_bytes_ + frame.size() > kLargestBacklogBytes) {
      broken_ = ResourceExhausted("the peer does not read: {} bytes wait to be sent to it", backlog_bytes_);
    } else {
      backlog_bytes_ += frame.size();
      outgoing_.push_back(std::move(frame));
    }
    Wake();
  }

  void Close() override {
    inbox_->Detach();
    std::lock_guard lock(mutex_);
    closing_ = true;
    Wake();
  }

 private:
  void Wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));  // a full counter wakes as well
  }

  void Loop() {
    const Status reason = ReadAndWriteUntilClosed();
    {
      std::lock_guard lock(mutex_);
      if (broken_.ok()) broken_ = Unavailable("the link is closed");
      outgoing_.clear();
    }
    DiscardInput();
    close(fd_);
    inbox_->PeerClosed(reason);
  }

  Status ReadAndWriteUntilClosed() {
    int64_t flush_until_ns = 0;
    while (true) {
      bool has_output = false;
      bool closing = false;
      {
        std::lock_guard lock(mutex_);
        EAGRE_RETURN_IF_ERROR(broken_);
        has_output = !outgoing_.empty() || written_ < current_.size();
        closing = closing_;
      }
      if (closing) {
        const int64_t now_ns = SystemClock().MonotonicNs();
        if (flush_until_ns == 0) flush_until_ns = now_ns + kFlushTimeoutNs;
        if (!has_output || now_ns >= flush_until_ns) return OkStatus();
      }
      const bool inbox_full = !closing && inbox_->waiting_bytes() > kLargestInboxBytes;
      pollfd polled[2] = {{fd_, 0, 0}, {wake_fd_, POLLIN, 0}};
      if (!inbox_full) polled[0].events |= POLLIN;
      if (has_output) polled[0].events |= POLLOUT;
      poll(polled, 2, inbox_full || closing ? kInboxFullPollMs : -1);
      if (polled[1].revents != 0) {
        uint64_t count;
        [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof(count));
      }
      if (polled[0].revents & POLLOUT) EAGRE_RETURN_IF_ERROR(WriteSome());
      if (polled[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        bool end = false;
        EAGRE_RETURN_IF_ERROR(ReadSome(end));
        if (end) return EndOfInput();
      }
    }
  }

  Status WriteSome() {
    while (true) {
      if (written_ == current_.size()) {
        std::lock_guard lock(mutex_);
        backlog_bytes_ -= current_.size();
        current_.clear();
        written_ = 0;
        if (outgoing_.empty()) return OkStatus();
        current_ = std::move(outgoing_.front());
        outgoing_.pop_front();
      }
      // MSG_NOSIGNAL: a peer that is gone is an error of this link, not the death of the process by SIGPIPE.
      const ssize_t sent = send(fd_, current_.data() + written_, current_.size() - written_, MSG_NOSIGNAL);
      if (sent > 0) {
        written_ += static_cast<size_t>(sent);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return OkStatus();
      } else if (errno == EPIPE || errno == ECONNRESET) {
        // What the peer sent before it went is still read; then the end of input tells.
        std::lock_guard lock(mutex_);
        outgoing_.clear();
        backlog_bytes_ = 0;
        current_.clear();
        written_ = 0;
        return OkStatus();
      } else if (errno != EINTR) {
        return Unavailable("cannot send to the peer: {}", std::strerror(errno));
      }
    }
  }

  Status ReadSome(bool& end) {
    const size_t old_size = input_.size();
    input_.resize(old_size + kReadChunkBytes);
    const ssize_t got = recv(fd_, input_.data() + old_size, kReadChunkBytes, 0);
    input_.resize(old_size + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got == 0) {
      end = true;
      return OkStatus();
    }
    if (got < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return OkStatus();
      return Unavailable("the connection to the peer broke: {}", std::strerror(errno));
    }
    return TakeFrames();
  }

  Status TakeFrames() {
    ByteReader reader(input_);
    size_t used = 0;
    uint32_t size;
    std::string_view message;
    while (reader.Fixed(size)) {
      if (size > kLargestMessageBytes) {
        return DataLoss(
            "the peer announced a message of {} bytes, more than the {} a link carries: it speaks another protocol",
            size, kLargestMessageBytes);
      }
      if (!reader.Raw(size, message)) {
        input_.reserve(kFrameHeaderBytes + size + kReadChunkBytes);
        break;
      }
      inbox_->Deliver(std::string(message));
      used += kFrameHeaderBytes + size;
    }
    input_.erase(0, used);
    return OkStatus();
  }

  Status EndOfInput() const {
    if (input_.empty()) return OkStatus();
    return DataLoss("the peer closed the connection in the middle of a message");
  }

  // A socket closed with unread input resets the peer, which would then miss the orderly end.
  void DiscardInput() {
    shutdown(fd_, SHUT_WR);
    char rest[4096];
    constexpr int kMostReads = 1024;
    for (int i = 0; i < kMostReads && recv(fd_, rest, sizeof(rest), 0) > 0; ++i) {
    }
  }

  const int fd_;
  const int wake_fd_;
  const std::shared_ptr<LinkInbox> inbox_;

  std::mutex mutex_;
  std::deque<std::string> outgoing_;
  size_t backlog_bytes_ = 0;  // of outgoing_ and current_
  Status broken_;             // the reason for which the link is or will be closed
  bool closing_ = false;

  // Of the thread alone.
  std::string current_;
  size_t written_ = 0;
  std::string input_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Link> NewSocketLink(int fd) {
  return std::make_unique<SocketLink>(fd);
}

}  // namespace eagre
