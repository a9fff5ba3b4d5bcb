#include "tests/sim/sim_network.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/check.h"

namespace eagre {
namespace {

// One direction of a pipe: delivers in order, each message after a random time. Shared by the two ends, so that what
// was sent is delivered although the sender is gone.
template <typename Message>
class SimPipe : public std::enable_shared_from_this<SimPipe<Message>> {
 public:
  explicit SimPipe(SimNetwork& network) : network_(network) {}

  void Send(Message message) {
    Enqueue([this, message = std::move(message)]() mutable { Deliver(std::move(message)); });
  }
  void Close(Status reason) {
    if (std::exchange(closed_, true)) return;
    Enqueue([this, reason] {
      if (on_closed_) std::exchange(on_closed_, nullptr)(reason);
    });
  }
  // The receiver's end is gone or does not listen yet.
  void Listen(std::function<void(Message)> message_handler, std::function<void(Status)> closed_handler) {
    on_message_ = std::move(message_handler);
    on_closed_ = std::move(closed_handler);
    for (auto& message : std::exchange(early_, {})) Deliver(std::move(message));
  }
  void Deafen() {
    deaf_ = true;
    on_message_ = nullptr;
    on_closed_ = nullptr;
  }

 private:
  void Deliver(Message message) {
    if (deaf_) return;
    if (!on_message_) return early_.push_back(std::move(message));
    const auto handler = on_message_;  // which may deafen this pipe
    handler(std::move(message));
  }
  void Enqueue(Closure deliver) {
    SimScheduler& scheduler = network_.scheduler();
    last_due_ns_ = std::max(scheduler.now_ns() + network_.RandomDelay(), last_due_ns_ + 1);
    scheduler.Schedule(last_due_ns_ - scheduler.now_ns(), "network",
                       [self = this->shared_from_this(), deliver = std::move(deliver)]() mutable { deliver(); });
  }

  SimNetwork& network_;
  std::function<void(Message)> on_message_;
  std::function<void(Status)> on_closed_;
  std::deque<Message> early_;
  int64_t last_due_ns_ = 0;
  bool closed_ = false;
  bool deaf_ = false;
};

class SimLink final : public Link {
 public:
  using Pipe = SimPipe<std::string>;
  SimLink(std::shared_ptr<Pipe> out, std::shared_ptr<Pipe> in) : out_(std::move(out)), in_(std::move(in)) {}
  ~SimLink() override { Close(); }

  void Start(Executor& executor, LinkHandlers handlers) override {
    auto shared = std::make_shared<LinkHandlers>(std::move(handlers));
    in_->Listen(
        [&executor, shared, open = open_](std::string message) {
          executor.Post([shared, open, message = std::move(message)] {
            if (*open) shared->on_message(message);
          });
        },
        [&executor, shared, open = open_](Status reason) {
          executor.Post([shared, open, reason] {
            if (*open) shared->on_closed(reason);
          });
        });
  }
  void Send(std::string message) override {
    if (*open_) out_->Send(std::move(message));
  }
  void Close() override {
    if (!*open_) return;
    *open_ = false;
    in_->Deafen();
    out_->Close(OkStatus());
  }

 private:
  std::shared_ptr<Pipe> out_;
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
};

class SimDataConnection final : public DataConnection {
 public:
  using Pipe = SimPipe<Frame>;
  SimDataConnection(std::shared_ptr<Pipe> out, std::shared_ptr<Pipe> in) : out_(std::move(out)), in_(std::move(in)) {}
  ~SimDataConnection() override { Close(); }
  void Send(Frame frame) override {
    if (!closed_) out_->Send(std::move(frame));
  }
  void Close() override {
    if (std::exchange(closed_, true)) return;
    in_->Deafen();
    out_->Close(OkStatus());
  }

 private:
  std::shared_ptr<Pipe> out_;
  std::shared_ptr<Pipe> in_;
  bool closed_ = false;
};

class SimDataNetwork final : public DataNetwork {
 public:
  explicit SimDataNetwork(SimNetwork& network) : network_(network) {}
  ~SimDataNetwork() override { Stop(); }

  StatusOr<std::string> Listen(const std::string& token, AcceptHandler on_accept) override {
    address_ = network_.NewAddress();
    network_.listeners()[address_] = {token, std::move(on_accept)};
    return address_;
  }

  std::unique_ptr<DataConnection> Connect(const std::string& address, const DataHello& hello,
                                          DataHandlers handlers) override {
    auto there = std::make_shared<SimDataConnection::Pipe>(network_);
    auto back = std::make_shared<SimDataConnection::Pipe>(network_);
    back->Listen(std::move(handlers.on_frame), std::move(handlers.on_closed));
    network_.scheduler().Schedule(
        network_.RandomDelay(), "connect", [&network = network_, address, hello, there, back] {
          const auto listener = network.listeners().find(address);
          if (listener == network.listeners().end() || listener->second.token != hello.token) {
            back->Close(Unavailable("nobody at {} accepts this connection", address));
            return;
          }
          DataHandlers accepted =
              listener->second.on_accept(hello.worker_index, std::make_unique<SimDataConnection>(back, there));
          there->Listen(std::move(accepted.on_frame), std::move(accepted.on_closed));
        });
    return std::make_unique<SimDataConnection>(there, back);
  }

  void Stop() override {
    if (!address_.empty()) network_.listeners().erase(address_);
  }

 private:
  SimNetwork& network_;
  std::string address_;
};

}  // namespace

std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> SimNetwork::NewLinkPair() {
  auto there = std::make_shared<SimLink::Pipe>(*this);
  auto back = std::make_shared<SimLink::Pipe>(*this);
  return {std::make_unique<SimLink>(there, back), std::make_unique<SimLink>(back, there)};
}

std::unique_ptr<DataNetwork> SimNetwork::NewDataNetwork() {
  return std::make_unique<SimDataNetwork>(*this);
}

}  // namespace eagre
