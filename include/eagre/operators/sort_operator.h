// Event-time order: holds records back until the watermark has passed them and emits them in the order of their times.
//
// One buffer per subtask, cut into buckets of a quarter of a second, each sorted once when it is due: cheaper than a
// buffer per key, and each key's records are in order all the same. Timestamps and key hashes go through unchanged.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eagre/operators/sort_core.h"
#include "record/schema.h"
#include "runtime/slot_pool.h"
#include "runtime/slot_state.h"
#include "state/keyed_state_table.h"
#include "state/state_schema.h"

namespace eagre {

template <typename T, typename Less>
class SortOperator final : public SortOperatorBase {
 public:
  // Records of equal times are in the order of their arrival, or of `less` if that is not std::nullptr_t. Late records
  // go to output `late_port`; for -1 they are dropped and counted.
  explicit SortOperator(Less less, int late_port = -1) : less_(std::move(less)), late_port_(late_port) {}

  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    auto& in = static_cast<TypedBatch<T>&>(*batch);
    T* records = in.records();
    const int64_t* timestamps = in.timestamps();
    keyed_ = in.keyed();
    int64_t bytes = 0;
    for (; position < in.size(); ++position) {
      if (late_port_ >= 0) {
        if (context_->output(late_port_).full()) break;
        if (PassOnLate(records[position], timestamps[position])) continue;
      } else if (IsLate(timestamps[position])) {
        continue;
      }
      records_.PrefetchFree(kPrefetchDistance);
      const uint32_t slot = records_.Allocate();
      Held& held = records_[slot];
      if constexpr (Codec<T>::kHasTail) {
        // Swapped, so that the batch gets an object back whose strings have memory to be refilled.
        std::swap(held.record, records[position]);
      } else {
        held.record = records[position];
      }
      held.hash = keyed_ ? in.hashes()[position] : 0;
      held.keyed = keyed_;
      held.timestamp = timestamps[position];
      held.sequence = next_sequence_++;
      StateOf(held).OnAdded(slot);
      bytes += static_cast<int64_t>(kHeldBytes + HeapBytesOf(held.record));
      Hold(timestamps[position], slot);
    }
    return FinishBatch(bytes);
  }

  void CollectStates(std::vector<CheckpointedState*>& states) override {
    states.push_back(watermark_state().state());
    states.push_back(&keyed_state_);
    states.push_back(&plain_state_);
  }

 private:
  struct Held {
    T record{};
    uint64_t hash = 0;
    int64_t timestamp = 0;
    uint64_t sequence = 0;  // of its arrival
    bool keyed = false;
  };
  struct Restored {
    int32_t subtask = 0;
    uint64_t sequence = 0;
    uint32_t slot = 0;
    friend bool operator<(const Restored& a, const Restored& b) {
      return a.subtask != b.subtask ? a.subtask < b.subtask : a.sequence < b.sequence;
    }
  };

  // The records held, in checkpoints: an entry's key is the subtask that stored it (int32) and the number of its
  // arrival there (uint64), its value the timestamp and the record. Nothing is ever erased: what the watermark of the
  // checkpoint has passed was emitted. Keyed records go with their key groups, others to any subtask.
  class HeldState final : public SlotState {
   public:
    HeldState(SortOperator& owner, StateDistribution distribution, std::string name)
        : owner_(owner), distribution_(distribution), name_(std::move(name)) {}

    using SlotState::OnAdded;
    using SlotState::OnRemoved;
    const std::string& name() const override { return name_; }
    StateDistribution distribution() const override { return distribution_; }
    std::string schema() const override { return "record: " + SchemaOf<T>().text(); }
    Status BeginRestore(const std::string& stored_schema) override {
      stored_.reset();
      if (stored_schema == schema()) return OkStatus();
      EAGRE_RETURN_IF_ERROR(CheckCompatible(stored_schema, schema()));
      EAGRE_ASSIGN_OR_RETURN(const StateSchema stored, StateSchema::Parse(stored_schema));
      stored_ = stored.parts().front().type;
      return OkStatus();
    }
    Status Restore(const StateEntry& entry) override {
      return owner_.RestoreHeld(entry, stored_ ? &*stored_ : nullptr, restored_);
    }
    Status FinishRestore(bool inherited) override {
      EAGRE_RETURN_IF_ERROR(owner_.HoldRestored(restored_, inherited, *this));
      restored_ = {};
      return SlotState::FinishRestore(inherited);
    }

   private:
    void EncodeItem(uint32_t slot, StateEntryWriter& out) override { owner_.EncodeHeld(slot, out); }
    void EncodeErased(uint32_t, StateEntryWriter&) override {}

    SortOperator& owner_;
    const StateDistribution distribution_;
    const std::string name_;
    std::optional<StoredSchema> stored_;  // of the records being restored, when it is not the current one
    std::vector<Restored> restored_;
  };

  HeldState& StateOf(const Held& held) { return held.keyed ? keyed_state_ : plain_state_; }

  void EncodeHeld(uint32_t slot, StateEntryWriter& out) const {
    const Held& held = records_[slot];
    ByteWriter& key = out.BeginKey(held.hash);
    key.Fixed(static_cast<int32_t>(context_->subtask()));
    key.Fixed(held.sequence);
    ByteWriter& value = out.BeginValue();
    value.Fixed(held.timestamp);
    Codec<T>::Encode(held.record, value);
    out.End();
  }

  Status RestoreHeld(const StateEntry& entry, const StoredSchema* stored, std::vector<Restored>& restored) {
    ByteReader key(entry.key);
    ByteReader value(entry.value);
    Restored one;
    int64_t timestamp = 0;
    if (!key.Fixed(one.subtask) || !key.Fixed(one.sequence) || !value.Fixed(timestamp)) {
      return DataLoss("an entry of held records is malformed");
    }
    if (timestamp <= watermark_state().OfSubtask(one.subtask)) return OkStatus();  // it was emitted
    one.slot = records_.Allocate();
    Held& held = records_[one.slot];
    held.timestamp = timestamp;
    held.hash = entry.hash;
    if (!DecodeAs(stored, value, held.record) || !value.empty()) {
      return DataLoss("an entry of held records is malformed");
    }
    restored.push_back(one);
    return OkStatus();
  }

  // In the order of arrival, and once, although a base and a delta may both have had it.
  Status HoldRestored(std::vector<Restored>& restored, bool inherited, HeldState& state) {
    std::sort(restored.begin(), restored.end());
    int64_t bytes = 0;
    for (size_t i = 0; i < restored.size(); ++i) {
      const uint32_t slot = restored[i].slot;
      if (i > 0 && !(restored[i - 1] < restored[i])) {
        records_.Free(slot);
        continue;
      }
      Held& held = records_[slot];
      held.keyed = &state == &keyed_state_;
      held.sequence = inherited ? restored[i].sequence : next_sequence_;
      next_sequence_ = std::max(next_sequence_, held.sequence + 1);
      bytes += static_cast<int64_t>(kHeldBytes + HeapBytesOf(held.record));
      Hold(held.timestamp, slot);
      state.OnAdded(slot);
    }
    if (!restored.empty()) keyed_ = records_[restored.front().slot].keyed;
    return FinishRestored(bytes);
  }

  bool PassOnLate(const T& record, int64_t timestamp) {
    if (!HasPassed(timestamp)) return false;
    Collector<T> late(context_->output(late_port_));
    late.set_timestamp(timestamp);
    late.Collect(record);
    return true;
  }

  static constexpr size_t kHeldBytes = sizeof(Held) + sizeof(SortEntry);
  static constexpr size_t kPrefetchDistance = 16;

  void OrderEqualTimes(SortEntry* begin, SortEntry* end) override {
    if constexpr (!std::is_same_v<Less, std::nullptr_t>) {
      std::stable_sort(begin, end, [this](const SortEntry& a, const SortEntry& b) {
        return less_(std::as_const(records_[a.slot].record), std::as_const(records_[b.slot].record));
      });
    }
  }

  size_t Emit(const SortEntry* entries, size_t count, int64_t& bytes) override {
    if (output().full()) return 0;
    // A call fills no more than one batch.
    auto& out = static_cast<TypedBatch<T>&>(output().batch());
    out.set_keyed(keyed_);
    const size_t emitted = std::min(count, out.type().capacity - out.size());
    for (size_t i = 0; i < emitted; ++i) {
      if (i + kPrefetchDistance < count) {
        const char* ahead = reinterpret_cast<const char*>(&records_[entries[i + kPrefetchDistance].slot]);
        __builtin_prefetch(ahead, 1, 3);
        __builtin_prefetch(ahead + sizeof(Held) - 1, 1, 3);
      }
      Held& held = records_[entries[i].slot];
      StateOf(held).OnRemoved(entries[i].slot);
      bytes += static_cast<int64_t>(kHeldBytes + HeapBytesOf(held.record));
      T& record = out.Append(entries[i].timestamp);
      if constexpr (Codec<T>::kHasTail) {
        std::swap(record, held.record);
      } else {
        record = held.record;
      }
      out.hashes()[out.size() - 1] = held.hash;
      records_.Free(entries[i].slot);
    }
    return emitted;
  }

  Less less_;
  const int late_port_;
  SlotPool<Held> records_;
  bool keyed_ = false;
  uint64_t next_sequence_ = 0;
  HeldState keyed_state_{*this, StateDistribution::kKeyed, "held keyed records"};
  HeldState plain_state_{*this, StateDistribution::kSplit, "held records"};
};

/// `less` orders records of equal times; none: by arrival. `late_port`: the output of late records; -1: they are
/// dropped.
template <typename T>
std::unique_ptr<Operator> MakeSortOperator(std::function<bool(const T&, const T&)> less = nullptr, int late_port = -1) {
  if (less == nullptr) return std::make_unique<SortOperator<T, std::nullptr_t>>(nullptr, late_port);
  return std::make_unique<SortOperator<T, std::function<bool(const T&, const T&)>>>(std::move(less), late_port);
}

}  // namespace eagre
