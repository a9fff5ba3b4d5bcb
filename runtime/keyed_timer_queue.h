// The timers of an operator's keys in one time domain.
//
// A timer is a key and a time; registering it again changes nothing, and it fires once. They fire in the order of
// TimerQueue. With a backend that has a store for them, those that are due last go there when the slot holds too much
// (runtime/timer_store.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "record/schema.h"
#include "runtime/slot_pool.h"
#include "runtime/slot_state.h"
#include "runtime/timer_log.h"
#include "runtime/timer_queue.h"
#include "runtime/timer_store.h"
#include "state/keyed_state_table.h"
#include "state/state_backend.h"

namespace eagre {

// Of keys of type K. Not thread-safe. In checkpoints an entry's key is the time (int64) and the encoded key;
// its value is empty.
template <typename K>
class KeyedTimerQueue final : public SlotState, public EvictableState {
 public:
  // `name` is the state's.
  explicit KeyedTimerQueue(std::string name) : name_(std::move(name)) {}

  // Before anything else, where timers count towards what `backend`, which outlives this, may hold.
  Status Open(StateBackend& backend, const std::string& operator_name) {
    EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<EntryStore> store, backend.OpenTimerStore());
    if (store != nullptr) {
      store_ = std::make_unique<TimerStore>(std::move(store));
      EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<EntryStore> log, backend.OpenTimerStore());
      log_ = std::make_unique<TimerLog>(std::move(log));
    }
    backend_ = &backend;
    share_.Open(backend, operator_name, {name_}, store_ == nullptr ? nullptr : this);
    return OkStatus();
  }

  // `hash` is the key's KeyHash.
  void Register(int64_t timestamp, uint64_t hash, const K& key) {
    bool added = false;
    const uint32_t slot = FindOrAdd(timestamp, hash, key, added);
    if (added) {
      OnAdded(slot);
    } else if (queue_.IsDeletion(slot)) {
      OnChanging(slot);
      queue_.SetKind(slot, TimerQueue::Kind::kTimer);
    }
  }
  void Delete(int64_t timestamp, uint64_t hash, const K& key) {
    if (MayBeStored({timestamp, hash})) return DeleteStored(timestamp, hash, key);
    const uint32_t slot = queue_.Delete(timestamp, hash, [&](uint32_t other) { return IsKey(other, key); });
    if (slot == TimerQueue::kNoSlot) return;
    OnRemoved(slot);
    LetKeyGo(slot);
    queue_.Discard(slot);
  }

  // Fires the timers that are due at `limit` one after another by fire(timestamp, hash, key), which may register and
  // delete timers, until stop() holds before one; true when none is left. False also when the store fails or is behind:
  // see status() and blocked().
  template <typename Stop, typename Fire>
  bool FireDue(int64_t limit, Stop&& stop, Fire&& fire) {
    while (NextTimestamp() <= limit && HasAny()) {
      if (stop()) return false;
      const uint32_t slot = queue_.PopDue(limit, store_ == nullptr ? TimerQueue::kEnd : store_->horizon());
      if (slot == TimerQueue::kNoSlot) {
        if (store_ == nullptr || store_->empty() || store_->horizon().timestamp > limit) break;
        if (!TakeFromStore()) return false;
        continue;
      }
      const TimerQueue::Item item = queue_.item(slot);
      if (item.kind == TimerQueue::Kind::kDeletion) {
        OnMovedOut(slot);
        LetKeyGo(slot);
        queue_.Free(slot);
        continue;
      }
      OnRemoved(slot);
      LetKeyGo(slot);
      std::swap(firing_key_, keys_[slot]);
      queue_.Free(slot);
      fire(item.timestamp, item.hash, firing_key_);
    }
    return true;
  }

  // Not later than the time of the next timer; kMaxWatermark when there is none.
  int64_t NextTimestamp() const {
    const int64_t next = queue_.NextTimestamp();
    return store_ == nullptr ? next : std::min(next, store_->horizon().timestamp);
  }
  // Above a store, about.
  size_t size() const { return queue_.size() + (store_ == nullptr ? 0 : store_->size()); }
  // Of the timers in memory, with what their keys own and what waits for a checkpoint.
  size_t memory_bytes() const {
    const size_t items = store_ == nullptr ? queue_.memory_bytes() + keys_.memory_bytes()
                                           : queue_.item_count() * (TimerQueue::kItemBytes + sizeof(K));
    return items + key_bytes_ + waiting_bytes();
  }
  // After a batch.
  void UpdateShare() {
    PutAwayGone();
    share_.Set(memory_bytes());
  }
  // The first failure of the store.
  const Status& status() const { return status_.ok() ? elsewhere_status() : status_; }
  // Timers are due that the store does not give.
  bool blocked() const { return take_refused_ && backend_->stalled(); }
  const TimerQueue& queue() const { return queue_; }
  const K& key(uint32_t slot) const { return keys_[slot]; }

  Status Evict(size_t bytes) override {
    const size_t held = memory_bytes();
    const size_t goal = held - std::min(bytes, held);
    while (queue_.item_count() > 0 && memory_bytes() > goal) {
      EAGRE_ASSIGN_OR_RETURN(const bool written, EvictLast());
      if (!written) break;
    }
    UpdateShare();
    return OkStatus();
  }

  const std::string& name() const override { return name_; }
  StateDistribution distribution() const override { return StateDistribution::kKeyed; }
  std::string schema() const override { return "timers\nkey: " + SchemaOf<K>().text(); }
  Status Restore(const StateEntry& entry) override {
    ByteReader in(entry.key);
    int64_t timestamp = 0;
    if (!in.Fixed(timestamp) || !Codec<K>::Decode(in, firing_key_) || !in.empty()) {
      return DataLoss("an entry of timers is malformed");
    }
    if (entry.erased) {
      Delete(timestamp, entry.hash, firing_key_);
    } else {
      Register(timestamp, entry.hash, firing_key_);
    }
    if (backend_ == nullptr || ++restored_ % kRestoredPerCheck != 0) return OkStatus();
    return MakeRoomWaiting();
  }
  Status FinishRestore(bool inherited) override {
    EAGRE_RETURN_IF_ERROR(SlotState::FinishRestore(inherited));
    return backend_ == nullptr ? OkStatus() : MakeRoomWaiting();
  }

 private:
  static constexpr size_t kEvictedAtOnce = 1024;
  static constexpr size_t kTakenAtOnce = 1024;
  static constexpr size_t kRestoredPerCheck = 1024;
  static constexpr size_t kMostGoneBytes = 256 << 10;  // in memory

  std::unique_ptr<EntriesElsewhere> ViewElsewhere() override { return store_ == nullptr ? nullptr : store_->NewView(); }
  std::unique_ptr<EntriesElsewhere> SealPutAway() override { return log_ == nullptr ? nullptr : log_->Seal(); }
  void PutAwayGone() {
    if (log_ == nullptr || gone().bytes() < kMostGoneBytes || backend_->stalled()) [[likely]]
      return;
    const StatusOr<bool> put_away = log_->Add(gone());
    if (!put_away.ok()) Fail(put_away.status());
  }

  bool HasAny() const { return queue_.item_count() > 0 || (store_ != nullptr && !store_->empty()); }
  bool MayBeStored(const TimerPosition& position) const { return store_ != nullptr && position >= store_->horizon(); }
  bool Fail(Status status) {
    status_ = std::move(status);
    return false;
  }

  uint32_t FindOrAdd(int64_t timestamp, uint64_t hash, const K& key, bool& added) {
    const uint32_t slot = queue_.FindOrAdd(
        timestamp, hash, [&](uint32_t other) { return IsKey(other, key); }, added);
    if (added) {
      keys_.Cover(slot);
      keys_[slot] = key;
      key_bytes_ += HeapBytesOf(key);
    }
    return slot;
  }
  void LetKeyGo(uint32_t slot) { key_bytes_ -= HeapBytesOf(keys_[slot]); }

  void DeleteStored(int64_t timestamp, uint64_t hash, const K& key) {
    bool added = false;
    const uint32_t slot = FindOrAdd(timestamp, hash, key, added);
    if (queue_.IsDeletion(slot)) return;
    if (!added) OnChanging(slot);
    queue_.SetKind(slot, TimerQueue::Kind::kDeletion);
    if (added) OnAdded(slot);
  }

  // False: it failed, or is to be tried again.
  bool TakeFromStore() {
    const StatusOr<bool> taken =
        store_->TakeNext(kTakenAtOnce, [this](const TimerPosition& position, std::string_view encoded) -> Status {
          ByteReader in(encoded);
          if (!Codec<K>::Decode(in, firing_key_) || !in.empty()) return DataLoss("a timer in the store is malformed");
          bool added = false;
          const uint32_t slot = FindOrAdd(position.timestamp, position.hash, firing_key_, added);
          if (added) {
            OnMovedIn(slot);
          } else if (!queue_.IsDeletion(slot)) {
            OnFoundElsewhere(slot);
          }
          return OkStatus();
        });
    if (!taken.ok()) return Fail(taken.status());
    take_refused_ = !*taken;
    return *taken;
  }

  StatusOr<bool> EvictLast() {
    evicted_.clear();
    const TimerPosition first = queue_.TakeLast(kEvictedAtOnce, evicted_);
    for (const uint32_t slot : evicted_) {
      Codec<K>::Encode(keys_[slot], store_->Begin(queue_.position(slot)));
      if (queue_.IsDeletion(slot)) {
        store_->EndDeletion();
      } else {
        store_->EndTimer();
      }
    }
    const StatusOr<bool> written = store_->Commit(first, backend_->may_wait());
    if (!written.ok() || !*written) {
      for (const uint32_t slot : evicted_) queue_.PutBack(slot);
      return written;
    }
    for (const uint32_t slot : evicted_) {
      OnMovedOut(slot);
      LetKeyGo(slot);
      if constexpr (Codec<K>::kHasTail) keys_[slot] = K();
      queue_.Remove(slot);
    }
    PutAwayGone();
    return true;
  }

  Status MakeRoomWaiting() {
    const StateBackend::RestoringScope restoring(*backend_);
    UpdateShare();
    return backend_->MakeRoom();
  }

  void EncodeItem(uint32_t slot, StateEntryWriter& out) override {
    EncodeKey(slot, out);
    if (queue_.item(slot).kind == TimerQueue::Kind::kDeletion) return out.EndErased();
    out.BeginValue();
    out.End();
  }
  void EncodeErased(uint32_t slot, StateEntryWriter& out) override {
    EncodeKey(slot, out);
    out.EndErased();
  }
  void EncodeKey(uint32_t slot, StateEntryWriter& out) const {
    const TimerQueue::Item& item = queue_.item(slot);
    ByteWriter& key = out.BeginKey(item.hash);
    key.Fixed(item.timestamp);
    Codec<K>::Encode(keys_[slot], key);
  }

  // Whether the key in the slot, whose hash is that of `key`, is `key`.
  bool IsKey(uint32_t slot, const K& key) const {
    if constexpr (kHashIdentifiesKey<K>) return true;
    return KeyEquals(keys_[slot], key);
  }

  const std::string name_;
  TimerQueue queue_;
  SlotPool<K> keys_;  // by the queue's slots
  size_t key_bytes_ = 0;
  K firing_key_{};  // or one that is being decoded
  StateBackend* backend_ = nullptr;
  std::unique_ptr<TimerStore> store_;  // null: all are in memory
  std::unique_ptr<TimerLog> log_;      // where there is a store
  StateBackend::Share share_;
  Status status_;
  bool take_refused_ = false;
  size_t restored_ = 0;
  std::vector<uint32_t> evicted_;
};

}  // namespace eagre
