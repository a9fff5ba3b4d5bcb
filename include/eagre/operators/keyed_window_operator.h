// Tumbling windows in event time over keyed streams: a table of accumulators per open window.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eagre/operators/window_core.h"
#include "eagre/operators/window_folding.h"
#include "eagre/window.h"
#include "record/schema.h"
#include "runtime/key_extractor.h"
#include "state/flat_table.h"
#include "state/keyed_state_table.h"

namespace eagre {

template <typename T, typename K, typename Folding, typename Emitter>
class KeyedWindowOperator final : public WindowOperatorBase {
 public:
  KeyedWindowOperator(TumblingEventTimeWindows windows, std::unique_ptr<KeyExtractor<T, K>> keys, Folding folding,
                      Emitter emitter, std::vector<std::string> side_outputs)
      : WindowOperatorBase(windows, std::move(side_outputs)),
        extractor_(std::move(keys)),
        folding_(std::move(folding)),
        emitter_(std::move(emitter)) {}

  Status Open(OperatorContext& context) override {
    EAGRE_RETURN_IF_ERROR(WindowOperatorBase::Open(context));
    EAGRE_RETURN_IF_ERROR(folding_.Open(context));
    return emitter_.Open(context);
  }
  Status Close(bool) override {
    folding_.Close();
    emitter_.Close();
    return OkStatus();
  }

  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    EAGRE_ASSIGN_OR_RETURN(const bool room, MakeRoom());
    if (!room) return OkStatus();
    auto& in = static_cast<TypedBatch<T>&>(*batch);
    if (!in.keyed()) extractor_->Hash(in);
    extractor_->Extract(in, keys_);
    if (any_spilled()) EAGRE_RETURN_IF_ERROR(FetchSpilled(in, position));
    // Records of one window mostly come one after another: a run of them works on one table.
    while (position < in.size()) {
      const int64_t timestamp = in.timestamps()[position];
      if (!InCurrentSlice(timestamp) && EnterSlice(timestamp) == nullptr) {
        ++position;
        continue;
      }
      FoldRun(in, position, static_cast<Slice&>(*current_slice()));
    }
    return FinishBatch();
  }

 private:
  using Acc = typename Folding::Acc;
  using StoredAcc = typename Folding::Stored;
  struct Entry {
    K key;
    Acc acc;
    [[no_unique_address]] internal::AccumulatorHeapBytes<Folding> heap_bytes{};
  };
  using Table = FlatTable<Entry>;
  struct Slice final : WindowSlice {
    size_t memory_bytes() const override { return table.memory_bytes() + heap_bytes; }

    Table table;
    size_t heap_bytes = 0;          // of keys, buffered records and accumulators
    typename Table::Cursor cursor;  // of firing
    size_t fired = 0;
  };
  static constexpr bool kMeasures = internal::kMeasuresAccumulators<Folding>;
  static constexpr size_t kPrefetchDistance = 12;
  static constexpr size_t kCachedBytes = 512 * 1024;  // smaller tables stay in the cache by themselves
  // Of an entry's mark: the store has just this. Not set in what has changed in the current epoch.
  static constexpr uint8_t kClean = 16;

  std::unique_ptr<WindowSlice> NewSlice() override { return std::make_unique<Slice>(); }

  // Folds the records from `position` on that belong to the current slice.
  void FoldRun(const TypedBatch<T>& in, size_t& position, Slice& slice) {
    if (slice.table.memory_bytes() > kCachedBytes) {
      FoldRun<true>(in, position, slice);
    } else {
      FoldRun<false>(in, position, slice);
    }
  }
  template <bool kPrefetch>
  void FoldRun(const TypedBatch<T>& in, size_t& position, Slice& slice) {
    const size_t size = in.size();
    const int64_t* timestamps = in.timestamps();
    const uint64_t* hashes = in.hashes();
    size_t i = position;
    for (; i < size && InCurrentSlice(timestamps[i]); ++i) {
      if constexpr (kPrefetch) slice.table.Prefetch(hashes[std::min(i + kPrefetchDistance, size - 1)]);
      const K& key = keys_[i];
      Entry& entry = slice.table.FindOrInsert(
          hashes[i], [&](const Entry& other) { return KeyEquals(other.key, key); },
          [&](void* place) {
            new (place) Entry{key, folding_.Create()};
            slice.heap_bytes += HeapBytesOf(key);
          });
      if (!epochs().IsCurrent(Table::MarkOf(entry))) [[unlikely]]
        BeforeChange(slice, hashes[i], entry);
      folding_.Add(entry.acc, in[i]);
      if constexpr (Folding::kHoldsRecords) slice.heap_bytes += sizeof(T) + HeapBytesOf(in[i]);
      if constexpr (kMeasures) {
        if (entry.heap_bytes.IsDue()) Measure(slice, entry);
      }
    }
    position = i;
  }

  // Of what the accumulator owns, as it is counted.
  static size_t HeldBytes(const Entry& entry) {
    if constexpr (Folding::kHoldsRecords) return Folding::HeldBytes(entry.acc);
    if constexpr (kMeasures) return entry.heap_bytes.bytes();
    return 0;
  }
  [[gnu::noinline]] static void Measure(Slice& slice, Entry& entry) {
    slice.heap_bytes -= entry.heap_bytes.bytes();
    entry.heap_bytes.Measure(Folding::ToStored(entry.acc));
    slice.heap_bytes += entry.heap_bytes.bytes();
  }
  // After the accumulator, which was counted as `before`, was set as a whole.
  static void CountAnew(Slice& slice, Entry& entry, size_t before) {
    if constexpr (kMeasures) return Measure(slice, entry);
    slice.heap_bytes += HeldBytes(entry) - before;
  }

  Status FireSlice(WindowSlice& base, bool& done) override {
    auto& slice = static_cast<Slice&>(base);
    Collector<typename Emitter::Out> out(output());
    out.set_timestamp(slice.window.MaxTimestamp());
    if (slice.spilled) {
      EAGRE_RETURN_IF_ERROR(FireSpilled(slice, out, done));
      if (!done) return OkStatus();
    }
    done = slice.table.Drain(
        slice.cursor, [this] { return AnyOutputFull(); },
        [&](uint64_t hash, Entry& entry) {
          if (epochs().IsPending(Table::MarkOf(entry))) Encode(slice, hash, entry, state().sealed_out());
          ++slice.fired;
          emitter_.Emit(entry.key, window_context(), folding_.ResultOf(entry.acc), out);
        });
    if (!done) return OkStatus();
    // The table's memory is used again by the next slice, unless it was far too large for this one.
    if (slice.fired * 16 < slice.table.slot_count()) slice.table.Clear();
    slice.cursor = {};
    slice.fired = 0;
    slice.heap_bytes = 0;
    slice.evict_position = 0;
    return OkStatus();
  }

  // Above a store: keyed_window_store.h.
  bool has_segments() const override { return true; }
  StatusOr<bool> EvictSegment(WindowSlice& base) override;
  void Put(const Slice& slice, uint64_t hash, const Entry& entry, bool current);
  // Brings those entries of evicted slices back that the records from `position` on will change.
  Status FetchSpilled(const TypedBatch<T>& in, size_t position);
  // Emits what the store has, each entry as it is in the table if it is there too; `done` when nothing is left in it.
  Status FireSpilled(Slice& slice, Collector<typename Emitter::Out>& out, bool& done);
  Status FireStored(Slice& slice, const StoredEntry& stored, K& key, Collector<typename Emitter::Out>& out);
  static Status DecodeStored(const StoredEntry& stored, Acc& acc);
  static std::string KeyPrefix(const Slice& slice) {
    std::string prefix;
    ByteWriter(prefix).Fixed(slice.window.start);
    return prefix;
  }

  // The entry was not changed in this epoch yet; a new one, of mark zero, neither.
  void BeforeChange(const Slice& slice, uint64_t hash, Entry& entry) {
    const uint8_t mark = Table::MarkOf(entry);
    if (epochs().IsPending(mark)) Encode(slice, hash, entry, state().sealed_out());
    Table::SetMark(entry, epochs().Current(static_cast<uint8_t>(mark & ~kClean)));
  }
  static void Encode(const Slice& slice, uint64_t hash, const Entry& entry, StateEntryWriter& out) {
    ByteWriter& key = out.BeginKey(hash);
    key.Fixed(slice.window.start);
    Codec<K>::Encode(entry.key, key);
    Codec<StoredAcc>::Encode(Folding::ToStored(entry.acc), out.BeginValue());
    out.End();
  }

  std::string EntrySchema() const override {
    return "key: " + SchemaOf<K>().text() + "\naccumulator: " + SchemaOf<StoredAcc>().text();
  }
  bool EncodeEntries(WindowSlice& base, uint64_t& position, bool pending_only, StateEntryWriter& out) override {
    auto& slice = static_cast<Slice&>(base);
    return slice.table.VisitSegment(position, [&](uint64_t hash, Entry& entry) {
      const uint8_t mark = Table::MarkOf(entry);
      if (!pending_only) {
        Encode(slice, hash, entry, out);
      } else if (epochs().IsPending(mark)) {
        Encode(slice, hash, entry, out);
        Table::SetMark(entry, ChangeEpochs::Encoded(mark));
      }
    });
  }
  Status RestoreEntry(WindowSlice& base, uint64_t hash, ByteReader& key_in, ByteReader& value) override {
    auto& slice = static_cast<Slice&>(base);
    K key{};
    StoredAcc stored{};
    if (!Codec<K>::Decode(key_in, key) || !DecodeAs(state().stored_accumulator(), value, stored)) {
      return DataLoss("an entry of windows is malformed");
    }
    Entry& entry = slice.table.FindOrInsert(
        hash, [&](const Entry& other) { return KeyEquals(other.key, key); },
        [&](void* place) {
          new (place) Entry{key, folding_.Create()};
          slice.heap_bytes += HeapBytesOf(key);
        });
    Table::SetMark(entry, epochs().Current(0));
    const size_t before = HeldBytes(entry);
    Folding::FromStored(std::move(stored), entry.acc);
    CountAnew(slice, entry, before);
    return OkStatus();
  }
  void MarkUnchanged(WindowSlice& base) override {
    static_cast<Slice&>(base).table.ForEach([](Entry& entry) { Table::SetMark(entry, ChangeEpochs::kWritten); });
  }

  std::unique_ptr<KeyExtractor<T, K>> extractor_;
  Folding folding_;
  Emitter emitter_;
  KeyColumn<K> keys_;
  std::vector<std::pair<WindowSlice*, size_t>> fetched_;  // the slice and the record of each key being read
};

}  // namespace eagre

#include "eagre/operators/keyed_window_store.h"
