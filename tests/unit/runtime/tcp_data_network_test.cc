// The network carries frames whole and in order, and whatever connects to its port, it neither falls nor grows.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/random.h"
#include "runtime/data_network.h"
#include "runtime/frame_codec.h"
#include "runtime/tcp_socket.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kDeadline{60};
constexpr uint64_t kProperChannel = 0xCAFE;
constexpr char kToken[] = "the token of this attempt";

// Gathers what a network's thread reports, for the test's thread to wait for.
class Report {
 public:
  void Take(Frame frame) {
    std::lock_guard lock(mutex_);
    frames_.push_back(std::move(frame));
    changed_.notify_all();
  }
  void Reason(const Status& reason) {
    std::lock_guard lock(mutex_);
    reasons_.emplace_back(StatusMessage(reason));
    changed_.notify_all();
  }
  DataHandlers Handlers() {
    return {.on_frame = [this](Frame frame) { Take(std::move(frame)); },
            .on_closed = [this](Status reason) { Reason(reason); }};
  }
  std::vector<Frame> AwaitFrames(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kDeadline, [&] { return frames_.size() >= count; }))
        << frames_.size() << " of " << count << " frames came";
    return frames_;
  }
  Frame AwaitFrameOn(uint64_t channel) {
    std::unique_lock lock(mutex_);
    const auto is_on = [channel](const Frame& frame) { return frame.channel == channel; };
    EXPECT_TRUE(changed_.wait_for(lock, kDeadline, [&] { return std::any_of(frames_.begin(), frames_.end(), is_on); }));
    const auto found = std::find_if(frames_.begin(), frames_.end(), is_on);
    return found == frames_.end() ? Frame() : *found;
  }
  std::string AwaitReason(size_t count = 1) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kDeadline, [&] { return reasons_.size() >= count; })) return "(no reason came)";
    return reasons_.at(count - 1);
  }
  size_t reasons() {
    std::lock_guard lock(mutex_);
    return reasons_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Frame> frames_;
  std::vector<std::string> reasons_;
};

// A network that listens and keeps the connections it accepted.
class Listener {
 public:
  explicit Listener(TcpNetworkOptions options = {}) {
    options.on_rejected = [this](const Status& reason) { rejected.Reason(reason); };
    network = NewTcpDataNetwork(options);
    const StatusOr<std::string> opened =
        network->Listen(kToken, [this](int32_t, std::unique_ptr<DataConnection> connection) {
          std::lock_guard lock(mutex_);
          connections_.push_back(std::move(connection));
          changed_.notify_all();
          return received.Handlers();
        });
    EXPECT_TRUE(opened.ok()) << opened.status();
    address = *opened;
  }
  ~Listener() { network->Stop(); }
  DataConnection& AwaitConnection(size_t index = 0) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kDeadline, [&] { return connections_.size() > index; }));
    return *connections_.at(index);
  }

  Report received;
  Report rejected;
  std::unique_ptr<DataNetwork> network;
  std::string address;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<DataConnection>> connections_;
};

Frame MakeFrame(uint64_t channel, std::string payload) {
  return {.channel = channel, .type = 1, .payload = std::move(payload)};
}

// Bytes on a plain socket, from somebody who need not know the protocol.
class Stranger {
 public:
  explicit Stranger(const std::string& address) {
    const HostPort target = *ParseHostPort(address);
    fd_ = UniqueFd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(target.port));
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  }
  void Say(std::string_view bytes) { static_cast<void>(!send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)); }
  void SayFrame(uint8_t type, std::string_view payload, uint64_t channel = 0) {
    const FrameHeaderBytes header = EncodeFrameHeader(channel, type, payload);
    Say(std::string(header.data(), header.size()) + std::string(payload));
  }
  void SayHello(const std::string& token = kToken) {
    SayFrame(kHelloFrame, EncodeHello({.token = token, .worker_index = 5}));
  }
  // True when the other side closes in time.
  bool IsHungUpOn() {
    char buffer[4096];
    pollfd watched{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    while (poll(&watched, 1, static_cast<int>(std::chrono::milliseconds(kDeadline).count())) > 0) {
      if (recv(fd_.get(), buffer, sizeof(buffer), 0) <= 0) return true;
    }
    return false;
  }

 private:
  UniqueFd fd_;
};

std::string RandomBytes(SeededRandom& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next());
  return bytes;
}

// The network still serves a proper peer.
void ExpectServes(Listener& listener) {
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({});
  Report report;
  auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 1}, report.Handlers());
  connection->Send(MakeFrame(kProperChannel, "are you there?"));
  EXPECT_EQ(listener.received.AwaitFrameOn(kProperChannel).payload, "are you there?");
  network->Stop();
}

bool MachineHasIpv6() {
  const UniqueFd fd(socket(AF_INET6, SOCK_STREAM, 0));
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  return fd.valid() && bind(fd.get(), reinterpret_cast<sockaddr*>(&loopback), sizeof(loopback)) == 0;
}

void ExpectNoSuchAddress(const StatusOr<std::string>& opened, const std::string& address) {
  ASSERT_FALSE(opened.ok()) << *opened;
  EXPECT_THAT(StatusMessage(opened.status()), HasSubstr(address));
  EXPECT_THAT(StatusMessage(opened.status()), HasSubstr("taskmanager.bind-host"));
}

TEST(TcpDataNetwork, CarriesFramesBothWaysInOrder) {
  Listener listener;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({});
  Report report;
  auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 3}, report.Handlers());
  constexpr size_t kFrames = 300;
  SeededRandom random(1);
  for (size_t i = 0; i < kFrames; ++i) {
    const size_t size = i % 50 == 0 ? 3'000'000 : random.Below(70'000);
    connection->Send(MakeFrame(i, std::string(size, static_cast<char>('a' + i % 26))));
  }
  const std::vector<Frame> frames = listener.received.AwaitFrames(kFrames);
  for (size_t i = 0; i < kFrames; ++i) {
    EXPECT_EQ(frames[i].channel, i);
    EXPECT_EQ(frames[i].payload, std::string(frames[i].payload.size(), static_cast<char>('a' + i % 26)));
  }
  listener.AwaitConnection().Send(MakeFrame(7, ""));
  EXPECT_EQ(report.AwaitFrames(1).front().channel, 7u);
  network->Stop();
}

TEST(TcpDataNetwork, KeepsTheOrderOfEachSendingThread) {
  Listener listener;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({});
  Report report;
  auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 3}, report.Handlers());
  constexpr size_t kThreads = 4;
  constexpr size_t kFrames = 2000;
  std::vector<std::thread> senders;
  for (size_t t = 0; t < kThreads; ++t) {
    senders.emplace_back([&, t] {
      for (size_t i = 0; i < kFrames; ++i) connection->Send(MakeFrame(t << 32 | i, std::string(i % 3000, 'x')));
    });
  }
  for (std::thread& sender : senders) sender.join();
  std::vector<uint64_t> next(kThreads, 0);
  for (const Frame& frame : listener.received.AwaitFrames(kThreads * kFrames)) {
    EXPECT_EQ(frame.channel & 0xFFFFFFFF, next[frame.channel >> 32]++);
  }
  network->Stop();
}

TEST(TcpDataNetwork, SendsWhatIsQueuedWhenItStops) {
  Listener listener;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({.linger_ms = 60'000});
  Report report;
  auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 3}, report.Handlers());
  listener.AwaitConnection();
  for (int i = 0; i < 100; ++i) connection->Send(MakeFrame(1, std::string(200'000, 'x')));
  network->Stop();
  EXPECT_EQ(listener.received.AwaitFrames(100).size(), 100u);
  EXPECT_EQ(report.reasons(), 0u) << "no handler is called for what this side closed";
}

TEST(TcpDataNetwork, StopsInTimeThoughAPeerDoesNotRead) {
  Listener listener({.linger_ms = 50});
  Stranger stranger(listener.address);
  stranger.SayHello();
  DataConnection& connection = listener.AwaitConnection();
  for (int i = 0; i < 100; ++i) connection.Send(MakeFrame(1, std::string(1'000'000, 'x')));
  const auto start = std::chrono::steady_clock::now();
  listener.network->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(TcpDataNetwork, TellsTheOtherSideWhenOneCloses) {
  Listener listener;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({});
  Report report;
  auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 3}, report.Handlers());
  listener.AwaitConnection().Close();
  EXPECT_THAT(report.AwaitReason(), HasSubstr("closed the connection"));
  network->Stop();
  EXPECT_EQ(listener.received.reasons(), 0u) << "not told to the side that closed";
}

// Waits for the network as a slot's thread does that has nothing else to do, and once serves what came.
void WaitAndServe(DataNetwork& network, int timeout_ms) {
  if (!network.Wait(timeout_ms)) network.EndSleep();
  network.Serve();
}

// Until it is this thread's turn to wait for it.
void TakeOver(DataNetwork& network) {
  while (!network.Wait(0)) {
    network.EndSleep();
    network.Interrupt();  // its own thread looks whether it is needed
    std::this_thread::yield();
  }
}

TEST(TcpDataNetwork, CarriesFramesInOrderWhoeverServesIt) {
  Listener listener;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({});
  Report report;
  auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 3}, report.Handlers());
  std::atomic<bool> done{false};
  std::vector<std::thread> servers;
  for (int i = 0; i < 2; ++i) {
    servers.emplace_back([&] {
      while (!done) WaitAndServe(*listener.network, 1);
    });
  }
  constexpr size_t kFrames = 3000;
  for (size_t i = 0; i < kFrames; ++i) connection->Send(MakeFrame(i, std::string(i % 50 * 1000, 'x')));
  const std::vector<Frame> frames = listener.received.AwaitFrames(kFrames);
  for (size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(frames[i].channel, i);
  done = true;
  for (std::thread& server : servers) server.join();
  network->Stop();
}

TEST(TcpDataNetwork, IsServedByItsOwnThreadOnceNobodyElseLooks) {
  Listener listener;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({});
  Report report;
  auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 3}, report.Handlers());
  DataConnection& accepted = listener.AwaitConnection();
  TakeOver(*listener.network);
  TakeOver(*network);
  connection->Send(MakeFrame(1, "asks"));
  EXPECT_EQ(listener.received.AwaitFrames(1).front().payload, "asks");
  accepted.Send(MakeFrame(1, std::string(5'000'000, 'x')));
  EXPECT_EQ(report.AwaitFrames(1).front().payload.size(), 5'000'000u);
  network->Stop();
}

TEST(TcpDataNetwork, ServesAnotherThatSleepsWhenWhoeverWaitedGoes) {
  Listener listener;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({});
  Report report;
  auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 3}, report.Handlers());
  listener.AwaitConnection();
  TakeOver(*listener.network);
  std::atomic<bool> served{false};
  std::thread waiting([&] {
    // And works from then on. The network's own thread may have come first, and serves both then.
    while (!listener.network->Wait(1000)) {
      listener.network->EndSleep();
      if (served) return;
    }
  });
  // Sleeps elsewhere from now on.
  while (listener.network->Wait(0)) std::this_thread::yield();
  connection->Send(MakeFrame(1, "asks"));
  EXPECT_EQ(listener.received.AwaitFrames(1).front().payload, "asks");
  served = true;
  listener.network->EndSleep();
  waiting.join();
  network->Stop();
}

TEST(TcpDataNetwork, StopsThoughAThreadWaits) {
  Listener listener;
  TakeOver(*listener.network);
  std::thread waiting([&] {
    while (listener.network->Wait(-1)) {
    }
  });
  listener.network->Stop();
  waiting.join();
  EXPECT_FALSE(listener.network->Serve());
}

TEST(TcpDataNetwork, RefusesAnotherToken) {
  Listener listener;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({});
  Report report;
  auto connection = network->Connect(listener.address, {.token = "another", .worker_index = 3}, report.Handlers());
  EXPECT_THAT(listener.rejected.AwaitReason(), HasSubstr("token of another attempt"));
  EXPECT_THAT(report.AwaitReason(), HasSubstr("closed"));
  ExpectServes(listener);
  network->Stop();
}

TEST(TcpDataNetwork, RefusesOtherProtocols) {
  Listener listener;
  SeededRandom random(3);
  std::string long_frame(kFrameHeaderBytes, '\0');
  long_frame[3] = '\x7F';  // announces 2 GiB
  std::string future = EncodeHello({.token = kToken, .worker_index = 1});
  future[8] = 99;  // of the version
  const auto as_frame = [](std::string_view payload, uint8_t type = kHelloFrame) {
    const FrameHeaderBytes header = EncodeFrameHeader(0, type, payload);
    return std::string(header.data(), header.size()) + std::string(payload);
  };
  std::string wrong_sum = as_frame(EncodeHello({.token = kToken, .worker_index = 1}));
  wrong_sum.back() ^= 1;
  const std::pair<std::string, const char*> strangers[] = {
      {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "no frame"},
      {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + RandomBytes(random, 100), ""},
      {RandomBytes(random, 10'000), ""},
      {long_frame, "announces"},
      {as_frame(std::string(500, 'x')), "no hello"},
      {as_frame(""), "no hello"},
      {as_frame(future), "version 99"},
      {as_frame(EncodeHello({.token = kToken, .worker_index = 1}) + "more"), "malformed"},
      {as_frame("x", 1), "type 1"},
      {wrong_sum, "checksum"},
  };
  size_t count = 0;
  for (const auto& [bytes, reason] : strangers) {
    Stranger stranger(listener.address);
    stranger.Say(bytes);
    EXPECT_TRUE(stranger.IsHungUpOn()) << "case " << count;
    EXPECT_THAT(listener.rejected.AwaitReason(++count), HasSubstr(reason));
  }
  ExpectServes(listener);
}

TEST(TcpDataNetwork, SurvivesRandomBytesAtEveryState) {
  Listener listener;
  SeededRandom random(5);
  for (int round = 0; round < 200; ++round) {
    Stranger stranger(listener.address);
    if (random.Below(2) == 0) stranger.SayHello();
    if (random.Below(2) == 0) stranger.SayFrame(1, RandomBytes(random, random.Below(5000)));
    std::string noise = RandomBytes(random, 1 + random.Below(200));
    if (noise.size() > 8 && random.Below(2) == 0) {
      // A plausible header: small, of no reserved bytes, but with a checksum that cannot be right.
      noise.resize(std::max<size_t>(noise.size(), 200), 'n');
      noise[1] = noise[2] = noise[3] = noise[5] = noise[6] = noise[7] = 0;
      noise[0] = 100;
    }
    stranger.Say(noise);
    if (random.Below(3) != 0) continue;  // vanishes in the middle of it
    if (noise.size() >= 200) {
      EXPECT_TRUE(stranger.IsHungUpOn());
    }
  }
  ExpectServes(listener);
}

TEST(TcpDataNetwork, ClosesAnOpenConnectionThatTurnsToNoise) {
  Listener listener;
  Stranger stranger(listener.address);
  stranger.SayHello();
  stranger.SayFrame(1, "sound");
  std::string frame(kFrameHeaderBytes + 10, 'x');
  for (size_t i = 0; i < 8; ++i) frame[i] = 0;
  frame[0] = 10;
  stranger.Say(frame);
  EXPECT_TRUE(stranger.IsHungUpOn());
  EXPECT_EQ(listener.received.AwaitFrames(1).front().payload, "sound");
  EXPECT_THAT(listener.received.AwaitReason(), HasSubstr("checksum"));
  ExpectServes(listener);
}

TEST(TcpDataNetwork, RefusesFramesBeyondTheLimitFromAPeerToo) {
  Listener listener({.max_frame_bytes = 1000});
  Stranger stranger(listener.address);
  stranger.SayHello();
  stranger.SayFrame(1, std::string(1001, 'x'));
  EXPECT_TRUE(stranger.IsHungUpOn());
  EXPECT_THAT(listener.received.AwaitReason(), HasSubstr("1001 bytes, more than the 1000"));
}

TEST(TcpDataNetwork, RefusesToSendAFrameBeyondTheLimit) {
  Listener listener;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({.max_frame_bytes = 1000});
  Report report;
  auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 3}, report.Handlers());
  listener.AwaitConnection();
  connection->Send(MakeFrame(1, std::string(1001, 'x')));
  EXPECT_THAT(report.AwaitReason(), HasSubstr("limit of 1000 bytes"));
  network->Stop();
}

TEST(TcpDataNetwork, AcceptsAHelloByteByByte) {
  Listener listener;
  Stranger stranger(listener.address);
  const std::string payload = EncodeHello({.token = kToken, .worker_index = 2});
  const FrameHeaderBytes header = EncodeFrameHeader(0, kHelloFrame, payload);
  for (const char byte : std::string(header.data(), header.size()) + payload) stranger.Say(std::string_view(&byte, 1));
  stranger.SayFrame(1, "after");
  EXPECT_EQ(listener.received.AwaitFrames(1).front().payload, "after");
}

TEST(TcpDataNetwork, ClosesWhoeverSaysNoHello) {
  Listener listener({.hello_timeout_ms = 50});
  Stranger silent(listener.address);
  Stranger slow(listener.address);
  slow.Say("\x30");
  EXPECT_TRUE(silent.IsHungUpOn());
  EXPECT_TRUE(slow.IsHungUpOn());
  EXPECT_THAT(listener.rejected.AwaitReason(), HasSubstr("no hello within 50 ms"));
}

TEST(TcpDataNetwork, KeepsFewConnectionsWithoutHello) {
  Listener listener({.max_pending_connections = 2});
  Stranger first(listener.address);
  Stranger second(listener.address);
  Stranger third(listener.address);
  EXPECT_THAT(listener.rejected.AwaitReason(), HasSubstr("2 connections without a hello"));
  EXPECT_TRUE(third.IsHungUpOn());
  first.SayHello();
  listener.AwaitConnection();
  ExpectServes(listener);
}

TEST(TcpDataNetwork, NamesAPortInUseAndItsKey) {
  Listener listener;
  const int port = ParseHostPort(listener.address)->port;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({.port = port});
  const StatusOr<std::string> opened = network->Listen(kToken, nullptr);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(StatusMessage(opened.status()), HasSubstr("taskmanager.data.port"));
  EXPECT_THAT(StatusMessage(opened.status()), HasSubstr(std::to_string(port)));
  EXPECT_THAT(StatusMessage(opened.status()), HasSubstr("in use"));
}

TEST(TcpDataNetwork, TakesTheNextPortOfARange) {
  // Not any free port: it must have room above.
  Listener listener({.port = 20'000, .last_port = 60'000});
  const int port = ParseHostPort(listener.address)->port;
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({.port = port, .last_port = port + 100});
  const StatusOr<std::string> opened = network->Listen(kToken, nullptr);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_GT(ParseHostPort(*opened)->port, port);
  EXPECT_LE(ParseHostPort(*opened)->port, port + 100);
}

TEST(TcpDataNetwork, NamesAnAddressOfAnotherMachineAndItsKey) {
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({.bind_host = "2001:db8::1"});
  ExpectNoSuchAddress(network->Listen(kToken, nullptr), "[2001:db8::1]:0");
}

TEST(TcpDataNetwork, ReportsWhereNobodyListens) {
  std::string address;
  { address = Listener().address; }
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({});
  Report report;
  auto refused = network->Connect(address, {.token = kToken}, report.Handlers());
  EXPECT_THAT(report.AwaitReason(1), HasSubstr("cannot connect"));
  // A label that is too long for a name server to be asked: the answer does not depend on the machine's network.
  const std::string no_name = std::string(100, 'x') + ".invalid";
  auto unknown = network->Connect(no_name + ":1234", {.token = kToken}, report.Handlers());
  EXPECT_THAT(report.AwaitReason(2), HasSubstr(no_name));
  auto malformed = network->Connect("nonsense", {.token = kToken}, report.Handlers());
  EXPECT_THAT(report.AwaitReason(3), HasSubstr("expected host:port"));
  network->Stop();
}

TEST(TcpDataNetwork, ListensOnIpv6WhereThereIsSome) {
  std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({.bind_host = "::1", .advertised_host = "::1"});
  Report received;
  std::unique_ptr<DataConnection> accepted;
  const StatusOr<std::string> address =
      network->Listen(kToken, [&](int32_t, std::unique_ptr<DataConnection> connection) {
        accepted = std::move(connection);
        return received.Handlers();
      });
  if (!MachineHasIpv6()) return ExpectNoSuchAddress(address, "[::1]:0");
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_THAT(*address, HasSubstr("[::1]:"));
  Report report;
  auto connection = network->Connect(*address, {.token = kToken, .worker_index = 1}, report.Handlers());
  connection->Send(MakeFrame(1, "six"));
  EXPECT_EQ(received.AwaitFrames(1).front().payload, "six");
  network->Stop();
}

TEST(TcpDataNetwork, ForgetsConnectionsThatAreClosedBeforeTheyStand) {
  Listener listener;
  for (int i = 0; i < 100; ++i) {
    std::unique_ptr<DataNetwork> network = NewTcpDataNetwork({.linger_ms = 0});
    Report report;
    auto connection = network->Connect(listener.address, {.token = kToken, .worker_index = 1}, report.Handlers());
    if (i % 2 == 0) connection.reset();
    network->Stop();
    EXPECT_EQ(report.reasons(), 0u);
  }
  ExpectServes(listener);
}

TEST(BufferPool, KeepsUsefulBuffersUpToItsBound) {
  BufferPool pool(100'000);
  pool.Release(std::string(40'000, 'a'));
  pool.Release(std::string(40'000, 'b'));
  pool.Release(std::string(40'000, 'c'));
  EXPECT_LE(pool.kept_bytes(), 100'000u);
  EXPECT_EQ(pool.Take().front(), 'b');
  pool.Release(std::string(10, 'd'));
  EXPECT_EQ(pool.Take().front(), 'a');
  EXPECT_EQ(pool.kept_bytes(), 0u);
}

}  // namespace
}  // namespace eagre
