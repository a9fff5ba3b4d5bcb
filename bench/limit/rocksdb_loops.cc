#include "bench/limit/rocksdb_loops.h"

#include <absl/container/flat_hash_map.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "state/rocksdb_options.h"

namespace eagre::bench {
namespace {

constexpr size_t kBatch = 1024;

void Check(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "rocksdb: %s\n", status.ToString().c_str());
  std::exit(1);
}

double Seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

struct Random {
  uint64_t state;
  uint64_t Next() { return Mix(state += 0x9e3779b97f4a7c15ULL); }
  uint64_t Below(uint64_t n) { return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * n) >> 64); }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
};

// YCSB's.
class Zipf {
 public:
  explicit Zipf(uint64_t n) : n_(n) {
    for (uint64_t i = 1; i <= n; ++i) zeta_ += 1.0 / std::pow(static_cast<double>(i), kTheta);
    const double zeta2 = 1.0 + 1.0 / std::pow(2.0, kTheta);
    alpha_ = 1 / (1 - kTheta);
    eta_ = (1 - std::pow(2.0 / static_cast<double>(n), 1 - kTheta)) / (1 - zeta2 / zeta_);
  }
  uint64_t Next(Random& random) const {
    const double unit = random.Unit();
    const double scaled = unit * zeta_;
    if (scaled < 1) return 0;
    if (scaled < 1 + std::pow(0.5, kTheta)) return 1;
    return std::min(n_ - 1, static_cast<uint64_t>(static_cast<double>(n_) * std::pow(eta_ * unit - eta_ + 1, alpha_)));
  }

 private:
  static constexpr double kTheta = 0.99;
  uint64_t n_;
  double zeta_ = 0;
  double alpha_ = 0;
  double eta_ = 0;
};

struct Key {
  char bytes[16];
  rocksdb::Slice slice() const { return {bytes, sizeof(bytes)}; }
};

Key KeyOf(uint64_t number) {
  Key key;
  const uint64_t high = __builtin_bswap64(Mix(number + 1));
  const uint64_t low = __builtin_bswap64(number);
  std::memcpy(key.bytes, &high, 8);
  std::memcpy(key.bytes + 8, &low, 8);
  return key;
}

rocksdb::Slice SliceOf(const KeyCount& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

class Database {
 public:
  Database(const std::string& folder, const RocksDbMemory& memory) : path_(folder + "/rocksdb-loop") {
    std::filesystem::remove_all(path_);
    rocksdb::DB* database = nullptr;
    Check(rocksdb::DB::Open(
        RocksDbDatabaseOptions(memory.write_buffers, rocksdb::NewLRUCache(static_cast<size_t>(memory.blocks))), path_,
        &database));
    database_.reset(database);
    write_options_.disableWAL = true;
  }
  ~Database() {
    database_.reset();
    std::filesystem::remove_all(path_);
  }
  rocksdb::DB* operator->() { return database_.get(); }
  const rocksdb::WriteOptions& write_options() const { return write_options_; }
  rocksdb::ColumnFamilyHandle* family() { return database_->DefaultColumnFamily(); }

 private:
  const std::string path_;
  std::unique_ptr<rocksdb::DB> database_;
  rocksdb::WriteOptions write_options_;
};

void Count(KeyCount& value) {
  ++value.count;
  value.sum += 1;
}

class Timer {
 public:
  void Start() {
    wall_ = WallSeconds();
    cpu_ = ProcessCpuSeconds();
  }
  RocksDbLoopResult Stop(uint64_t counted) const {
    return {WallSeconds() - wall_, ProcessCpuSeconds() - cpu_, counted};
  }

 private:
  double wall_ = 0;
  double cpu_ = 0;
};

}  // namespace

double ProcessCpuSeconds() {
  return Seconds(CLOCK_PROCESS_CPUTIME_ID);
}
double WallSeconds() {
  return Seconds(CLOCK_MONOTONIC);
}

std::vector<uint32_t> MakeKeyStream(uint32_t keys, size_t count, bool zipf) {
  std::vector<uint32_t> stream(std::max<size_t>(count, keys));
  Random random{7};
  for (uint32_t i = 0; i < keys; ++i) stream[i] = i;
  for (uint32_t i = keys; i > 1; --i) std::swap(stream[i - 1], stream[random.Below(i)]);
  const Zipf law(zipf ? keys : 2);
  for (size_t i = keys; i < stream.size(); ++i) {
    stream[i] = static_cast<uint32_t>(zipf ? Mix(law.Next(random) + 12345) % keys : random.Below(keys));
  }
  return stream;
}

RocksDbLoopResult RunRocksDbCacheLoop(const std::vector<uint32_t>& keys, size_t load, size_t slots,
                                      const RocksDbMemory& memory, const std::string& folder) {
  struct Slot {
    Key key;
    KeyCount value;
    uint32_t number;
    bool referenced;
    bool dirty;
  };
  Database database(folder, memory);
  std::vector<Slot> slab(slots);
  absl::flat_hash_map<uint32_t, uint32_t> index;
  index.reserve(slots);
  size_t used = 0;
  size_t hand = 0;
  uint64_t counted = 0;
  rocksdb::PinnableSlice read;
  Timer timer;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i == load) timer.Start();
    const uint32_t number = keys[i];
    ++counted;
    if (const auto found = index.find(number); found != index.end()) {
      Slot& slot = slab[found->second];
      Count(slot.value);
      slot.dirty = slot.referenced = true;
      continue;
    }
    const Key key = KeyOf(number);
    KeyCount value;
    read.Reset();
    const rocksdb::Status status = database->Get({}, database.family(), key.slice(), &read);
    if (status.ok()) {
      std::memcpy(&value, read.data(), sizeof(value));
    } else if (!status.IsNotFound()) {
      Check(status);
    }
    Count(value);
    uint32_t at = 0;
    if (used < slots) {
      at = static_cast<uint32_t>(used++);
    } else {
      while (slab[hand].referenced) {
        slab[hand].referenced = false;
        if (++hand == slots) hand = 0;
      }
      at = static_cast<uint32_t>(hand);
      if (++hand == slots) hand = 0;
      Slot& old = slab[at];
      index.erase(old.number);
      if (old.dirty) Check(database->Put(database.write_options(), old.key.slice(), SliceOf(old.value)));
    }
    slab[at] = {key, value, number, false, true};
    index[number] = at;
  }
  return timer.Stop(counted);
}

RocksDbLoopResult RunRocksDbBatchLoop(const std::vector<uint32_t>& keys, size_t load, const RocksDbMemory& memory,
                                      const std::string& folder) {
  Database database(folder, memory);
  std::vector<Key> batch(kBatch);
  std::vector<rocksdb::Slice> slices(kBatch);
  std::vector<rocksdb::PinnableSlice> reads(kBatch);
  std::vector<rocksdb::Status> statuses(kBatch);
  rocksdb::WriteBatch writes;
  uint64_t counted = 0;
  Timer timer;
  bool started = false;
  for (size_t at = 0; at < keys.size(); at += kBatch) {
    if (!started && at >= load) {
      timer.Start();
      started = true;
    }
    const size_t count = std::min(kBatch, keys.size() - at);
    for (size_t i = 0; i < count; ++i) {
      batch[i] = KeyOf(keys[at + i]);
      slices[i] = batch[i].slice();
      reads[i].Reset();
    }
    database->MultiGet({}, database.family(), count, slices.data(), reads.data(), statuses.data());
    writes.Clear();
    for (size_t i = 0; i < count; ++i) {
      KeyCount value;
      if (statuses[i].ok()) {
        std::memcpy(&value, reads[i].data(), sizeof(value));
      } else if (!statuses[i].IsNotFound()) {
        Check(statuses[i]);
      }
      Count(value);
      ++counted;
      Check(writes.Put(slices[i], SliceOf(value)));
    }
    Check(database->Write(database.write_options(), &writes));
  }
  return timer.Stop(counted);
}

}  // namespace eagre::bench
