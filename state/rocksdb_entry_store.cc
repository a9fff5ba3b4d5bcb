#include "state/rocksdb_entry_store.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <bit>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace eagre {
namespace {

constexpr size_t kPrefixBytes = 4;                                    // key group and state
constexpr size_t kHeaderBytes = sizeof(uint32_t) + sizeof(uint64_t);  // epoch and hash
constexpr uint32_t kLastKeyGroup = 0xFFFF;

Status FromRocksDb(const rocksdb::Status& status) {
  if (status.ok()) return OkStatus();
  if (status.IsCorruption()) return DataLoss("RocksDB found its files damaged: {}", status.ToString());
  return Internal("RocksDB failed: {}", status.ToString());
}

std::string_view AsView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

class RocksDbEntryStore final : public EntryStore {
 public:
  RocksDbEntryStore(rocksdb::DB& database, uint16_t number, int max_parallelism, std::function<void()> on_stall,
                    std::function<void()> on_damage)
      : database_(database),
        number_(number),
        max_parallelism_(static_cast<uint64_t>(max_parallelism)),
        on_stall_(std::move(on_stall)),
        on_damage_(std::move(on_damage)) {
    scan_options_.fill_cache = false;
    scan_options_.total_order_seek = true;
  }

  ByteWriter& AddRead(uint64_t hash) override {
    read_ends_.push_back(read_keys_.size());
    AppendPrefix(read_keys_, KeyGroup(hash));
    return read_writer_;
  }

  Status Read(OnRead found) override {
    const size_t count = read_ends_.size();
    read_ends_.push_back(read_keys_.size());
    slices_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      slices_[i] = rocksdb::Slice(read_keys_.data() + read_ends_[i], read_ends_[i + 1] - read_ends_[i]);
    }
    if (values_.size() < count) values_.resize(count);
    statuses_.assign(count, rocksdb::Status());
    database_.MultiGet(read_options_, database_.DefaultColumnFamily(), count, slices_.data(), values_.data(),
                       statuses_.data());
    Status status;
    for (size_t i = 0; i < count && status.ok(); ++i) {
      if (statuses_[i].IsNotFound()) {
        status = found(i, nullptr);
      } else if (statuses_[i].ok()) {
        StoredEntry entry;
        status = Parse(AsView(values_[i]), entry);
        if (status.ok()) status = found(i, &entry);
      } else {
        status = Check(statuses_[i]);
      }
    }
    for (size_t i = 0; i < count; ++i) values_[i].Reset();
    read_keys_.clear();
    read_ends_.clear();
    return status;
  }

  ByteWriter& BeginPut(uint64_t hash) override {
    hash_ = hash;
    key_.clear();
    AppendPrefix(key_, KeyGroup(hash));
    return key_writer_;
  }
  ByteWriter& BeginValue(uint32_t epoch) override {
    value_.clear();
    value_writer_.Fixed(epoch);
    value_writer_.Fixed(hash_);
    return value_writer_;
  }
  void EndPut() override { puts_.Put(key_, value_).PermitUncheckedError(); }
  void EndErase() override { puts_.Delete(key_).PermitUncheckedError(); }
  std::string_view key_at_hand() const override { return std::string_view(key_).substr(kPrefixBytes); }

  StatusOr<bool> Commit(bool may_wait) override {
    if (puts_.Count() == 0) return true;
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    options.no_slowdown = !may_wait;
    const StatusOr<bool> written = Write(options, puts_);
    puts_.Clear();
    return written;
  }

  StatusOr<bool> Scan(std::string_view prefix, std::string& position, OnVisit visit) override {
    const std::unique_ptr<rocksdb::Iterator> it(database_.NewIterator(scan_options_));
    it->Seek(position.empty() ? Bound(0, prefix) : position + '\0');
    EAGRE_ASSIGN_OR_RETURN(const bool done, Visit(*it, prefix, visit));
    if (!done) position.assign(AsView(it->key()));
    return done;
  }
  StatusOr<bool> ScanFrom(std::string_view key, OnVisit visit) override {
    const std::unique_ptr<rocksdb::Iterator> it(database_.NewIterator(scan_options_));
    it->Seek(Bound(0, key));
    return Visit(*it, "", visit);
  }
  std::unique_ptr<View> NewView() override {
    // An iterator sees the database as it was when it was made.
    return std::make_unique<StoreView>(*this);
  }

  uint32_t number() const override { return number_; }

  StatusOr<bool> ErasePrefix(std::string_view prefix) override {
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    options.no_slowdown = true;
    rocksdb::WriteBatch ranges;
    const std::unique_ptr<rocksdb::Iterator> it(database_.NewIterator(scan_options_));
    std::string target = Bound(0, prefix);
    for (it->Seek(target); it->Valid(); it->Seek(target)) {
      const std::string_view key = AsView(it->key());
      if (IsOurs(key, prefix)) {
        const uint32_t group = GroupOf(key);
        ranges.DeleteRange(Bound(group, prefix), After(Bound(group, prefix))).PermitUncheckedError();
        if (group == kLastKeyGroup) break;
        target = Bound(group + 1, prefix);
      } else if (!NextTarget(key, prefix, target)) {
        break;
      }
    }
    EAGRE_RETURN_IF_ERROR(Check(it->status()));
    return Write(options, ranges);
  }

 private:
  class StoreView final : public View {
   public:
    explicit StoreView(RocksDbEntryStore& store)
        : store_(store), it_(store.database_.NewIterator(store.scan_options_)) {
      it_->Seek(store_.Bound(0, ""));
    }
    StatusOr<bool> Scan(OnVisit visit) override {
      EAGRE_ASSIGN_OR_RETURN(const bool done, store_.Visit(*it_, "", visit));
      if (!done) it_->Next();
      return done;
    }

   private:
    RocksDbEntryStore& store_;
    const std::unique_ptr<rocksdb::Iterator> it_;
  };

  // From where the iterator stands. False: visit() was false of the entry where it stands now.
  StatusOr<bool> Visit(rocksdb::Iterator& it, std::string_view prefix, OnVisit visit) const {
    std::string target;
    while (it.Valid()) {
      const std::string_view key = AsView(it.key());
      if (!IsOurs(key, prefix)) {
        if (!NextTarget(key, prefix, target)) break;
        it.Seek(target);
        continue;
      }
      StoredEntry entry;
      EAGRE_RETURN_IF_ERROR(Parse(AsView(it.value()), entry));
      entry.key = key.substr(kPrefixBytes);
      if (!visit(entry)) return false;
      it.Next();
    }
    EAGRE_RETURN_IF_ERROR(Check(it.status()));
    return true;
  }

  StatusOr<bool> Write(const rocksdb::WriteOptions& options, rocksdb::WriteBatch& batch) {
    const rocksdb::Status status = database_.Write(options, &batch);
    if (status.IsIncomplete()) {
      on_stall_();
      return false;
    }
    EAGRE_RETURN_IF_ERROR(Check(status));
    return true;
  }

  Status Check(const rocksdb::Status& status) const {
    if (status.IsCorruption()) on_damage_();
    return FromRocksDb(status);
  }
  uint32_t KeyGroup(uint64_t hash) const { return static_cast<uint32_t>(hash % max_parallelism_); }
  void AppendPrefix(std::string& key, uint32_t group) const {
    const char prefix[kPrefixBytes] = {static_cast<char>(group >> 8), static_cast<char>(group),
                                       static_cast<char>(number_ >> 8), static_cast<char>(number_)};
    key.append(prefix, kPrefixBytes);
  }
  static uint32_t GroupOf(std::string_view key) {
    return static_cast<uint32_t>(static_cast<unsigned char>(key[0])) << 8 | static_cast<unsigned char>(key[1]);
  }
  // The least key of the group that begins with `prefix`.
  std::string Bound(uint32_t group, std::string_view prefix) const {
    std::string key;
    AppendPrefix(key, group);
    key += prefix;
    return key;
  }
  // The least key that is greater than all that begin with `prefix`.
  static std::string After(std::string prefix) {
    while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
    if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
    return prefix;
  }
  bool IsOurs(std::string_view key, std::string_view prefix) const {
    return static_cast<unsigned char>(key[2]) == number_ >> 8 &&
           static_cast<unsigned char>(key[3]) == (number_ & 0xFF) && key.substr(kPrefixBytes).starts_with(prefix);
  }
  // Where to go on behind a key that is not ours. False: there is nothing more.
  bool NextTarget(std::string_view key, std::string_view prefix, std::string& target) const {
    const uint32_t group = GroupOf(key);
    target = Bound(group, prefix);
    if (key < target) return true;
    if (group == kLastKeyGroup) return false;
    target = Bound(group + 1, prefix);
    return true;
  }
  static Status Parse(std::string_view bytes, StoredEntry& entry) {
    ByteReader reader(bytes);
    if (!reader.Fixed(entry.epoch) || !reader.Fixed(entry.hash)) return DataLoss("a value in RocksDB is cut off");
    entry.value = bytes.substr(kHeaderBytes);
    return OkStatus();
  }

  rocksdb::DB& database_;
  const uint16_t number_;
  const uint64_t max_parallelism_;
  const std::function<void()> on_stall_;
  const std::function<void()> on_damage_;
  rocksdb::ReadOptions read_options_;
  rocksdb::ReadOptions scan_options_;
  std::string read_keys_;
  ByteWriter read_writer_{read_keys_};
  std::vector<size_t> read_ends_;  // begin of each key, and the end of the last
  std::vector<rocksdb::Slice> slices_;
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<rocksdb::Status> statuses_;
  uint64_t hash_ = 0;
  std::string key_;
  std::string value_;
  ByteWriter key_writer_{key_};
  ByteWriter value_writer_{value_};
  rocksdb::WriteBatch puts_;
};

}  // namespace

std::unique_ptr<EntryStore> NewRocksDbEntryStore(rocksdb::DB& database, uint16_t number, int max_parallelism,
                                                 std::function<void()> on_stall, std::function<void()> on_damage) {
  return std::make_unique<RocksDbEntryStore>(database, number, max_parallelism, std::move(on_stall),
                                             std::move(on_damage));
}

}  // namespace eagre
