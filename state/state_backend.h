// Where the keyed state of one slot lives, and how much memory it may take: state.backend.type.
//
// Operators keep their state as decoded objects in tables of their own, whatever the backend, and tell it what these
// take. The memory backend has nowhere else to put them: a job that needs more than it may have fails, by a message
// that names operator and state. The RocksDB backend gives every state an EntryStore, and has tables evict what was not
// used lately when all of the slot together hold too much, so that they are its cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "state/entry_store.h"

namespace eagre {

// A table whose entries can be written to its store and dropped.
class EvictableState {
 public:
  virtual ~EvictableState() = default;
  // Drops entries of about `bytes`, those first that were not used lately. Fewer, and no error, when the store is
  // behind (StateBackend::stalled) or when the table is in the middle of a batch. Commits wait if
  // StateBackend::may_wait.
  virtual Status Evict(size_t bytes) = 0;
};

// Used by the slot's thread only.
class StateBackend {
 public:
  enum class Type { kMemory, kRocksDb };

  // Limits in bytes; 0: none.
  StateBackend(Type type, int64_t limit_bytes) : type_(type), limit_bytes_(limit_bytes) {}
  virtual ~StateBackend() = default;
  StateBackend(const StateBackend&) = delete;
  StateBackend& operator=(const StateBackend&) = delete;

  Type type() const { return type_; }
  // Of what the tables hold together.
  int64_t limit_bytes() const { return limit_bytes_; }
  int64_t used_bytes() const { return used_bytes_; }

  // A store of its own for one state; null: there is only memory.
  virtual StatusOr<std::unique_ptr<EntryStore>> OpenStore(int max_parallelism) = 0;
  // One that is ordered by keys alone, for timers; null: they stay in memory.
  virtual StatusOr<std::unique_ptr<EntryStore>> OpenTimerStore() { return OpenStore(/*max_parallelism=*/1); }

  // A copy of the database below the stores, in a folder on the same disk where that can be: files that do not change
  // have two names then.
  struct SnapshotFile {
    std::string name;
    int64_t bytes = 0;
  };
  struct Snapshot {
    std::string directory;
    std::vector<SnapshotFile> files;
    std::set<uint32_t> stores;  // those whose entries are wanted; the others are emptied
  };
  // Before the first OpenStore. When the snapshot cannot be used, the stores are empty.
  virtual void OpenFrom(Snapshot snapshot) { static_cast<void>(snapshot); }
  virtual bool opened_from_snapshot() const { return false; }
  // Makes a snapshot in a folder, which is made. To be called on a thread that may wait for the disk, whatever the slot
  // does meanwhile: what changes then may be in it or not. Null: there is no database.
  using SnapshotMaker = std::function<StatusOr<std::vector<SnapshotFile>>(const std::string& directory)>;
  virtual SnapshotMaker NewSnapshotMaker() { return nullptr; }

  // The share of one state in what is used; on its end it takes nothing any more.
  class Share {
   public:
    Share() = default;
    ~Share() { Close(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    // `evictable` is null where nothing can be dropped. `backend` outlives the share.
    // `state_names`: of all that it is for.
    void Open(StateBackend& backend, std::string operator_name, std::vector<std::string> state_names,
              EvictableState* evictable);
    // Of what no backend keeps anywhere else. `has_own_limit`: whoever opens it sees to it that it is within reason,
    // and above a store nothing fails because of it.
    void OpenMemoryOnly(StateBackend& backend, std::string operator_name, std::vector<std::string> state_names,
                        bool has_own_limit = false);
    void Close();
    bool is_open() const { return backend_ != nullptr; }
    void Set(size_t bytes) {
      if (backend_ == nullptr) return;
      backend_->used_bytes_ += static_cast<int64_t>(bytes) - static_cast<int64_t>(bytes_);
      bytes_ = bytes;
      if (backend_->used_gauge_ != nullptr) backend_->used_gauge_->Set(static_cast<double>(backend_->used_bytes_));
    }

   private:
    friend class StateBackend;
    // Whether it has to fit, since nothing can be dropped.
    bool stays() const { return evictable_ == nullptr && (backend_->type_ == Type::kMemory || !has_own_limit_); }

    StateBackend* backend_ = nullptr;
    std::string operator_name_;
    std::vector<std::string> state_names_;
    EvictableState* evictable_ = nullptr;
    bool memory_only_ = false;
    bool has_own_limit_ = false;
    size_t bytes_ = 0;
  };

  // What is used is shown here.
  void set_used_gauge(Gauge* gauge) { used_gauge_ = gauge; }

  // After a batch, when the shares are up to date. RESOURCE_EXHAUSTED when more is held than may be and nothing can be
  // done about it. OK while the store is stalled: what is too much then goes later.
  Status MakeRoom() {
    if (used_bytes_ <= limit_bytes_ || limit_bytes_ == 0) [[likely]]
      return OkStatus();
    return MakeRoomNow();
  }
  bool full() const { return limit_bytes_ != 0 && used_bytes_ > limit_bytes_; }
  // The store takes nothing at the moment: whoever needs room has to wait, and will be woken.
  bool stalled() const { return stalled_ && !may_wait(); }
  // Whether what is evicted is written by commits that wait.
  bool may_wait() const { return restoring_; }

  // While it lives, room is made for what is being restored, by waiting for a store that is behind: nobody would be
  // woken before all tasks of the slot are open, and what is too much could not go.
  class RestoringScope {
   public:
    explicit RestoringScope(StateBackend& backend) : backend_(backend), before_(backend.restoring_) {
      backend.restoring_ = true;
    }
    ~RestoringScope() { backend_.restoring_ = before_; }
    RestoringScope(const RestoringScope&) = delete;
    RestoringScope& operator=(const RestoringScope&) = delete;

   private:
    StateBackend& backend_;
    const bool before_;
  };

  // Refreshes what the metrics show. Any thread.
  virtual void UpdateGauges() {}

 protected:
  // A write was refused; whoever derives calls EndStall, on the slot's thread, when it is worth another try.
  void BeginStall() {
    if (!stalled_) OnStall();
    stalled_ = true;
  }
  void EndStall() { stalled_ = false; }
  virtual void OnStall() {}

 private:
  Status MakeRoomNow();
  Status OverLimit(int64_t bytes) const;

  const Type type_;
  const int64_t limit_bytes_;
  int64_t used_bytes_ = 0;
  Gauge* used_gauge_ = nullptr;
  bool stalled_ = false;
  bool restoring_ = false;
  std::vector<Share*> shares_;
};

// All in memory, which has a limit.
class MemoryStateBackend final : public StateBackend {
 public:
  explicit MemoryStateBackend(int64_t limit_bytes = 0) : StateBackend(Type::kMemory, limit_bytes) {}
  StatusOr<std::unique_ptr<EntryStore>> OpenStore(int) override { return std::unique_ptr<EntryStore>(); }
};

}  // namespace eagre
