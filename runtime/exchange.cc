#include "runtime/exchange.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "runtime/remote_channel.h"

namespace eagre {
namespace {

// Credits that came before their channels were created here; more channels than that between two workers are no job.
constexpr size_t kMostEarlyCredits = 1u << 20;

// Another worker: the connection to it, once it stands, and the channels on it. Any thread.
class Peer final : public FrameSink {
 public:
  Peer(int32_t index, BufferPool& buffers, size_t max_frame_bytes, const Exchange::Handlers& handlers)
      : index_(index), buffers_(buffers), max_frame_bytes_(max_frame_bytes), handlers_(handlers) {}

  // False when there is a connection already. Sends what waited for it.
  bool Attach(std::unique_ptr<DataConnection> connection);

  std::shared_ptr<CreditAccount> OpenOutput(uint64_t channel, int buffers, Waker& waker);
  std::shared_ptr<Inbox> OpenInput(uint64_t channel, int buffers, Waker& waker);

  // A frame for a channel, which needs a connection: whoever sends one was given credit over it, or gives credit back.
  void Send(Frame frame) override;
  BufferPool& buffers() override { return buffers_; }
  // Kept until there is a connection.
  void SendOperatorEvent(std::string event);

  // The network's thread.
  void OnFrame(Frame frame);
  void OnClosed(Status reason);

 private:
  Status TakeFrame(Frame frame);
  Status TakeCredit(uint64_t channel, const Credit& credit);
  // A failure found on this side: no more of this peer.
  void GiveUp(Status reason);

  const int32_t index_;
  BufferPool& buffers_;
  const size_t max_frame_bytes_;
  const Exchange::Handlers& handlers_;
  std::atomic<bool> lost_{false};
  std::atomic<DataConnection*> sender_{nullptr};  // connection_, for those without the lock

  std::mutex mutex_;
  std::unique_ptr<DataConnection> connection_;  // set once, kept to the end
  absl::flat_hash_map<uint64_t, std::shared_ptr<CreditAccount>> outputs_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Inbox>> inputs_;
  absl::flat_hash_map<uint64_t, Credit> early_credits_;
  std::vector<Frame> unsent_;  // credits and operator events from before the connection
};

bool Peer::Attach(std::unique_ptr<DataConnection> connection) {
  std::lock_guard lock(mutex_);
  if (connection_ != nullptr || connection == nullptr) return false;
  connection_ = std::move(connection);
  for (Frame& frame : std::exchange(unsent_, {})) connection_->Send(std::move(frame));
  sender_.store(connection_.get(), std::memory_order_release);
  return true;
}

std::shared_ptr<CreditAccount> Peer::OpenOutput(uint64_t channel, int buffers, Waker& waker) {
  auto account = std::make_shared<CreditAccount>(buffers, waker);
  std::lock_guard lock(mutex_);
  EAGRE_CHECK_MSG(outputs_.emplace(channel, account).second, "an output channel is created twice");
  if (const auto early = early_credits_.find(channel); early != early_credits_.end()) {
    const Status status = account->Add(early->second);
    EAGRE_CHECK(status.ok());
    early_credits_.erase(early);
  }
  return account;
}

std::shared_ptr<Inbox> Peer::OpenInput(uint64_t channel, int buffers, Waker& waker) {
  auto inbox = std::make_shared<Inbox>(buffers, waker);
  std::lock_guard lock(mutex_);
  EAGRE_CHECK_MSG(inputs_.emplace(channel, inbox).second, "an input channel is created twice");
  Frame credit = MakeCreditFrame(channel, inbox->InitialCredit());
  if (connection_ != nullptr) {
    connection_->Send(std::move(credit));
  } else {
    unsent_.push_back(std::move(credit));
  }
  return inbox;
}

void Peer::Send(Frame frame) {
  if (frame.payload.size() > max_frame_bytes_) {
    return GiveUp(ResourceExhausted(
        "a record makes a frame of {} bytes, more than taskmanager.network.max-frame-size = {} bytes allows between "
        "workers; raise it, or make smaller records",
        frame.payload.size(), max_frame_bytes_));
  }
  DataConnection* sender = sender_.load(std::memory_order_acquire);
  EAGRE_CHECK_MSG(sender != nullptr, "a frame is sent on a channel before its peer gave credit for it");
  sender->Send(std::move(frame));
}

void Peer::SendOperatorEvent(std::string event) {
  Frame frame{.channel = 0, .type = static_cast<uint8_t>(FrameType::kOperatorEvent), .payload = std::move(event)};
  std::lock_guard lock(mutex_);
  if (connection_ != nullptr) {
    connection_->Send(std::move(frame));
  } else {
    unsent_.push_back(std::move(frame));
  }
}

void Peer::OnFrame(Frame frame) {
  if (lost_.load(std::memory_order_acquire)) return;
  if (Status status = TakeFrame(std::move(frame)); !status.ok()) GiveUp(std::move(status));
}

Status Peer::TakeFrame(Frame frame) {
  switch (static_cast<FrameType>(frame.type)) {
    case FrameType::kData:
    case FrameType::kEvent:
    case FrameType::kOrigin: {
      std::shared_ptr<Inbox> inbox;
      {
        std::lock_guard lock(mutex_);
        if (const auto found = inputs_.find(frame.channel); found != inputs_.end()) inbox = found->second;
      }
      if (inbox == nullptr) return DataLoss("a frame for a channel that was not opened ({:#x})", frame.channel);
      if (frame.payload.size() > max_frame_bytes_) return DataLoss("a frame of {} bytes", frame.payload.size());
      const uint64_t channel = frame.channel;
      if (!inbox->Put(std::move(frame))) return DataLoss("a frame without credit on channel {:#x}", channel);
      return OkStatus();
    }
    case FrameType::kCredit: {
      EAGRE_ASSIGN_OR_RETURN(const Credit credit, ReadCredit(frame.payload));
      return TakeCredit(frame.channel, credit);
    }
    case FrameType::kOperatorEvent: handlers_.on_operator_event(frame.payload); return OkStatus();
  }
  return DataLoss("a frame of unknown type {}", frame.type);
}

Status Peer::TakeCredit(uint64_t channel, const Credit& credit) {
  std::shared_ptr<CreditAccount> account;
  {
    std::lock_guard lock(mutex_);
    if (const auto found = outputs_.find(channel); found != outputs_.end()) {
      account = found->second;
    } else if (early_credits_.size() == kMostEarlyCredits || !early_credits_.emplace(channel, credit).second) {
      return DataLoss("credit for a channel that has none open ({:#x})", channel);
    }
  }
  return account != nullptr ? account->Add(credit) : OkStatus();
}

void Peer::OnClosed(Status reason) {
  if (!lost_.exchange(true)) handlers_.on_peer_lost(index_, std::move(reason));
}

void Peer::GiveUp(Status reason) {
  {
    std::lock_guard lock(mutex_);
    if (connection_ != nullptr) connection_->Close();
  }
  OnClosed(std::move(reason));
}

}  // namespace

class Exchange::Impl {
 public:
  Impl(DataNetwork& network, ExchangeOptions options, Handlers handlers)
      : network_(network), options_(std::move(options)), handlers_(std::move(handlers)) {
    EAGRE_CHECK(options_.buffers_per_channel > 0);
  }

  StatusOr<std::string> Listen() {
    return network_.Listen(options_.token, [this](int32_t worker, std::unique_ptr<DataConnection> connection) {
      return Accept(worker, std::move(connection));
    });
  }

  void ConnectPeers(const std::vector<std::string>& addresses) {
    for (size_t i = static_cast<size_t>(options_.worker_index) + 1; i < addresses.size(); ++i) {
      std::shared_ptr<Peer> peer = GetPeer(static_cast<int32_t>(i));
      const DataHello hello{.token = options_.token, .worker_index = options_.worker_index};
      peer->Attach(network_.Connect(addresses[i], hello, HandlersFor(peer)));
    }
  }

  std::shared_ptr<Peer> GetPeer(int32_t index) {
    EAGRE_CHECK_MSG(index >= 0 && index != options_.worker_index, "a worker needs no network to reach itself");
    std::lock_guard lock(mutex_);
    std::shared_ptr<Peer>& peer = peers_[index];
    if (peer == nullptr) {
      peer = std::make_shared<Peer>(index, network_.buffers(), options_.max_frame_bytes, handlers_);
    }
    return peer;
  }

  void SendOperatorEvent(int32_t peer, std::string event) {
    if (peer == options_.worker_index) return handlers_.on_operator_event(event);
    GetPeer(peer)->SendOperatorEvent(std::move(event));
  }

  void Stop() { network_.Stop(); }

  const ExchangeOptions& options() const { return options_; }

 private:
  // On the network's thread. A connection that is not wanted is dropped, which closes it.
  DataHandlers Accept(int32_t worker, std::unique_ptr<DataConnection> connection) {
    if (worker < 0 || worker >= options_.worker_index) return Ignore();
    std::shared_ptr<Peer> peer = GetPeer(worker);
    if (!peer->Attach(std::move(connection))) return Ignore();
    return HandlersFor(peer);
  }

  static DataHandlers HandlersFor(const std::shared_ptr<Peer>& peer) {
    return {.on_frame = [peer](Frame frame) { peer->OnFrame(std::move(frame)); },
            .on_closed = [peer](Status reason) { peer->OnClosed(std::move(reason)); }};
  }
  static DataHandlers Ignore() {
    return {.on_frame = [](Frame) {}, .on_closed = [](Status) {}};
  }

  DataNetwork& network_;
  const ExchangeOptions options_;
  const Handlers handlers_;
  std::mutex mutex_;
  std::map<int32_t, std::shared_ptr<Peer>> peers_;
};

Exchange::Exchange(DataNetwork& network, ExchangeOptions options, Handlers handlers)
    : impl_(std::make_unique<Impl>(network, std::move(options), std::move(handlers))) {}

Exchange::~Exchange() {
  Stop();
}

StatusOr<std::string> Exchange::Listen() {
  return impl_->Listen();
}

void Exchange::ConnectPeers(const std::vector<std::string>& addresses) {
  impl_->ConnectPeers(addresses);
}

std::unique_ptr<OutputChannel> Exchange::CreateOutput(int32_t peer, ChannelId id, const BatchType& type, Waker& waker) {
  std::shared_ptr<Peer> target = impl_->GetPeer(peer);
  std::shared_ptr<CreditAccount> credits = target->OpenOutput(id.Packed(), impl_->options().buffers_per_channel, waker);
  // So that only a large record, never a full buffer, makes a frame that is refused.
  const size_t buffer_bytes = std::min(impl_->options().buffer_bytes, impl_->options().max_frame_bytes / 2);
  return std::make_unique<RemoteOutput>(std::move(target), std::move(credits), id.Packed(), type, buffer_bytes);
}

std::unique_ptr<InputChannel> Exchange::CreateInput(int32_t peer, ChannelId id, const BatchType& type, Waker& waker) {
  std::shared_ptr<Peer> source = impl_->GetPeer(peer);
  std::shared_ptr<Inbox> inbox = source->OpenInput(id.Packed(), impl_->options().buffers_per_channel, waker);
  return std::make_unique<RemoteInput>(std::move(source), std::move(inbox), id.Packed(), type);
}

void Exchange::SendOperatorEvent(int32_t peer, std::string event) {
  impl_->SendOperatorEvent(peer, std::move(event));
}

void Exchange::Stop() {
  impl_->Stop();
}

}  // namespace eagre
