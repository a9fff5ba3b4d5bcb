// The part of KeyedWindowOperator that works when its tables lie above a store. Included by keyed_window_operator.h
// alone.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "eagre/operators/keyed_window_operator.h"

namespace eagre {

template <typename T, typename K, typename Folding, typename Emitter>
Status KeyedWindowOperator<T, K, Folding, Emitter>::FireSpilled(Slice& slice, Collector<typename Emitter::Out>& out,
                                                                bool& done) {
  done = false;
  if (AnyOutputFull()) return OkStatus();
  const std::string prefix = KeyPrefix(slice);
  Status status;
  K key{};
  EAGRE_ASSIGN_OR_RETURN(const bool scanned,
                         spilled()->store().Scan(prefix, slice.fire_position, [&](const StoredEntry& stored) {
                           status = FireStored(slice, stored, key, out);
                           return status.ok() && !AnyOutputFull();
                         }));
  EAGRE_RETURN_IF_ERROR(status);
  if (!scanned) return OkStatus();
  EAGRE_ASSIGN_OR_RETURN(const bool erased, spilled()->store().ErasePrefix(prefix));
  if (!erased) return OkStatus();
  slice.fire_position.clear();
  slice.spilled = false;
  done = true;
  return OkStatus();
}
template <typename T, typename K, typename Folding, typename Emitter>
Status KeyedWindowOperator<T, K, Folding, Emitter>::FireStored(Slice& slice, const StoredEntry& stored, K& key,
                                                               Collector<typename Emitter::Out>& out) {
  ByteReader reader(stored.key.substr(sizeof(int64_t)));
  if (!Codec<K>::Decode(reader, key)) return DataLoss("an entry of windows in the store is malformed");
  const auto is_key = [&](const Entry& entry) { return KeyEquals(entry.key, key); };
  if (Entry* entry = slice.table.Find(stored.hash, is_key)) {
    if (epochs().IsPending(Table::MarkOf(*entry))) Encode(slice, stored.hash, *entry, state().sealed_out());
    emitter_.Emit(entry->key, window_context(), folding_.ResultOf(entry->acc), out);
    slice.table.Erase(stored.hash, is_key);
    return OkStatus();
  }
  if (stored.epoch != 0 && stored.epoch == spilled()->sealed_epoch()) state().EncodeStored(stored, stored.key);
  Acc acc = folding_.Create();
  EAGRE_RETURN_IF_ERROR(DecodeStored(stored, acc));
  emitter_.Emit(key, window_context(), folding_.ResultOf(acc), out);
  return OkStatus();
}
template <typename T, typename K, typename Folding, typename Emitter>
Status KeyedWindowOperator<T, K, Folding, Emitter>::DecodeStored(const StoredEntry& stored, Acc& acc) {
  ByteReader reader(stored.value);
  StoredAcc decoded{};
  if (!Codec<StoredAcc>::Decode(reader, decoded)) return DataLoss("an entry of windows in the store is malformed");
  Folding::FromStored(std::move(decoded), acc);
  return OkStatus();
}

template <typename T, typename K, typename Folding, typename Emitter>
StatusOr<bool> KeyedWindowOperator<T, K, Folding, Emitter>::EvictSegment(WindowSlice& base) {
  auto& slice = static_cast<Slice&>(base);
  const uint64_t position = std::exchange(slice.evict_position, 0);
  if (slice.table.empty()) return true;
  slice.evict_position = position;
  uint64_t next = position;
  size_t heap_bytes = 0;
  const bool more = slice.table.VisitSegment(next, [&](uint64_t hash, Entry& entry) {
    const uint8_t mark = Table::MarkOf(entry);
    if (epochs().IsPending(mark)) {
      Encode(slice, hash, entry, state().sealed_out());
      Table::SetMark(entry, ChangeEpochs::Encoded(mark));
    }
    heap_bytes += HeapBytesOf(entry.key);
    heap_bytes += HeldBytes(entry);
    if ((mark & kClean) != 0) return;
    if (state().base_out() != nullptr) Encode(slice, hash, entry, *state().base_out());
    Put(slice, hash, entry, epochs().IsCurrent(mark));
  });
  EAGRE_ASSIGN_OR_RETURN(const bool written, spilled()->Commit(may_wait()));
  if (!written) return false;
  slice.table.ClearSegment(position);
  slice.heap_bytes -= std::min(slice.heap_bytes, heap_bytes);
  slice.spilled = true;
  slice.evict_position = more ? next : 0;
  return true;
}
template <typename T, typename K, typename Folding, typename Emitter>
void KeyedWindowOperator<T, K, Folding, Emitter>::Put(const Slice& slice, uint64_t hash, const Entry& entry,
                                                      bool current) {
  EntryStore& store = spilled()->store();
  ByteWriter& key = store.BeginPut(hash);
  key.Fixed(slice.window.start);
  Codec<K>::Encode(entry.key, key);
  if (current) spilled()->ListKeyAtHand(hash);
  Codec<StoredAcc>::Encode(Folding::ToStored(entry.acc), store.BeginValue(current ? spilled()->epoch() : 0));
  store.EndPut();
}

template <typename T, typename K, typename Folding, typename Emitter>
Status KeyedWindowOperator<T, K, Folding, Emitter>::FetchSpilled(const TypedBatch<T>& in, size_t position) {
  fetched_.clear();
  WindowSlice* found = nullptr;
  TimeWindow window{};
  for (size_t i = position; i < in.size(); ++i) {
    const int64_t timestamp = in.timestamps()[i];
    if (timestamp < window.start || timestamp >= window.end) found = FindSlice(timestamp, window);
    if (found == nullptr || !found->spilled) continue;
    auto& slice = static_cast<Slice&>(*found);
    slice.table.FindOrInsert(
        in.hashes()[i], [&](const Entry& other) { return KeyEquals(other.key, keys_[i]); },
        [&](void* place) {
          new (place) Entry{keys_[i], folding_.Create()};
          slice.heap_bytes += HeapBytesOf(keys_[i]);
          ByteWriter& key = spilled()->store().AddRead(in.hashes()[i]);
          key.Fixed(slice.window.start);
          Codec<K>::Encode(keys_[i], key);
          fetched_.push_back({&slice, i});
        });
  }
  if (fetched_.empty()) return OkStatus();
  return spilled()->store().Read([&](size_t n, const StoredEntry* stored) -> Status {
    if (stored == nullptr) return OkStatus();
    auto& slice = static_cast<Slice&>(*fetched_[n].first);
    const size_t i = fetched_[n].second;
    const uint64_t hash = in.hashes()[i];
    Entry& entry = *slice.table.Find(hash, [&](const Entry& other) { return KeyEquals(other.key, keys_[i]); });
    const size_t before = HeldBytes(entry);
    EAGRE_RETURN_IF_ERROR(DecodeStored(*stored, entry.acc));
    CountAnew(slice, entry, before);
    // What the store has as changed in this epoch is so in the table: the mark is what a barrier goes by.
    const bool current = stored->epoch == spilled()->epoch();
    Table::SetMark(entry, current ? epochs().Current(ChangeEpochs::kWritten) : ChangeEpochs::kWritten | kClean);
    if (stored->epoch != 0 && stored->epoch == spilled()->sealed_epoch()) {
      Encode(slice, hash, entry, state().sealed_out());
    }
    return OkStatus();
  });
}

}  // namespace eagre
