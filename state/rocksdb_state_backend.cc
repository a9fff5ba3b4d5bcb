#include "state/rocksdb_state_backend.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "base/file_copy.h"
#include "base/file_system.h"
#include "base/logging.h"
#include "base/work_directory.h"
#include "state/rocksdb_entry_store.h"
#include "state/rocksdb_options.h"

namespace eagre {
namespace {

constexpr int64_t kStallRetryMs = 3;

class RocksDbStateBackend final : public StateBackend {
 public:
  RocksDbStateBackend(RocksDbOptions options, int64_t object_bytes)
      : StateBackend(Type::kRocksDb, object_bytes), options_(std::move(options)) {}

  ~RocksDbStateBackend() override {
    *alive_ = false;
    // One that is being copied ends with that.
    database_.reset();
  }

  void OpenFrom(Snapshot snapshot) override { snapshot_ = std::move(snapshot); }
  bool opened_from_snapshot() const override { return opened_from_snapshot_; }

  SnapshotMaker NewSnapshotMaker() override {
    if (database_ == nullptr) return nullptr;
    return [database = database_](const std::string& directory) { return MakeSnapshot(*database, directory); };
  }

  StatusOr<std::unique_ptr<EntryStore>> OpenStore(int max_parallelism) override {
    return OpenNumbered(next_state_++, max_parallelism);
  }
  StatusOr<std::unique_ptr<EntryStore>> OpenTimerStore() override {
    if (!options_.timers) return std::unique_ptr<EntryStore>();
    // From the other end, so that the numbers of all other stores are the same with and without.
    return OpenNumbered(next_timers_--, /*max_parallelism=*/1);
  }

  void UpdateGauges() override {
    rocksdb::DB* database = shown_.load(std::memory_order_acquire);
    if (database == nullptr) return;
    const auto show = [database](Gauge* gauge, const std::string& property) {
      uint64_t value = 0;
      if (database->GetIntProperty(property, &value)) gauge->Set(static_cast<double>(value));
    };
    show(write_buffers_, rocksdb::DB::Properties::kCurSizeAllMemTables);
    show(files_, rocksdb::DB::Properties::kTotalSstFilesSize);
    show(keys_, rocksdb::DB::Properties::kEstimateNumKeys);
    block_cache_->Set(static_cast<double>(cache_->GetUsage()));
  }

 private:
  StatusOr<std::unique_ptr<EntryStore>> OpenNumbered(uint16_t number, int max_parallelism) {
    if (database_ == nullptr) EAGRE_RETURN_IF_ERROR(OpenDatabase());
    std::unique_ptr<EntryStore> store = NewRocksDbEntryStore(
        *database_, number, max_parallelism, [this] { BeginStall(); }, [this] { OnDamage(); });
    if (opened_from_snapshot_ && !snapshot_->stores.contains(number)) {
      EAGRE_ASSIGN_OR_RETURN(const bool emptied, store->ErasePrefix(""));
      if (!emptied) return Internal("RocksDB refused to empty a store of a local snapshot");
    }
    return store;
  }

  Status OpenDatabase() {
    const auto write_buffer_bytes =
        static_cast<int64_t>(static_cast<double>(options_.memory_bytes) * options_.write_buffer_ratio);
    const int64_t cache_bytes = std::max<int64_t>(options_.memory_bytes - limit_bytes(), write_buffer_bytes);
    EAGRE_ASSIGN_OR_RETURN(directory_, WorkDirectory::Create(options_.directory, "rocksdb", options_.name));
    // The write buffers are accounted in the cache for blocks, which so holds less when they hold more.
    cache_ = rocksdb::NewLRUCache(static_cast<size_t>(cache_bytes));
    const rocksdb::Options options = RocksDbDatabaseOptions(write_buffer_bytes, cache_);
    rocksdb::DB* database = nullptr;
    if (snapshot_) {
      const std::string path = JoinPath(directory_->path(), "restored");
      const Status opened = OpenSnapshot(options, path, database);
      opened_from_snapshot_ = opened.ok();
      if (opened.ok()) {
        EAGRE_LOG_INFO("beginning with the local snapshot in {}", snapshot_->directory);
      } else {
        EAGRE_LOG_WARN("restoring from the checkpoint, since the local snapshot in {} cannot be used: {}",
                       snapshot_->directory, StatusMessage(opened));
        OnDamage();
      }
    }
    if (database == nullptr) {
      const std::string path = JoinPath(directory_->path(), "db");
      const rocksdb::Status opened = rocksdb::DB::Open(options, path, &database);
      if (!opened.ok()) return Internal("cannot open a RocksDB database in '{}': {}", path, opened.ToString());
    }
    database_.reset(database);
    if (options_.metrics == nullptr) return OkStatus();
    const auto gauge = [&](const char* name, const char* help) {
      return &options_.metrics->AddGauge(std::string("flink_taskmanager_job_slot_rocksdb_") + name, options_.labels,
                                         help);
    };
    write_buffers_ = gauge("cur_size_all_mem_tables", "Bytes of write buffers");
    block_cache_ = gauge("block_cache_usage", "Bytes of the block cache, with the write buffers that it accounts for");
    files_ = gauge("total_sst_files_size", "Bytes of the database on disk");
    keys_ = gauge("estimate_num_keys", "Entries in the database, about");
    stalls_ = gauge("write_stalls", "Times that the database was behind and refused a write");
    shown_.store(database, std::memory_order_release);
    return OkStatus();
  }

  Status OpenSnapshot(const rocksdb::Options& options, const std::string& path, rocksdb::DB*& database) const {
    FileSystem& files = PosixFileSystem();
    EAGRE_RETURN_IF_ERROR(files.CreateDirectories(path));
    for (const SnapshotFile& file : snapshot_->files) {
      const std::string from = JoinPath(snapshot_->directory, file.name);
      const std::string to = JoinPath(path, file.name);
      EAGRE_ASSIGN_OR_RETURN(const FileInfo found, files.Stat(from));
      if (found.size != file.bytes) return DataLoss("{} has {} bytes instead of {}", from, found.size, file.bytes);
      // Tables never change; the other files are small, and written on.
      if (!file.name.ends_with(".sst")) {
        EAGRE_ASSIGN_OR_RETURN(const std::string content, files.ReadFile(from));
        EAGRE_RETURN_IF_ERROR(files.WriteFile(to, content));
      } else if (!files.Link(from, to).ok()) {
        EAGRE_RETURN_IF_ERROR(CopyFile(files, from, to));
      }
    }
    rocksdb::Options existing = options;
    existing.create_if_missing = false;
    const rocksdb::Status opened = rocksdb::DB::Open(existing, path, &database);
    return opened.ok() ? OkStatus() : DataLoss("{}", opened.ToString());
  }

  // The next attempt must not begin with it again.
  void OnDamage() const {
    if (!snapshot_) return;
    const Status removed = PosixFileSystem().RemoveTree(snapshot_->directory);
    if (!removed.ok()) EAGRE_LOG_ERROR("cannot remove a damaged local snapshot: {}", StatusMessage(removed));
  }

  static StatusOr<std::vector<SnapshotFile>> MakeSnapshot(rocksdb::DB& database, const std::string& directory) {
    rocksdb::Checkpoint* created = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(&database, &created);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(created);
    if (status.ok()) status = checkpoint->CreateCheckpoint(directory);
    if (!status.ok()) return Internal("RocksDB cannot make a snapshot in {}: {}", directory, status.ToString());
    EAGRE_ASSIGN_OR_RETURN(const std::vector<FileInfo> found, PosixFileSystem().List(directory));
    std::vector<SnapshotFile> files;
    for (const FileInfo& file : found) files.push_back({std::string(BaseName(file.path)), file.size});
    return files;
  }

  void OnStall() override {
    if (stalls_ != nullptr) stalls_->Set(static_cast<double>(++stall_count_));
    if (options_.post_after == nullptr) return;
    options_.post_after(kStallRetryMs, [this, alive = alive_] {
      if (*alive) EndStall();
    });
  }

  const RocksDbOptions options_;
  std::unique_ptr<WorkDirectory> directory_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::optional<Snapshot> snapshot_;  // to begin with
  bool opened_from_snapshot_ = false;
  std::shared_ptr<rocksdb::DB> database_;     // null until a state asks for a store
  std::atomic<rocksdb::DB*> shown_{nullptr};  // whose gauges are shown
  uint16_t next_state_ = 0;
  uint16_t next_timers_ = 0xFFFF;
  int64_t stall_count_ = 0;
  Gauge* write_buffers_ = nullptr;
  Gauge* block_cache_ = nullptr;
  Gauge* files_ = nullptr;
  Gauge* keys_ = nullptr;
  Gauge* stalls_ = nullptr;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // on the slot's thread
};

}  // namespace

std::unique_ptr<StateBackend> NewRocksDbStateBackend(RocksDbOptions options) {
  const auto object_bytes =
      static_cast<int64_t>(static_cast<double>(options.memory_bytes) * options.object_cache_ratio);
  return std::make_unique<RocksDbStateBackend>(std::move(options), std::max<int64_t>(object_bytes, 1));
}

}  // namespace eagre
