// What it costs to bring records to another worker: 100-byte records encoded, framed, sent over a socket, decoded,
// between two processes, held against raw TCP between two processes that move as many bytes in pieces of 32 KiB and
// look at none.
//
// Prints a JSON line per case. `ratio` is the throughput in parts of raw TCP's in the same run, `cpu_ratio` the same of
// the CPU time of both processes. EAGRE_BENCH_SCALE=0.01 runs a hundredth.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "record/batch.h"
#include "runtime/exchange.h"

namespace eagre {
namespace {

constexpr int64_t kPollNs = 5'000;  // as a slot's runner does before it parks
constexpr int kRounds = 5;
constexpr size_t kRawPiece = 32 * 1024;

struct BenchRecord {
  int64_t id = 0;
  double amount = 0;
  std::string user;
  std::string note;
};
EAGRE_RECORD(BenchRecord, id, amount, user, note);

struct Cost {
  double seconds = 0;
  double cpu_seconds = 0;
};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

// Runs `receive` in a child process and `send` in this one, connected by a socket, and adds up what both cost.
Cost RunPair(const std::function<void(int)>& send, const std::function<void(int)>& receive, int sockets[2]) {
  const double cpu_before = CpuSeconds(RUSAGE_SELF) + CpuSeconds(RUSAGE_CHILDREN);
  const int64_t start_ns = SystemClock().MonotonicNs();
  const pid_t child = fork();
  EAGRE_CHECK(child >= 0);
  if (child == 0) {
    close(sockets[0]);
    receive(sockets[1]);
    _exit(0);
  }
  close(sockets[1]);
  send(sockets[0]);
  close(sockets[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EAGRE_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return {.seconds = static_cast<double>(SystemClock().MonotonicNs() - start_ns) * 1e-9,
          .cpu_seconds = CpuSeconds(RUSAGE_SELF) + CpuSeconds(RUSAGE_CHILDREN) - cpu_before};
}

void MakeTcpPair(int sockets[2]) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EAGRE_CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener, 1) == 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  sockets[0] = socket(AF_INET, SOCK_STREAM, 0);
  EAGRE_CHECK(connect(sockets[0], reinterpret_cast<sockaddr*>(&address), size) == 0);
  sockets[1] = accept(listener, nullptr, nullptr);
  close(listener);
  const int one = 1;
  for (int i = 0; i < 2; ++i) setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

Cost RunRaw(size_t total_bytes) {
  int sockets[2];
  MakeTcpPair(sockets);
  const auto send = [&](int fd) {
    const std::vector<char> piece(kRawPiece, 'x');
    for (size_t sent = 0; sent < total_bytes;) {
      const ssize_t written = write(fd, piece.data(), std::min(piece.size(), total_bytes - sent));
      EAGRE_CHECK(written > 0);
      sent += static_cast<size_t>(written);
    }
  };
  const auto receive = [](int fd) {
    std::vector<char> piece(kRawPiece);
    while (read(fd, piece.data(), piece.size()) > 0) {
    }
  };
  return RunPair(send, receive, sockets);
}

// Stands for the slot of the process's one task: serves the network when it has nothing else to do.
class BenchSlot final : public Waker {
 public:
  explicit BenchSlot(DataNetwork& network) : network_(network) {}
  void Wake() override {
    if (!parked_.load(std::memory_order_seq_cst)) return;
    signals_.fetch_add(1, std::memory_order_seq_cst);
    signals_.notify_one();
    EndSleep();
    network_.Interrupt();
  }
  // Calls `step`, which tells whether it got on, until `done`.
  template <typename Step>
  void Run(const bool& done, Step step) {
    int64_t idle_since_ns = 0;
    while (!done) {
      if (step()) {
        idle_since_ns = 0;
        continue;
      }
      if (network_.Serve()) continue;
      const int64_t now_ns = SystemClock().MonotonicNs();
      if (idle_since_ns == 0) idle_since_ns = now_ns;
      if (now_ns - idle_since_ns < kPollNs) {
        std::this_thread::yield();
        continue;
      }
      const uint32_t seen = signals_.load(std::memory_order_seq_cst);
      parked_.store(true, std::memory_order_seq_cst);
      if (!step() && !done && !network_.Wait(-1)) {
        asleep_ = true;
        signals_.wait(seen, std::memory_order_seq_cst);
        EndSleep();
      }
      parked_.store(false, std::memory_order_seq_cst);
      idle_since_ns = 0;
    }
  }

 private:
  void EndSleep() {
    if (asleep_.exchange(false)) network_.EndSleep();
  }

  DataNetwork& network_;
  std::atomic<bool> asleep_{false};
  std::atomic<bool> parked_{false};
  std::atomic<uint32_t> signals_{0};
};

const BatchType& BenchType() {
  return TypedBatch<BenchRecord>::Type();
}

std::unique_ptr<Batch> MakeBatch() {
  std::unique_ptr<Batch> batch = BenchType().create();
  auto& typed = static_cast<TypedBatch<BenchRecord>&>(*batch);
  for (size_t i = 0; i < BenchType().capacity; ++i) {
    BenchRecord& record = typed.Append(1'700'000'000'000 + static_cast<int64_t>(i));
    record.id = static_cast<int64_t>(i) << 20;
    record.amount = static_cast<double>(i) * 1.25;
    record.user = fmt::format("user-{:07}", i);
    record.note.assign(70, 'n');
    typed.hashes()[i] = i * 0x9E3779B97F4A7C15u;
  }
  typed.set_keyed(true);
  return batch;
}

// The worker of one process: its network and exchange; the peer's address comes over the socket between the processes.
class BenchWorker {
 public:
  BenchWorker(int32_t index, int fd) : network_(NewTcpDataNetwork({})) {
    ExchangeOptions options{.token = "bench", .worker_index = index};
    exchange_.emplace(
        *network_, options,
        Exchange::Handlers{.on_peer_lost = [](int32_t, Status) {}, .on_operator_event = [](std::string_view) {}});
    std::string address = *exchange_->Listen();
    std::string peer(64, '\0');
    address.resize(peer.size());
    EAGRE_CHECK(write(fd, address.data(), address.size()) == static_cast<ssize_t>(address.size()));
    EAGRE_CHECK(recv(fd, peer.data(), peer.size(), MSG_WAITALL) == static_cast<ssize_t>(peer.size()));
    const auto trimmed = [](const std::string& text) { return std::string(text.c_str()); };
    exchange_->ConnectPeers(index == 0 ? std::vector{trimmed(address), trimmed(peer)}
                                       : std::vector{trimmed(peer), trimmed(address)});
  }
  Exchange& exchange() { return *exchange_; }
  DataNetwork& network() { return *network_; }

 private:
  std::unique_ptr<DataNetwork> network_;
  std::optional<Exchange> exchange_;
};

void SendRecords(int fd, size_t records, int channels) {
  BenchWorker worker(0, fd);
  BenchSlot slot(worker.network());
  std::vector<std::unique_ptr<OutputChannel>> outputs;
  for (int c = 0; c < channels; ++c) {
    outputs.push_back(worker.exchange().CreateOutput(1, {.target_subtask = c}, BenchType(), slot));
  }
  const std::unique_ptr<Batch> batch = MakeBatch();
  std::vector<std::vector<uint32_t>> assigned(outputs.size());
  for (uint32_t i = 0; i < batch->size(); ++i) assigned[i % outputs.size()].push_back(i);
  std::vector<size_t> taken(outputs.size(), 0);
  size_t batches = records / batch->size();
  size_t ended = 0;
  bool done = false;
  slot.Run(done, [&] {
    if (batches == 0) {
      while (ended < outputs.size() && outputs[ended]->Send({ControlEvent::Kind::kEndOfInput, 0})) ++ended;
      done = ended == outputs.size();
      return done;
    }
    bool finished = true;
    bool progress = false;
    for (size_t c = 0; c < outputs.size(); ++c) {
      const size_t part = outputs[c]->Append(*batch, assigned[c].data() + taken[c], assigned[c].size() - taken[c]);
      taken[c] += part;
      progress = progress || part > 0;
      finished = finished && taken[c] == assigned[c].size();
    }
    if (!finished) return progress;
    std::fill(taken.begin(), taken.end(), 0);
    --batches;
    return true;
  });
  // Until the receiver has everything, which it says by closing.
  char byte;
  EAGRE_CHECK(read(fd, &byte, 1) == 0);
}

void ReceiveRecords(int fd, size_t records, int channels) {
  BenchWorker worker(1, fd);
  BenchSlot slot(worker.network());
  std::vector<std::unique_ptr<InputChannel>> inputs;
  for (int c = 0; c < channels; ++c) {
    inputs.push_back(worker.exchange().CreateInput(0, {.target_subtask = c}, BenchType(), slot));
  }
  size_t received = 0;
  int ended = 0;
  bool done = false;
  slot.Run(done, [&] {
    bool progress = false;
    for (std::unique_ptr<InputChannel>& input : inputs) {
      ChannelElement element;
      if (!*input->Poll(element)) continue;
      progress = true;
      if (element.batch != nullptr) {
        received += element.batch->size();
        input->Recycle(std::move(element.batch));
      } else {
        ++ended;
      }
    }
    done = ended == channels;
    return progress || done;
  });
  EAGRE_CHECK(received == records);
  close(fd);
}

Cost RunExchange(size_t records, int channels) {
  int sockets[2];
  EAGRE_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  return RunPair([&](int fd) { SendRecords(fd, records, channels); },
                 [&](int fd) { ReceiveRecords(fd, records, channels); }, sockets);
}

Cost Median(std::vector<Cost> costs) {
  const auto middle = [&](double Cost::*field) {
    std::sort(costs.begin(), costs.end(), [&](const Cost& a, const Cost& b) { return a.*field < b.*field; });
    return costs[costs.size() / 2].*field;
  };
  return {.seconds = middle(&Cost::seconds), .cpu_seconds = middle(&Cost::cpu_seconds)};
}

size_t EncodedBytes() {
  std::string bytes;
  ByteWriter writer(bytes);
  const std::unique_ptr<Batch> batch = MakeBatch();
  std::vector<uint32_t> indices(batch->size());
  std::iota(indices.begin(), indices.end(), 0);
  BenchType().encode(*batch, indices.data(), indices.size(), SIZE_MAX, writer);
  return bytes.size() / batch->size();
}

int Main() {
  const char* scale_text = std::getenv("EAGRE_BENCH_SCALE");
  const double scale = scale_text != nullptr ? std::atof(scale_text) : 1.0;
  const size_t record_bytes = EncodedBytes();
  const size_t batches = std::max<size_t>(1, static_cast<size_t>(10e6 * scale) / BenchType().capacity);
  const size_t records = batches * BenchType().capacity;
  const double gigabytes = static_cast<double>(records * record_bytes) * 1e-9;
  for (const int channels : {1, 4, 16}) {
    std::vector<Cost> raw_costs;
    std::vector<Cost> costs;
    for (int round = 0; round < kRounds; ++round) {
      raw_costs.push_back(RunRaw(records * record_bytes));
      costs.push_back(RunExchange(records, channels));
    }
    const Cost raw = Median(raw_costs);
    const Cost cost = Median(costs);
    fmt::print(
        R"({{"name":"exchange_{}","ratio":{:.3f},"ratio_to":"raw TCP, 32 KiB pieces","cpu_ratio":{:.3f},)"
        R"("gb_per_second":{:.2f},"cpu_seconds_per_gb":{:.3f},"raw_gb_per_second":{:.2f},"raw_cpu_seconds_per_gb":{:.3f},)"
        R"("events_per_second":{:.0f},"events_per_core_second":{:.0f},"record_bytes":{},"parallelism":1}})"
        "\n",
        channels, raw.seconds / cost.seconds, raw.cpu_seconds / cost.cpu_seconds, gigabytes / cost.seconds,
        cost.cpu_seconds / gigabytes, gigabytes / raw.seconds, raw.cpu_seconds / gigabytes,
        static_cast<double>(records) / cost.seconds, static_cast<double>(records) / cost.cpu_seconds, record_bytes);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace eagre

int main() {
  return eagre::Main();
}
