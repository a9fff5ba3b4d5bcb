#include "bench/limit/loops.h"

#include <fcntl.h>
#include <sched.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "bench/limit/parse_transaction.h"

namespace eagre::bench {
namespace {

constexpr int kThreadsMost = 2;
constexpr size_t kBatchRecords = 1024;  // of what goes from one thread to the other
constexpr size_t kBlockBytes = 1 << 20;
constexpr size_t kTailBytes = 4096;  // a line that begins in a block may end here

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// A bounded queue of batches from one thread to another, and the drained ones back.
template <typename Batch>
class BatchQueue {
 public:
  BatchQueue() {
    for (auto& batch : storage_) free_.Push(&batch);
  }
  Batch* TryTakeFree() { return free_.TryPop(); }
  void Send(Batch* batch) { full_.Push(batch); }
  Batch* TryReceive() { return full_.TryPop(); }
  void GiveBack(Batch* batch) { free_.Push(batch); }

 private:
  static constexpr size_t kSlots = 64;
  struct Ring {
    void Push(Batch* batch) {
      const size_t at = head.load(std::memory_order_relaxed);
      slots[at % kSlots] = batch;
      head.store(at + 1, std::memory_order_release);
    }
    Batch* TryPop() {
      const size_t at = tail.load(std::memory_order_relaxed);
      if (head.load(std::memory_order_acquire) == at) return nullptr;
      Batch* batch = slots[at % kSlots];
      tail.store(at + 1, std::memory_order_release);
      return batch;
    }
    std::array<Batch*, kSlots> slots{};
    alignas(64) std::atomic<size_t> head{0};
    alignas(64) std::atomic<size_t> tail{0};
  };
  std::array<Batch, 16> storage_;
  Ring full_, free_;
};

// Half the keys, and the thread that owns them. Records of the other half's keys go over in batches; while a half waits
// for an empty one it takes what came, so that the two never wait for each other. `take` is called for each record that
// came. Event time is the minimum of what both have read.
template <typename Batch>
class Half {
 public:
  // Runs `run(half)` for both halves, each on a thread, and waits for them.
  template <typename F>
  static void RunBoth(F&& run) {
    std::array<Half, 2> halves;
    for (int i = 0; i < 2; ++i) {
      halves[i].index_ = i;
      halves[i].other_ = &halves[1 - i];
    }
    std::thread second([&] { run(halves[1]); });
    run(halves[0]);
    second.join();
  }

  int index() const { return index_; }
  template <typename F>
  bool Receive(F&& take) {
    bool any = false;
    while (Batch* batch = queue_->TryReceive()) {
      for (uint32_t i = 0; i < batch->size; ++i) take(batch->records[i]);
      queue_->GiveBack(batch);
      any = true;
    }
    return any;
  }
  template <typename F>
  Batch* TakeEmpty(F&& take) {
    Batch* batch = nullptr;
    while ((batch = other_->queue_->TryTakeFree()) == nullptr) {
      if (!Receive(take)) sched_yield();
    }
    batch->size = 0;
    return batch;
  }
  void Send(Batch* batch) { other_->queue_->Send(batch); }
  // Says how far this half has read, and returns how far both have.
  int64_t ReadTo(int64_t timestamp) {
    read_to_ = timestamp;
    return std::min(timestamp, other_->read_to_.load());
  }
  // Sends the last batch and takes what comes until the other half has sent its own.
  template <typename F>
  void Finish(Batch* last, F&& take) {
    Send(last);
    done_ = true;
    while (!other_->done_) Receive(take);
    while (Receive(take)) {
    }
  }

 private:
  int index_ = 0;
  Half* other_ = nullptr;
  const std::unique_ptr<BatchQueue<Batch>> queue_ = std::make_unique<BatchQueue<Batch>>();  // to this half
  std::atomic<int64_t> read_to_{0};
  std::atomic<bool> done_{false};
};

LoopSink Join(const std::array<LoopSink, kThreadsMost>& sinks) {
  LoopSink all;
  for (const LoopSink& sink : sinks) {
    all.results += sink.results;
    all.counted += sink.counted;
    all.sum += sink.sum;
  }
  return all;
}

// ---- JSON ----

// Calls `take` for every line that begins in blocks first, first + step, ...
template <typename F>
void ForEachLine(const std::string& path, size_t first, size_t step, F&& take) {
  const int file = open(path.c_str(), O_RDONLY);
  if (file < 0) Die(path.c_str());
  struct stat info {};
  fstat(file, &info);
  const auto size = static_cast<size_t>(info.st_size);
  std::vector<char> buffer(kBlockBytes + kTailBytes + simdjson::SIMDJSON_PADDING);
  for (size_t block = first; block * kBlockBytes < size; block += step) {
    const size_t offset = block * kBlockBytes;
    size_t have = 0;
    while (have < kBlockBytes + kTailBytes) {
      const ssize_t got =
          pread(file, buffer.data() + have, kBlockBytes + kTailBytes - have, static_cast<off_t>(offset + have));
      if (got <= 0) break;
      have += static_cast<size_t>(got);
    }
    const size_t end = std::min(kBlockBytes, have);
    size_t at = 0;
    if (offset > 0) {
      char before = 0;
      if (pread(file, &before, 1, static_cast<off_t>(offset - 1)) != 1) Die("pread");
      if (before != '\n')
        at = static_cast<size_t>(static_cast<char*>(memchr(buffer.data(), '\n', have)) - buffer.data()) + 1;
    }
    while (at < end) {
      const char* line = buffer.data() + at;
      const auto* newline = static_cast<const char*>(memchr(line, '\n', have - at));
      const size_t length = newline == nullptr ? have - at : static_cast<size_t>(newline - line);
      take(line, length, buffer.size() - at);
      at += length + 1;
    }
  }
  close(file);
}

struct UserAmount {
  char user[16];
  uint8_t length;
  int64_t timestamp;
  double amount;
};
struct UserAmounts {
  uint32_t size = 0;
  UserAmount records[kBatchRecords];
};

}  // namespace

LoopSink RunJsonWindowLoop(const std::string& path, int threads) {
  std::array<LoopSink, kThreadsMost> sinks;
  if (threads == 1) {
    simdjson::ondemand::parser parser;
    TumblingLoop<StringMap> windows(sinks[0]);
    ParsedTransaction t;
    int64_t highest = 0;
    uint64_t n = 0;
    ForEachLine(path, 0, 1, [&](const char* line, size_t size, size_t capacity) {
      ParseTransaction(parser, line, size, capacity, t);
      auto& map = windows.At(t.timestamp);
      auto entry = map.find(t.user_id);
      if (entry == map.end()) entry = map.emplace(std::string(t.user_id), CountAndSum{}).first;
      ++entry->second.count;
      entry->second.sum += t.amount;
      highest = std::max(highest, t.timestamp);
      if ((++n & 255) == 0) windows.Advance(highest - kLatenessMs - 1);
    });
    windows.Advance(std::numeric_limits<int64_t>::max());
    return Join(sinks);
  }
  // Each thread parses its blocks; the records of the other half's users go over.
  Half<UserAmounts>::RunBoth([&](Half<UserAmounts>& half) {
    simdjson::ondemand::parser parser;
    TumblingLoop<StringMap> windows(sinks[half.index()]);
    ParsedTransaction t;
    int64_t highest = 0;
    uint64_t n = 0;
    auto add = [&](std::string_view user, int64_t timestamp, double amount) {
      auto& map = windows.At(timestamp);
      auto entry = map.find(user);
      if (entry == map.end()) entry = map.emplace(std::string(user), CountAndSum{}).first;
      ++entry->second.count;
      entry->second.sum += amount;
    };
    auto take = [&](const UserAmount& r) { add({r.user, r.length}, r.timestamp, r.amount); };
    UserAmounts* out = half.TakeEmpty(take);
    ForEachLine(path, half.index(), 2, [&](const char* line, size_t size, size_t capacity) {
      ParseTransaction(parser, line, size, capacity, t);
      if (static_cast<int>(Hash64(t.user_id) & 1) == half.index()) {
        add(t.user_id, t.timestamp, t.amount);
      } else {
        UserAmount& r = out->records[out->size++];
        r.length = static_cast<uint8_t>(t.user_id.size());
        std::memcpy(r.user, t.user_id.data(), t.user_id.size());
        r.timestamp = t.timestamp;
        r.amount = t.amount;
        if (out->size == kBatchRecords) {
          half.Send(out);
          out = half.TakeEmpty(take);
        }
      }
      highest = std::max(highest, t.timestamp);
      if ((++n & 4095) == 0) {
        const int64_t both = half.ReadTo(highest);
        half.Receive(take);
        // Blocks alternate, so the threads are at most a block of event time apart; a minute's slack covers it.
        windows.Advance(both - kLatenessMs - kMinuteMs);
      }
    });
    half.Finish(out, take);
    windows.Advance(std::numeric_limits<int64_t>::max());
  });
  return Join(sinks);
}

// ---- binary ----

std::vector<BinaryTransaction> MakeBinaryTransactions(size_t count, uint64_t users) {
  std::vector<BinaryTransaction> records(count);
  for (size_t i = 0; i < count; ++i) records[i] = BinaryTransactionAt(i, users);
  return records;
}

LoopSink RunBinaryWindowLoop(const std::vector<BinaryTransaction>& records, int threads) {
  std::array<LoopSink, kThreadsMost> sinks;
  if (threads == 1) {
    TumblingLoop<NumberMap> windows(sinks[0]);
    int64_t highest = 0;
    for (size_t i = 0; i < records.size(); ++i) {
      const BinaryTransaction& r = records[i];
      auto& value = windows.At(r.timestamp)[r.user];
      ++value.count;
      value.sum += r.amount;
      highest = std::max(highest, r.timestamp);
      if ((i & 255) == 255) windows.Advance(highest - kLatenessMs - 1);
    }
    windows.Advance(std::numeric_limits<int64_t>::max());
    return Join(sinks);
  }
  struct Batch {
    uint32_t size = 0;
    BinaryTransaction records[kBatchRecords];
  };
  Half<Batch>::RunBoth([&](Half<Batch>& half) {
    TumblingLoop<NumberMap> windows(sinks[half.index()]);
    auto add = [&](const BinaryTransaction& r) {
      auto& value = windows.At(r.timestamp)[r.user];
      ++value.count;
      value.sum += r.amount;
    };
    Batch* out = half.TakeEmpty(add);
    int64_t highest = 0;
    constexpr size_t kChunk = 16'384;  // the threads take turns by chunks, so they stay close in event time
    for (size_t chunk = half.index(); chunk * kChunk < records.size(); chunk += 2) {
      const size_t end = std::min(records.size(), (chunk + 1) * kChunk);
      for (size_t i = chunk * kChunk; i < end; ++i) {
        const BinaryTransaction& r = records[i];
        highest = std::max(highest, r.timestamp);
        if (static_cast<int>(r.user >> 63) == half.index()) {
          add(r);
          continue;
        }
        out->records[out->size++] = r;
        if (out->size < kBatchRecords) continue;
        half.Send(out);
        half.Receive(add);
        out = half.TakeEmpty(add);
      }
      const int64_t both = half.ReadTo(highest);
      half.Receive(add);
      windows.Advance(both - kLatenessMs - kMinuteMs);
    }
    half.Finish(out, add);
    windows.Advance(std::numeric_limits<int64_t>::max());
  });
  return Join(sinks);
}

// ---- chain ----

namespace {

struct ChainStep {
  virtual ~ChainStep() = default;
  virtual size_t Process(ChainRecord* records, size_t count) = 0;
};
struct AddStep final : ChainStep {
  size_t Process(ChainRecord* records, size_t count) override {
    for (size_t i = 0; i < count; ++i) records[i].b = records[i].a * 3 + records[i].c;
    return count;
  }
};
struct ModuloStep final : ChainStep {
  size_t Process(ChainRecord* records, size_t count) override {
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
      records[kept] = records[i];
      kept += (records[i].a & 7) != 0;
    }
    return kept;
  }
};
struct MixStep final : ChainStep {
  size_t Process(ChainRecord* records, size_t count) override {
    for (size_t i = 0; i < count; ++i) records[i].d += records[i].b ^ records[i].a;
    return count;
  }
};
struct PositiveStep final : ChainStep {
  size_t Process(ChainRecord* records, size_t count) override {
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
      records[kept] = records[i];
      kept += (records[i].d & 15) != 3;
    }
    return kept;
  }
};

}  // namespace

int64_t RunChainLoop(int64_t count) {
  AddStep add;
  ModuloStep modulo;
  MixStep mix;
  PositiveStep positive;
  ChainStep* steps[] = {&add, &modulo, &mix, &positive};
  asm volatile("" : : "r"(steps) : "memory");  // the calls stay virtual
  std::vector<ChainRecord> batch(1024);
  int64_t checksum = 0;
  for (int64_t i = 0; i < count;) {
    const auto size = static_cast<size_t>(std::min<int64_t>(1024, count - i));
    for (size_t k = 0; k < size; ++k, ++i) batch[k] = {i, 0, i >> 3, 7};
    size_t kept = size;
    for (ChainStep* step : steps) kept = step->Process(batch.data(), kept);
    for (size_t k = 0; k < kept; ++k) checksum += batch[k].d;
  }
  return checksum;
}

}  // namespace eagre::bench
