#include <pthread.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/executor.h"
#include "runtime/data_network.h"
#include "runtime/frame_codec.h"
#include "runtime/network_turn.h"
#include "runtime/tcp_connection.h"
#include "runtime/tcp_socket.h"

namespace eagre {
namespace {

constexpr uint64_t kWakeId = 0;
constexpr uint64_t kListenerId = 1;
constexpr uint64_t kFirstConnectionId = 2;
constexpr int kAcceptsPerEvent = 16;
constexpr int kEventsPerWait = 64;
constexpr int64_t kAcceptPauseNs = 100'000'000;  // when the process has no descriptors left
constexpr int kDrainCheckMs = 2;
constexpr int64_t kNsPerMs = 1'000'000;
// What one read takes beyond the rest of the frame under way: some small frames. The bulk of a large frame is better
// read straight to its place than copied once more.
constexpr size_t kScratchBytes = 8 * 1024;

class TcpDataNetwork;

// The owner's handle of a connection.
class TcpConnectionHandle final : public DataConnection {
 public:
  TcpConnectionHandle(std::shared_ptr<TcpLoop> loop, std::shared_ptr<TcpConnection> connection, Closure forget)
      : loop_(std::move(loop)), connection_(std::move(connection)), forget_(std::move(forget)) {}
  ~TcpConnectionHandle() override { TcpConnectionHandle::Close(); }

  void Send(Frame frame) override { connection_->Send(std::move(frame)); }
  void Close() override {
    connection_->Close();
    if (!forgotten_.exchange(true)) loop_->Post(std::move(forget_));
  }

 private:
  const std::shared_ptr<TcpLoop> loop_;
  const std::shared_ptr<TcpConnection> connection_;
  std::atomic<bool> forgotten_{false};
  Closure forget_;
};

class TcpDataNetwork final : public DataNetwork {
 public:
  explicit TcpDataNetwork(TcpNetworkOptions options)
      : options_(std::move(options)), loop_(std::make_shared<TcpLoop>(buffers(), options_.max_frame_bytes)) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeId}};
    EAGRE_CHECK(epoll_ctl(loop_->epoll_fd(), EPOLL_CTL_ADD, loop_->wake_fd(), &event) == 0);
    thread_ = std::thread([this] { Run(); });
    pthread_setname_np(thread_.native_handle(), "eagre-network");
  }
  ~TcpDataNetwork() override { TcpDataNetwork::Stop(); }

  StatusOr<std::string> Listen(const std::string& token, AcceptHandler on_accept) override;
  std::unique_ptr<DataConnection> Connect(const std::string& address, const DataHello& hello,
                                          DataHandlers handlers) override;
  void Stop() override;
  bool Serve() override;
  bool Wait(int timeout_ms) override;
  void EndSleep() override { turn_.EndSleep(); }
  void Interrupt() override { loop_->WakeUp(); }

 private:
  enum class Stage { kConnecting, kAwaitsHello, kOpen };

  // A connection and what is known of it here. For whoever has the turn.
  struct Entry {
    std::shared_ptr<TcpConnection> connection;
    std::string peer;  // for messages
    Stage stage = Stage::kConnecting;
    DataHandlers handlers;
    int64_t deadline_ns = 0;  // of kConnecting and kAwaitsHello
    std::vector<SocketAddress> addresses;
    size_t next_address = 0;
    UniqueFd connecting;
    Status connect_failure;
  };

  // Any thread.
  std::shared_ptr<TcpConnection> NewConnection(uint64_t id);
  std::unique_ptr<DataConnection> NewHandle(uint64_t id, std::shared_ptr<TcpConnection> connection);

  void Run();

  // Whoever has the turn.
  bool ServeSockets(int wait_ms);
  void Dispatch(const epoll_event& event);
  int WaitMs() const;
  void ExpireDeadlines();
  void SetDeadline(uint64_t id, Entry& entry, int64_t timeout_ms);
  void ClearDeadline(uint64_t id, Entry& entry);
  void WatchListener(bool watch);
  void AcceptConnections();
  void Accept(UniqueFd fd, const SocketAddress& peer);
  void BeginConnect(uint64_t id, StatusOr<std::vector<SocketAddress>> addresses);
  void TryNextAddress(uint64_t id, Entry& entry);
  void FinishConnect(uint64_t id, Entry& entry);
  Status Deliver(uint64_t id, Entry& entry, Frame frame);
  Status AcceptHello(uint64_t id, Entry& entry, const Frame& frame);
  void CloseEntry(uint64_t id, Status reason);
  void Forget(uint64_t id);
  void Drain();

  const TcpNetworkOptions options_;
  const std::shared_ptr<TcpLoop> loop_;
  std::atomic<uint64_t> next_id_{kFirstConnectionId};
  std::thread thread_;
  std::mutex resolver_mutex_;
  std::unique_ptr<ThreadExecutor> resolver_;  // made when a name has to be resolved; asking may wait for seconds

  NetworkTurn turn_;
  std::atomic<bool> stopping_{false};

  // Whoever has the turn.
  std::vector<char> scratch_ = std::vector<char>(kScratchBytes);
  std::map<uint64_t, Entry> entries_;
  std::set<std::pair<int64_t, uint64_t>> deadlines_;
  int awaiting_hello_ = 0;
  ListeningSocket listener_;
  std::string token_;
  AcceptHandler on_accept_;
  int64_t accept_paused_until_ns_ = 0;  // 0: not paused
};

StatusOr<std::string> TcpDataNetwork::Listen(const std::string& token, AcceptHandler on_accept) {
  StatusOr<ListeningSocket> listener = ListenOn(options_.bind_host, options_.port);
  for (int port = options_.port + 1; !listener.ok() && port <= options_.last_port; ++port) {
    listener = ListenOn(options_.bind_host, port);
  }
  if (!listener.ok()) {
    return Unavailable(
        "cannot open the data port {}: {} (set taskmanager.data.port to a free port, or to 0 for any, and "
        "taskmanager.bind-host to an address of this machine)",
        FormatHostPort(options_.bind_host, options_.port), StatusMessage(listener.status()));
  }
  std::string address = FormatHostPort(options_.advertised_host, listener->port);
  loop_->Post([this, token, listener = *std::move(listener), on_accept = std::move(on_accept)]() mutable {
    EAGRE_CHECK_MSG(!listener_.fd.valid(), "the data network listens already");
    listener_ = std::move(listener);
    token_ = std::move(token);
    on_accept_ = std::move(on_accept);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = kListenerId}};
    epoll_ctl(loop_->epoll_fd(), EPOLL_CTL_ADD, listener_.fd.get(), &event);
  });
  return address;
}

std::shared_ptr<TcpConnection> TcpDataNetwork::NewConnection(uint64_t id) {
  return std::make_shared<TcpConnection>(loop_, id, [this, id](Status reason) { CloseEntry(id, std::move(reason)); });
}

std::unique_ptr<DataConnection> TcpDataNetwork::NewHandle(uint64_t id, std::shared_ptr<TcpConnection> connection) {
  return std::make_unique<TcpConnectionHandle>(loop_, std::move(connection), [this, id] { Forget(id); });
}

std::unique_ptr<DataConnection> TcpDataNetwork::Connect(const std::string& address, const DataHello& hello,
                                                        DataHandlers handlers) {
  const uint64_t id = next_id_.fetch_add(1);
  std::shared_ptr<TcpConnection> connection = NewConnection(id);
  connection->set_max_payload_bytes(options_.max_frame_bytes);
  connection->Send(Frame{.channel = 0, .type = kHelloFrame, .payload = EncodeHello(hello)});
  std::unique_ptr<DataConnection> handle = NewHandle(id, connection);
  loop_->Post([this, id, address, connection = std::move(connection), handlers = std::move(handlers)]() mutable {
    entries_.emplace(id, Entry{.connection = std::move(connection), .peer = address, .handlers = std::move(handlers)});
  });
  const StatusOr<HostPort> target = ParseHostPort(address);
  if (!target.ok()) {
    loop_->Post([this, id, status = target.status()] { BeginConnect(id, status); });
  } else if (auto addresses = ResolveWithoutWaiting(target->host, target->port)) {
    loop_->Post([this, id, addresses = *std::move(addresses)]() mutable { BeginConnect(id, std::move(addresses)); });
  } else {
    std::lock_guard lock(resolver_mutex_);
    if (resolver_ == nullptr) resolver_ = std::make_unique<ThreadExecutor>("eagre-resolver");
    resolver_->Post([this, id, target = *target] {
      loop_->Post([this, id, addresses = ResolveHost(target.host, target.port)]() mutable {
        BeginConnect(id, std::move(addresses));
      });
    });
  }
  return handle;
}

void TcpDataNetwork::Stop() {
  if (!thread_.joinable()) return;
  EAGRE_CHECK_MSG(thread_.get_id() != std::this_thread::get_id(), "a handler must not stop the data network");
  {
    std::lock_guard lock(resolver_mutex_);
    resolver_.reset();
  }
  stopping_ = true;
  turn_.Stop();
  loop_->WakeUp();
  thread_.join();
  loop_->End();
}

void TcpDataNetwork::Run() {
  while (turn_.AwaitOwn()) {
    do {
      ServeSockets(WaitMs());
    } while (turn_.KeepOwn());
  }
  loop_->RunPosted();
  Drain();
}

// False when nothing had arrived.
bool TcpDataNetwork::ServeSockets(int wait_ms) {
  std::array<epoll_event, kEventsPerWait> events;
  const int count = epoll_wait(loop_->epoll_fd(), events.data(), events.size(), wait_ms);
  for (int i = 0; i < count && !stopping_; ++i) Dispatch(events[static_cast<size_t>(i)]);
  if (!deadlines_.empty() || accept_paused_until_ns_ != 0) ExpireDeadlines();
  return count > 0;
}

bool TcpDataNetwork::Serve() {
  if (!turn_.Take()) return false;
  const bool served = ServeSockets(0);
  turn_.Return();
  return served;
}

bool TcpDataNetwork::Wait(int timeout_ms) {
  if (!turn_.TakeToWait()) return false;
  const int deadline_ms = WaitMs();
  const int wait_ms =
      timeout_ms < 0 || deadline_ms < 0 ? std::max(timeout_ms, deadline_ms) : std::min(timeout_ms, deadline_ms);
  epoll_event event;  // is there still for Serve
  epoll_wait(loop_->epoll_fd(), &event, 1, wait_ms);
  turn_.Return();
  return true;
}

void TcpDataNetwork::Dispatch(const epoll_event& event) {
  const uint64_t id = event.data.u64;
  if (id == kWakeId) return loop_->RunPosted();
  if (id == kListenerId) return AcceptConnections();
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;  // closed by an earlier event of this round
  Entry& entry = found->second;
  if (entry.stage == Stage::kConnecting) return FinishConnect(id, entry);
  if (event.events & EPOLLOUT) entry.connection->OnWritable();
  if (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    const Status status = entry.connection->OnReadable(
        scratch_, [this, id, &entry](Frame frame) { return Deliver(id, entry, std::move(frame)); });
    if (!status.ok()) CloseEntry(id, status);
  }
}

int TcpDataNetwork::WaitMs() const {
  int64_t next_ns = deadlines_.empty() ? INT64_MAX : deadlines_.begin()->first;
  if (accept_paused_until_ns_ != 0) next_ns = std::min(next_ns, accept_paused_until_ns_);
  if (next_ns == INT64_MAX) return -1;
  const int64_t wait_ns = next_ns - SystemClock().MonotonicNs();
  return static_cast<int>(std::clamp<int64_t>(wait_ns / kNsPerMs + 1, 0, 60'000));
}

void TcpDataNetwork::ExpireDeadlines() {
  const int64_t now_ns = SystemClock().MonotonicNs();
  if (accept_paused_until_ns_ != 0 && accept_paused_until_ns_ <= now_ns) {
    accept_paused_until_ns_ = 0;
    WatchListener(true);
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ns) {
    const uint64_t id = deadlines_.begin()->second;
    Entry& entry = entries_.at(id);
    if (entry.stage == Stage::kConnecting) {
      entry.connect_failure = Unavailable("no answer within {} ms", options_.connect_timeout_ms);
      TryNextAddress(id, entry);
    } else {
      CloseEntry(id, Unavailable("no hello within {} ms", options_.hello_timeout_ms));
    }
  }
}

void TcpDataNetwork::SetDeadline(uint64_t id, Entry& entry, int64_t timeout_ms) {
  ClearDeadline(id, entry);
  entry.deadline_ns = SystemClock().MonotonicNs() + timeout_ms * kNsPerMs;
  deadlines_.emplace(entry.deadline_ns, id);
}

void TcpDataNetwork::ClearDeadline(uint64_t id, Entry& entry) {
  deadlines_.erase({entry.deadline_ns, id});
}

void TcpDataNetwork::WatchListener(bool watch) {
  epoll_event event{.events = watch ? EPOLLIN : 0u, .data = {.u64 = kListenerId}};
  epoll_ctl(loop_->epoll_fd(), EPOLL_CTL_MOD, listener_.fd.get(), &event);
}

void TcpDataNetwork::AcceptConnections() {
  for (int i = 0; i < kAcceptsPerEvent; ++i) {
    SocketAddress peer;
    StatusOr<UniqueFd> fd = AcceptFrom(listener_, peer);
    if (!fd.ok()) {
      if (options_.on_rejected) options_.on_rejected(fd.status());
      WatchListener(false);
      accept_paused_until_ns_ = SystemClock().MonotonicNs() + kAcceptPauseNs;
      return;
    }
    if (!fd->valid()) return;
    Accept(*std::move(fd), peer);
  }
}

void TcpDataNetwork::Accept(UniqueFd fd, const SocketAddress& peer) {
  if (awaiting_hello_ >= options_.max_pending_connections) {
    if (options_.on_rejected) {
      options_.on_rejected(ResourceExhausted("{}: {} connections without a hello are open already",
                                             FormatSocketAddress(peer), awaiting_hello_));
    }
    return;
  }
  ConfigureDataSocket(fd);
  const uint64_t id = next_id_.fetch_add(1);
  Entry& entry = entries_[id];
  entry.connection = NewConnection(id);
  entry.peer = FormatSocketAddress(peer);
  entry.stage = Stage::kAwaitsHello;
  ++awaiting_hello_;
  SetDeadline(id, entry, options_.hello_timeout_ms);
  entry.connection->Attach(std::move(fd));
}

void TcpDataNetwork::BeginConnect(uint64_t id, StatusOr<std::vector<SocketAddress>> addresses) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;  // closed meanwhile
  if (!addresses.ok()) return CloseEntry(id, addresses.status());
  found->second.addresses = *std::move(addresses);
  TryNextAddress(id, found->second);
}

void TcpDataNetwork::TryNextAddress(uint64_t id, Entry& entry) {
  entry.connecting = UniqueFd();
  ClearDeadline(id, entry);
  while (entry.next_address < entry.addresses.size()) {
    StatusOr<UniqueFd> fd = StartConnect(entry.addresses[entry.next_address++]);
    if (!fd.ok()) {
      entry.connect_failure = fd.status();
      continue;
    }
    entry.connecting = *std::move(fd);
    SetDeadline(id, entry, options_.connect_timeout_ms);
    epoll_event event{.events = EPOLLOUT, .data = {.u64 = id}};
    epoll_ctl(loop_->epoll_fd(), EPOLL_CTL_ADD, entry.connecting.get(), &event);
    return;
  }
  CloseEntry(id, WithContext(entry.connect_failure, "cannot connect"));
}

void TcpDataNetwork::FinishConnect(uint64_t id, Entry& entry) {
  if (Status status = ConnectResult(entry.connecting); !status.ok()) {
    entry.connect_failure = std::move(status);
    return TryNextAddress(id, entry);
  }
  ClearDeadline(id, entry);
  entry.stage = Stage::kOpen;
  ConfigureDataSocket(entry.connecting);
  epoll_ctl(loop_->epoll_fd(), EPOLL_CTL_DEL, entry.connecting.get(), nullptr);
  entry.connection->Attach(std::move(entry.connecting));
}

Status TcpDataNetwork::Deliver(uint64_t id, Entry& entry, Frame frame) {
  if (entry.stage == Stage::kAwaitsHello) return AcceptHello(id, entry, frame);
  if (frame.type == kHelloFrame) return DataLoss("a second hello");
  entry.handlers.on_frame(std::move(frame));
  return OkStatus();
}

Status TcpDataNetwork::AcceptHello(uint64_t id, Entry& entry, const Frame& frame) {
  if (frame.type != kHelloFrame) return DataLoss("a frame of type {} where a hello was expected", frame.type);
  EAGRE_ASSIGN_OR_RETURN(const DataHello hello, DecodeHello(frame.payload, token_));
  ClearDeadline(id, entry);
  --awaiting_hello_;
  entry.stage = Stage::kOpen;
  entry.connection->set_max_payload_bytes(options_.max_frame_bytes);
  entry.handlers = on_accept_(hello.worker_index, NewHandle(id, entry.connection));
  return OkStatus();
}

void TcpDataNetwork::CloseEntry(uint64_t id, Status reason) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const bool by_owner = found->second.connection->closed();
  const Stage stage = found->second.stage;
  const DataHandlers handlers = std::move(found->second.handlers);
  const Status full_reason = WithContext(reason, found->second.peer);
  Forget(id);
  if (by_owner) return;
  if (stage == Stage::kAwaitsHello) {
    if (options_.on_rejected) options_.on_rejected(full_reason);
  } else if (handlers.on_closed) {
    handlers.on_closed(full_reason);
  }
}

void TcpDataNetwork::Forget(uint64_t id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  ClearDeadline(id, entry);
  if (entry.stage == Stage::kAwaitsHello) --awaiting_hello_;
  entry.connection->Close();
  entries_.erase(found);
}

// Sends what was sent before Stop to the peers that take it, without calling handlers any more. Incoming bytes are
// dropped, so that two networks that stop at the same time do not wait for each other.
void TcpDataNetwork::Drain() {
  listener_ = ListeningSocket();
  const int64_t deadline_ns = SystemClock().MonotonicNs() + options_.linger_ms * kNsPerMs;
  for (auto it = entries_.begin(); it != entries_.end();) {
    const uint64_t id = (it++)->first;
    if (entries_.at(id).stage != Stage::kOpen) Forget(id);
  }
  std::array<epoll_event, kEventsPerWait> events;
  const auto drained = [](const auto& item) { return item.second.connection->Drained(); };
  while (!std::all_of(entries_.begin(), entries_.end(), drained) && SystemClock().MonotonicNs() < deadline_ns) {
    const int count = epoll_wait(loop_->epoll_fd(), events.data(), events.size(), kDrainCheckMs);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      const auto found = entries_.find(event.data.u64);
      if (found == entries_.end()) continue;
      if (event.events & EPOLLOUT) found->second.connection->OnWritable();
      if (!found->second.connection->Discard(scratch_).ok()) Forget(event.data.u64);
    }
  }
  for (auto& [id, entry] : entries_) entry.connection->Close();
  entries_.clear();
}

}  // namespace

std::unique_ptr<DataNetwork> NewTcpDataNetwork(const TcpNetworkOptions& options) {
  return std::make_unique<TcpDataNetwork>(options);
}

}  // namespace eagre
