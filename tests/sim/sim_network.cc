#include "tests/sim/sim_network.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/check.h"

namespace eagre {
namespace {

constexpr int64_t kLongestNoticeNs = 2'000'000'000;
constexpr int64_t kLongestRepeatNs = 200'000'000;

// One direction: delivers in order, each message after a random time. What was sent is delivered although the sender is
// gone.
template <typename Message>
class SimPipe : public std::enable_shared_from_this<SimPipe<Message>> {
 public:
  SimPipe(SimNetwork& network, SimProcess* from, SimProcess* to) : network_(network), from_(from), to_(to) {}

  void Send(Message message) {
    if (ended_ || (from_ != nullptr && !from_->alive)) return;
    in_flight_.push_back(std::move(message));
    ScheduleNext([](SimPipe& self) { self.DeliverNext(); }, network_.RandomDelay(from_, to_));
  }
  void Close(Status reason) {
    if (std::exchange(ended_, true)) return;
    End(std::move(reason), network_.RandomDelay(from_, to_));
  }
  // Nothing that is sent from now on arrives, and what is on its way does up to some message.
  void Cut(Status reason, int64_t notice_ns) {
    if (ended_) return;
    ended_ = true;
    const auto kept = network_.scheduler().Choose(0, static_cast<int64_t>(in_flight_.size()));
    in_flight_.resize(static_cast<size_t>(kept));
    End(std::move(reason), notice_ns);
  }
  // What came before is kept until then.
  void Listen(std::function<void(Message)> message_handler, std::function<void(Status)> closed_handler) {
    if (deaf_) return;
    on_message_ = std::move(message_handler);
    on_closed_ = std::move(closed_handler);
    for (auto& message : std::exchange(early_, {})) Deliver(std::move(message));
  }
  void Deafen() {
    deaf_ = true;
    on_message_ = nullptr;
    on_closed_ = nullptr;
    early_.clear();
  }
  bool open() const { return !ended_ && !deaf_; }
  SimProcess* from() const { return from_; }
  // Whose end is gone is not asked any more.
  void ForgetSender() {
    from_ = nullptr;
    ended_ = true;
  }
  void ForgetReceiver() {
    to_ = nullptr;
    Deafen();
  }

 private:
  void DeliverNext() {
    if (in_flight_.empty()) return;  // cut off meanwhile
    Message message = std::move(in_flight_.front());
    in_flight_.pop_front();
    Deliver(std::move(message));
  }
  void Deliver(Message message) {
    if (deaf_) return;
    if (!on_message_) return early_.push_back(std::move(message));
    const auto handler = on_message_;  // which may deafen this pipe
    handler(std::move(message));
  }
  void End(Status reason, int64_t delay_ns) {
    ScheduleNext(
        [reason](SimPipe& self) {
          if (self.on_closed_) std::exchange(self.on_closed_, nullptr)(reason);
        },
        delay_ns);
  }
  template <typename F>
  void ScheduleNext(F event, int64_t delay_ns) {
    SimScheduler& scheduler = network_.scheduler();
    last_due_ns_ = std::max(scheduler.now_ns() + delay_ns, last_due_ns_ + 1);
    scheduler.Schedule(last_due_ns_ - scheduler.now_ns(), "network",
                       [self = this->shared_from_this(), event = std::move(event)] { event(*self); });
  }

  SimNetwork& network_;
  SimProcess* from_;
  SimProcess* to_;
  std::function<void(Message)> on_message_;
  std::function<void(Status)> on_closed_;
  std::deque<Message> in_flight_;
  std::deque<Message> early_;
  int64_t last_due_ns_ = 0;
  bool ended_ = false;
  bool deaf_ = false;
};

template <typename Message>
class SimPipes final : public SimConnection {
 public:
  using Pipe = SimPipe<Message>;
  SimPipes(SimNetwork& network, SimProcess* first, SimProcess* second) : ends_{first, second} {
    towards_[0] = std::make_shared<Pipe>(network, second, first);
    towards_[1] = std::make_shared<Pipe>(network, first, second);
  }
  static std::shared_ptr<SimPipes> New(SimNetwork& network, SimProcess* first, SimProcess* second) {
    auto pipes = std::make_shared<SimPipes>(network, first, second);
    network.Add(pipes);
    return pipes;
  }

  SimProcess* end(int side) const override { return ends_[side]; }
  void CutTowards(int side, Status reason, int64_t notice_ns) override {
    towards_[side]->Cut(std::move(reason), notice_ns);
  }
  void Forget(int side) override {
    ends_[side] = nullptr;
    towards_[side]->ForgetReceiver();
    towards_[1 - side]->ForgetSender();
  }
  bool open() const override { return towards_[0]->open() || towards_[1]->open(); }

  Pipe& towards(int side) { return *towards_[side]; }

 private:
  SimProcess* ends_[2];
  std::shared_ptr<Pipe> towards_[2];
};

using LinkPipes = SimPipes<std::string>;
using DataPipes = SimPipes<Frame>;

class SimLink final : public Link {
 public:
  SimLink(SimNetwork& network, std::shared_ptr<LinkPipes> pipes, int side, bool may_repeat)
      : network_(network), pipes_(std::move(pipes)), side_(side), may_repeat_(may_repeat) {}
  ~SimLink() override { Close(); }

  void Start(Executor& executor, LinkHandlers handlers) override {
    auto shared = std::make_shared<LinkHandlers>(std::move(handlers));
    pipes_->towards(side_).Listen(
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
    if (!*open_) return;
    if (may_repeat_ && network_.Repeats(side_, message)) {
      SimScheduler& scheduler = network_.scheduler();
      scheduler.Schedule(scheduler.Choose(0, kLongestRepeatNs), "repeat",
                         [pipes = pipes_, to = 1 - side_, message] { pipes->towards(to).Send(message); });
    }
    pipes_->towards(1 - side_).Send(std::move(message));
  }
  void Close() override {
    if (!std::exchange(*open_, false)) return;
    pipes_->towards(side_).Deafen();
    pipes_->towards(1 - side_).Close(OkStatus());
  }

 private:
  SimNetwork& network_;
  const std::shared_ptr<LinkPipes> pipes_;
  const int side_;
  const bool may_repeat_;
  std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
};

class SimDataConnection final : public DataConnection {
 public:
  SimDataConnection(std::shared_ptr<DataPipes> pipes, int side) : pipes_(std::move(pipes)), side_(side) {}
  ~SimDataConnection() override { Close(); }
  void Send(Frame frame) override {
    if (!closed_) pipes_->towards(1 - side_).Send(std::move(frame));
  }
  void Close() override {
    if (std::exchange(closed_, true)) return;
    pipes_->towards(side_).Deafen();
    pipes_->towards(1 - side_).Close(OkStatus());
  }

 private:
  const std::shared_ptr<DataPipes> pipes_;
  const int side_;
  bool closed_ = false;
};

class SimDataNetwork final : public DataNetwork {
 public:
  SimDataNetwork(SimNetwork& network, SimProcess* process)
      : network_(network), process_(process), thread_(network.scheduler(), process) {}
  ~SimDataNetwork() override { Stop(); }

  StatusOr<std::string> Listen(const std::string& token, AcceptHandler on_accept) override {
    address_ = network_.NewAddress();
    network_.listeners()[address_] = {
        token, process_,
        [this, on_accept = std::move(on_accept)](int32_t worker, std::shared_ptr<SimConnection> connection) {
          auto pipes = std::static_pointer_cast<DataPipes>(std::move(connection));
          DataHandlers handlers = on_accept(worker, std::make_unique<SimDataConnection>(pipes, 1));
          Serve(std::move(pipes), 1, std::move(handlers));
        }};
    return address_;
  }

  std::unique_ptr<DataConnection> Connect(const std::string& address, const DataHello& hello,
                                          DataHandlers handlers) override {
    const auto listening = network_.listeners().find(address);
    SimProcess* const peer = listening == network_.listeners().end() ? nullptr : listening->second.process;
    auto pipes = DataPipes::New(network_, process_, peer);
    Serve(pipes, 0, std::move(handlers));
    network_.scheduler().Schedule(
        network_.RandomDelay(process_, peer), "connect", [&network = network_, address, hello, pipes] {
          const auto listener = network.listeners().find(address);
          if (listener == network.listeners().end() || listener->second.token != hello.token) {
            pipes->towards(0).Close(Unavailable("nobody at {} accepts this connection", address));
            return;
          }
          listener->second.on_connected(hello.worker_index, pipes);
        });
    return std::make_unique<SimDataConnection>(std::move(pipes), 0);
  }

  void Stop() override {
    if (!address_.empty()) network_.listeners().erase(address_);
    running_ = false;
    for (const auto& [known, side] : std::exchange(connections_, {})) {
      const auto pipes = known.lock();
      if (pipes == nullptr) continue;
      pipes->towards(side).Deafen();
      pipes->towards(1 - side).Close(OkStatus());
    }
  }

 private:
  // The handlers are called by the network's own thread, and no more after Stop.
  void Serve(std::shared_ptr<DataPipes> pipes, int side, DataHandlers handlers) {
    connections_.emplace_back(pipes, side);
    auto shared = std::make_shared<DataHandlers>(std::move(handlers));
    pipes->towards(side).Listen(
        [this, shared](Frame frame) {
          Deliver([shared, frame = std::move(frame)]() mutable { shared->on_frame(std::move(frame)); });
        },
        [this, shared](Status reason) { Deliver([shared, reason] { shared->on_closed(reason); }); });
  }
  void Deliver(Closure event) {
    if (!running_ || !thread_.alive()) return;
    received_.push_back(std::move(event));
    network_.scheduler().Schedule(
        0, "received",
        [this] {
          Closure next = std::move(received_.front());
          received_.pop_front();
          if (running_) next();
        },
        &thread_);
  }

  SimNetwork& network_;
  SimProcess* const process_;
  std::string address_;
  bool running_ = true;
  std::vector<std::pair<std::weak_ptr<DataPipes>, int>> connections_;  // and which side is this one's
  std::deque<Closure> received_;
  SimThread thread_;
};

}  // namespace

void SimNetwork::Add(std::weak_ptr<SimConnection> connection) {
  std::erase_if(connections_, [](const auto& known) { return known.expired(); });
  connections_.push_back(std::move(connection));
}

std::vector<std::shared_ptr<SimConnection>> SimNetwork::OpenConnections() {
  std::vector<std::shared_ptr<SimConnection>> open;
  for (const auto& known : connections_) {
    if (auto connection = known.lock(); connection != nullptr && connection->open())
      open.push_back(std::move(connection));
  }
  return open;
}

int64_t SimNetwork::RandomDelay(const SimProcess* from, const SimProcess* to) {
  int64_t delay_ns = scheduler_.Choose(options_.min_delay_ns, options_.max_delay_ns);
  if (from == nullptr || to == nullptr || from->machine == to->machine) return delay_ns;
  if (options_.spike_one_in > 0 && scheduler_.OneIn(options_.spike_one_in)) {
    delay_ns += scheduler_.Choose(0, options_.spike_ns);
  }
  for (const SimProcess* end : {from, to}) {
    const auto isolated = isolated_until_ns_.find(end->machine);
    if (isolated == isolated_until_ns_.end()) continue;
    delay_ns = std::max(delay_ns, isolated->second - scheduler_.now_ns() + delay_ns);
  }
  return delay_ns;
}

void SimNetwork::OnDeath(const SimProcess& process, int64_t silence_ns) {
  for (const auto& connection : OpenConnections()) {
    for (const int side : {0, 1}) {
      if (connection->end(side) != &process) continue;
      const int64_t notice_ns = silence_ns + RandomDelay(connection->end(side), connection->end(1 - side));
      connection->CutTowards(1 - side, Unavailable("connection reset by peer"), notice_ns);
    }
  }
  for (const auto& known : connections_) {
    const auto connection = known.lock();
    if (connection == nullptr) continue;
    for (const int side : {0, 1}) {
      if (connection->end(side) == &process) connection->Forget(side);
    }
  }
  std::erase_if(listeners_, [&](const auto& entry) { return entry.second.process == &process; });
}

bool SimNetwork::BreakOne(const std::function<bool(const SimConnection&)>& which) {
  std::vector<std::shared_ptr<SimConnection>> candidates;
  for (auto& connection : OpenConnections()) {
    if (which(*connection)) candidates.push_back(std::move(connection));
  }
  if (candidates.empty()) return false;
  SimConnection& chosen =
      *candidates[static_cast<size_t>(scheduler_.Choose(0, static_cast<int64_t>(candidates.size()) - 1))];
  for (const int side : {0, 1}) {
    const int64_t most_ns = scheduler_.OneIn(4) ? kLongestNoticeNs : options_.max_delay_ns;
    chosen.CutTowards(side, Unavailable("the connection broke"), scheduler_.Choose(0, most_ns));
  }
  return true;
}

std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>> SimNetwork::NewLinkPair(SimProcess* first, SimProcess* second,
                                                                                bool may_repeat) {
  auto pipes = LinkPipes::New(*this, first, second);
  return {std::make_unique<SimLink>(*this, pipes, 0, may_repeat),
          std::make_unique<SimLink>(*this, pipes, 1, may_repeat)};
}

std::unique_ptr<DataNetwork> SimNetwork::NewDataNetwork(SimProcess* process) {
  return std::make_unique<SimDataNetwork>(*this, process);
}

}  // namespace eagre
