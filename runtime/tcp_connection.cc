#include "runtime/tcp_connection.h"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace eagre {
namespace {

constexpr int kReadsPerEvent = 4;  // then the other connections have their turn
constexpr int kWritesPerSend = 4;  // then the network's thread takes over from the sending one
constexpr int kWritesPerEvent = 16;
constexpr size_t kFramesPerWrite = 16;
constexpr size_t kPooledFrom = 256;            // smaller payloads are not worth a buffer of the pool
constexpr size_t kFirstAllocation = 1u << 20;  // of a large payload; the rest follows as its bytes arrive

std::string SystemErrorText(int error) {
  return std::generic_category().message(error);
}

}  // namespace

TcpLoop::TcpLoop(BufferPool& buffers, size_t max_frame_bytes)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      max_frame_bytes_(max_frame_bytes),
      buffers_(buffers) {
  EAGRE_CHECK_MSG(epoll_.valid() && wake_.valid(),
                  "no descriptors left for the data network: " + SystemErrorText(errno));
}

void TcpLoop::Post(Closure task) {
  bool was_empty;
  {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    was_empty = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (was_empty) WakeUp();
}

void TcpLoop::WakeUp() {
  const uint64_t one = 1;
  static_cast<void>(!write(wake_.get(), &one, sizeof(one)));
}

void TcpLoop::RunPosted() {
  uint64_t count;
  static_cast<void>(!read(wake_.get(), &count, sizeof(count)));
  {
    std::lock_guard lock(mutex_);
    running_.swap(posted_);
  }
  for (Closure& task : running_) task();
  running_.clear();
}

void TcpLoop::End() {
  std::vector<Closure> dropped;  // destroyed after the lock is released: they may hold connections
  std::lock_guard lock(mutex_);
  ended_ = true;
  dropped.swap(posted_);
}

TcpConnection::TcpConnection(std::shared_ptr<TcpLoop> loop, uint64_t id, std::function<void(Status)> on_failure)
    : loop_(std::move(loop)), id_(id), on_failure_(std::move(on_failure)) {}

void TcpConnection::Send(Frame frame) {
  if (frame.payload.size() > loop_->max_frame_bytes()) {
    Fail(ResourceExhausted("a frame of {} bytes is larger than the data network's limit of {} bytes",
                           frame.payload.size(), loop_->max_frame_bytes()));
    return;
  }
  Outgoing outgoing{EncodeFrameHeader(frame.channel, frame.type, frame.payload), std::move(frame.payload)};
  {
    std::lock_guard lock(mutex_);
    if (closed()) return;
    queued_.push_back(std::move(outgoing));
    if (!attached_ || writing_ || await_writable_) return;
    writing_ = true;
  }
  Write(kWritesPerSend);
}

void TcpConnection::Close() {
  std::lock_guard lock(mutex_);
  if (closed_.exchange(true)) return;
  queued_.clear();
  if (attached_) {
    shutdown(fd_.get(), SHUT_RDWR);  // a thread that is writing now gets an error
    epoll_ctl(loop_->epoll_fd(), EPOLL_CTL_DEL, fd_.get(), nullptr);
  }
}

void TcpConnection::Attach(UniqueFd fd) {
  {
    std::lock_guard lock(mutex_);
    if (closed()) return;
    fd_ = std::move(fd);
    attached_ = true;
    writing_ = true;
    epoll_event event{.events = EPOLLIN, .data = {.u64 = id_}};
    epoll_ctl(loop_->epoll_fd(), EPOLL_CTL_ADD, fd_.get(), &event);
  }
  Write(kWritesPerEvent);
}

void TcpConnection::OnWritable() {
  {
    std::lock_guard lock(mutex_);
    if (!await_writable_ || closed()) return;
    await_writable_ = false;
    writing_ = true;
  }
  Write(kWritesPerEvent);
}

// Makes at most `calls` system calls. REQUIRES: this thread set writing_.
void TcpConnection::Write(int calls) {
  std::array<iovec, 2 * kFramesPerWrite> pieces;
  while (true) {
    if (first_in_flight_ == in_flight_.size() && !TakeQueued()) return;
    if (calls-- == 0) return StopWriting(/*await_writable=*/true);
    size_t count = 0;
    size_t wanted = 0;
    size_t skip = written_of_first_;
    for (size_t i = first_in_flight_; i < in_flight_.size() && count + 2 <= pieces.size(); ++i) {
      Outgoing& frame = in_flight_[i];
      if (skip < kFrameHeaderBytes) {
        pieces[count++] = {frame.header.data() + skip, kFrameHeaderBytes - skip};
        skip = kFrameHeaderBytes;
      }
      pieces[count++] = {frame.payload.data() + (skip - kFrameHeaderBytes),
                         frame.payload.size() - (skip - kFrameHeaderBytes)};
      wanted += frame.header.size() + frame.payload.size();
      skip = 0;
    }
    wanted -= written_of_first_;
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t written = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) Fail(Unavailable("cannot send: {}", SystemErrorText(errno)));
      return StopWriting(/*await_writable=*/true);
    }
    Advance(static_cast<size_t>(written));
    if (static_cast<size_t>(written) < wanted) return StopWriting(/*await_writable=*/true);
  }
}

// False, and the writer's role given up, when there is nothing more to write.
bool TcpConnection::TakeQueued() {
  in_flight_.clear();
  first_in_flight_ = 0;
  std::lock_guard lock(mutex_);
  if (!queued_.empty()) {
    in_flight_.swap(queued_);
    return true;
  }
  writing_ = false;
  if (watches_writable_) Watch(/*writable=*/false);
  return false;
}

void TcpConnection::Advance(size_t bytes) {
  bytes += written_of_first_;
  while (first_in_flight_ < in_flight_.size()) {
    Outgoing& frame = in_flight_[first_in_flight_];
    const size_t frame_bytes = kFrameHeaderBytes + frame.payload.size();
    if (bytes < frame_bytes) break;
    bytes -= frame_bytes;
    if (!closed()) loop_->buffers().Release(std::move(frame.payload));
    ++first_in_flight_;
  }
  written_of_first_ = bytes;
}

void TcpConnection::StopWriting(bool await_writable) {
  std::lock_guard lock(mutex_);
  writing_ = false;
  await_writable_ = await_writable;
  if (await_writable && !watches_writable_) Watch(/*writable=*/true);
}

// REQUIRES: mutex_ is held.
void TcpConnection::Watch(bool writable) {
  watches_writable_ = writable;
  if (closed()) return;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = id_}};
  if (writable) event.events |= EPOLLOUT;
  epoll_ctl(loop_->epoll_fd(), EPOLL_CTL_MOD, fd_.get(), &event);
}

void TcpConnection::Fail(Status reason) {
  loop_->Post([self = shared_from_this(), reason = std::move(reason)] { self->on_failure_(reason); });
}

Status TcpConnection::OnReadable(std::vector<char>& scratch, absl::FunctionRef<Status(Frame)> deliver) {
  for (int reads = 0; reads < kReadsPerEvent && !closed(); ++reads) {
    // The rest of a payload goes straight to its place, what follows through the scratch memory.
    const size_t rest = header_filled_ == kFrameHeaderBytes ? payload_.size() - payload_filled_ : 0;
    const std::array<iovec, 2> pieces{iovec{payload_.data() + payload_filled_, rest},
                                      iovec{scratch.data(), scratch.size()}};
    const ssize_t result =
        rest > 0 ? readv(fd_.get(), pieces.data(), 2) : read(fd_.get(), scratch.data(), scratch.size());
    if (result == 0) return EndOfStream();
    if (result < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return OkStatus();
      return Unavailable("the connection broke: {}", SystemErrorText(errno));
    }
    const auto size = static_cast<size_t>(result);
    const size_t placed = std::min(rest, size);
    payload_filled_ += placed;
    if (placed > 0 && payload_filled_ == payload_.size()) EAGRE_RETURN_IF_ERROR(FinishFrame(deliver));
    EAGRE_RETURN_IF_ERROR(Parse(scratch.data(), size - placed, deliver));
    if (size < rest + scratch.size()) return OkStatus();  // that was all
  }
  return OkStatus();
}

Status TcpConnection::Parse(const char* bytes, size_t size, absl::FunctionRef<Status(Frame)> deliver) {
  while (size > 0 && !closed()) {
    if (header_filled_ < kFrameHeaderBytes) {
      const size_t part = std::min(size, kFrameHeaderBytes - header_filled_);
      std::memcpy(header_bytes_.data() + header_filled_, bytes, part);
      header_filled_ += part;
      bytes += part;
      size -= part;
      if (header_filled_ < kFrameHeaderBytes) break;
      EAGRE_RETURN_IF_ERROR(BeginPayload());
    }
    const size_t part = std::min(size, payload_.size() - payload_filled_);
    std::memcpy(payload_.data() + payload_filled_, bytes, part);
    payload_filled_ += part;
    bytes += part;
    size -= part;
    if (payload_filled_ == payload_.size()) EAGRE_RETURN_IF_ERROR(FinishFrame(deliver));
  }
  return OkStatus();
}

Status TcpConnection::BeginPayload() {
  EAGRE_ASSIGN_OR_RETURN(header_, DecodeFrameHeader(header_bytes_, max_payload_bytes_));
  payload_filled_ = 0;
  // A buffer of the pool still has its old contents, which spares filling most of it with zeros.
  payload_ = header_.payload_bytes >= kPooledFrom ? loop_->buffers().Take() : std::string();
  payload_.resize(std::min<size_t>(header_.payload_bytes, kFirstAllocation));
  return OkStatus();
}

// Called when payload_ is full, which is the end of the frame unless only a part of its memory was allocated so far.
Status TcpConnection::FinishFrame(absl::FunctionRef<Status(Frame)> deliver) {
  if (payload_filled_ < header_.payload_bytes) {
    payload_.resize(std::min<size_t>(header_.payload_bytes, payload_.size() * 2));
    return OkStatus();
  }
  EAGRE_RETURN_IF_ERROR(VerifyFrame(header_bytes_, payload_));
  header_filled_ = 0;
  payload_filled_ = 0;
  return deliver(Frame{.channel = header_.channel, .type = header_.type, .payload = std::exchange(payload_, {})});
}

Status TcpConnection::EndOfStream() const {
  if (header_filled_ > 0) return Unavailable("the peer closed the connection in the middle of a frame");
  return Unavailable("the peer closed the connection");
}

Status TcpConnection::Discard(std::vector<char>& scratch) {
  while (true) {
    const ssize_t result = read(fd_.get(), scratch.data(), scratch.size());
    if (result > 0 || (result < 0 && errno == EINTR)) continue;
    if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return OkStatus();
    return EndOfStream();
  }
}

bool TcpConnection::Drained() {
  std::lock_guard lock(mutex_);
  if (closed() || !attached_) return true;
  if (writing_ || await_writable_ || !queued_.empty()) return false;
  int unacknowledged = 0;
  return ioctl(fd_.get(), SIOCOUTQ, &unacknowledged) != 0 || unacknowledged == 0;
}

}  // namespace eagre
