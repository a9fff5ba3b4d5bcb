// The unit that moves between operators: a batch of records of one type, with their timestamps and key hashes.
//
// The runtime is blind to the record type: it sees Batch and the functions of its BatchType. Operators see
// TypedBatch<T>. A drained batch goes back to its producer and is refilled by assignment, so that strings keep their
// memory; Clear() therefore keeps the record objects.
//
// A view is a batch that shows records of another one, which it keeps alive: timestamps and hashes are its own, the
// records stay where they are. Several consumers so read one batch of large records without a copy for each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "record/record.h"

namespace eagre {

// Event time of a record that has none (milliseconds otherwise), and of "no watermark yet".
inline constexpr int64_t kNoTimestamp = std::numeric_limits<int64_t>::min();
// The watermark after the last record of a bounded stream.
inline constexpr int64_t kMaxWatermark = std::numeric_limits<int64_t>::max();
// Plain records up to this size are copied sooner than shown by a view.
inline constexpr size_t kLargeRecordBytes = 64;

class Batch;
struct SharedBatch;

// The type-erased operations on batches of one record type. One static instance per type.
struct BatchType {
  std::string_view name;
  const TypeInfo* info;
  size_t record_bytes;  // sizeof the record, without what it owns on the heap
  size_t capacity;      // records in a full batch: about 128 KiB of objects, between 64 and 1024
  std::unique_ptr<Batch> (*create)();
  // Copies the records at indices[0..count) with timestamps and hashes behind those of `to`, by assignment.
  void (*append)(const Batch& from, const uint32_t* indices, size_t count, Batch& to);
  // Encodes records at indices[0..count) until `out` holds at least `max_bytes`; returns how many were encoded.
  size_t (*encode)(const Batch& from, const uint32_t* indices, size_t count, size_t max_bytes, ByteWriter& out);
  // Decodes `count` records behind those of `to`, without timestamps and hashes; false on malformed bytes.
  bool (*decode)(ByteReader& in, size_t count, Batch& to);
  // Whether showing records by a view is cheaper than copying them.
  bool large;
  // A batch without room for records, to be filled by `show`.
  std::unique_ptr<Batch> (*create_view)();
  // Makes the view show the records of `shared` at indices[0..count), with their timestamps and hashes.
  void (*show)(std::shared_ptr<SharedBatch> shared, const uint32_t* indices, size_t count, Batch& view);
};

// A batch that views show. Nobody changes it while there are any.
struct SharedBatch {
  std::unique_ptr<Batch> batch;
};

// Not thread-safe; owned by one party at a time and handed over whole.
class Batch {
 public:
  explicit Batch(const BatchType& type) : type_(&type) {}
  virtual ~Batch() = default;
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  const BatchType& type() const { return *type_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ >= type_->capacity; }
  // True when hashes() holds the hash of each record's key.
  bool keyed() const { return keyed_; }
  void set_keyed(bool keyed) { keyed_ = keyed; }

  int64_t* timestamps() { return timestamps_.get(); }
  const int64_t* timestamps() const { return timestamps_.get(); }
  uint64_t* hashes() { return hashes_.get(); }
  const uint64_t* hashes() const { return hashes_.get(); }

  bool is_view() const { return shared_ != nullptr; }
  // What a view shows; the view is empty afterwards.
  std::shared_ptr<SharedBatch> ReleaseShared() {
    Clear();
    return std::move(shared_);
  }

  // Forgets the records but keeps their objects for refilling; a view still keeps alive what it showed.
  void Clear() {
    size_ = 0;
    keyed_ = false;
  }
  // REQUIRES: size <= size().
  void Truncate(size_t size) { size_ = size; }
  // Makes room for `count` records in all; those there stay.
  void Reserve(size_t count) {
    if (count > allocated_) Grow(count);
  }

 protected:
  virtual void GrowRecords(size_t allocated) = 0;
  void Grow(size_t count);
  // Room for the columns of a view.
  void GrowColumns(size_t allocated);

  const BatchType* type_;
  size_t size_ = 0;
  size_t allocated_ = 0;
  bool keyed_ = false;
  std::unique_ptr<int64_t[]> timestamps_;
  std::unique_ptr<uint64_t[]> hashes_;
  std::shared_ptr<SharedBatch> shared_;  // of a view
};

template <typename T>
class TypedBatch final : public Batch {
 public:
  TypedBatch() : Batch(Type()) { Reserve(Type().capacity); }

  static const BatchType& Type();

  // REQUIRES: i < size().
  const T& operator[](size_t i) const { return shown_.empty() ? records_[i] : *shown_[i]; }
  // REQUIRES: not a view.
  T* records() {
    EAGRE_DCHECK(!is_view());
    return records_.get();
  }
  const T* records() const {
    EAGRE_DCHECK(!is_view());
    return records_.get();
  }

  // The next record's object, to be filled by assignment: it may hold values of an earlier use.
  T& Append(int64_t timestamp) {
    if (size_ == allocated_) [[unlikely]]
      Grow(size_ + 1);
    timestamps_[size_] = timestamp;
    return records_[size_++];
  }
  // The objects of the next `count` records, likewise; one after the other in memory.
  T* AppendRun(size_t count, int64_t timestamp) {
    Reserve(size_ + count);
    std::fill_n(timestamps_.get() + size_, count, timestamp);
    size_ += count;
    return records_.get() + (size_ - count);
  }

 private:
  struct ForView {};
  explicit TypedBatch(ForView) : Batch(Type()) {}

  void GrowRecords(size_t allocated) override {
    std::unique_ptr<T[]> grown(new T[allocated]());
    std::move(records_.get(), records_.get() + size_, grown.get());
    records_ = std::move(grown);
  }

  std::unique_ptr<T[]> records_;
  std::vector<const T*> shown_;  // by a view
};

template <typename T>
const BatchType& TypedBatch<T>::Type() {
  static constexpr size_t kCapacity = std::clamp<size_t>(128 * 1024 / sizeof(T), 64, 1024);
  static const BatchType type{
      .name = TypeNameOf<T>(),
      .info = &TypeInfoOf<T>(),
      .record_bytes = sizeof(T),
      .capacity = kCapacity,
      .create = [] { return std::unique_ptr<Batch>(new TypedBatch<T>()); },
      .append =
          [](const Batch& from, const uint32_t* indices, size_t count, Batch& to) {
            const auto& source = static_cast<const TypedBatch<T>&>(from);
            auto& target = static_cast<TypedBatch<T>&>(to);
            target.Reserve(target.size_ + count);
            size_t size = target.size_;
            const bool keyed = source.keyed_;
            for (size_t i = 0; i < count; ++i, ++size) {
              const uint32_t index = indices[i];
              target.records_[size] = source[index];
              target.timestamps_[size] = source.timestamps_[index];
              if (keyed) target.hashes_[size] = source.hashes_[index];
            }
            target.size_ = size;
            target.keyed_ = keyed;
          },
      .encode =
          [](const Batch& from, const uint32_t* indices, size_t count, size_t max_bytes, ByteWriter& out) {
            const auto& source = static_cast<const TypedBatch<T>&>(from);
            const size_t room = max_bytes - std::min(max_bytes, out.size());
            size_t bytes = 0;
            size_t encoded = 0;
            for (; encoded < count && bytes < room; ++encoded) {
              bytes += internal::WholeBytes<T>(source[indices[encoded]]);
            }
            // Room is made once for all, so that what is written per record is the record alone.
            [[maybe_unused]] char* at = out.Extend(bytes);
            for (size_t i = 0; i < encoded; ++i) at = internal::PutWhole<T>(source[indices[i]], at);
            return encoded;
          },
      .decode =
          [](ByteReader& in, size_t count, Batch& to) {
            auto& target = static_cast<TypedBatch<T>&>(to);
            target.Reserve(target.size_ + count);
            for (size_t i = 0; i < count; ++i) {
              if (!Codec<T>::Decode(in, target.records_[target.size_])) return false;
              ++target.size_;
            }
            return true;
          },
      .large = !std::is_trivially_copyable_v<T> || sizeof(T) > kLargeRecordBytes,
      .create_view = [] { return std::unique_ptr<Batch>(new TypedBatch<T>(ForView{})); },
      .show =
          [](std::shared_ptr<SharedBatch> shared, const uint32_t* indices, size_t count, Batch& view) {
            const auto& source = static_cast<const TypedBatch<T>&>(*shared->batch);
            auto& target = static_cast<TypedBatch<T>&>(view);
            if (count > target.allocated_) target.GrowColumns(count);
            target.shown_.resize(count);
            target.keyed_ = source.keyed_;
            for (size_t i = 0; i < count; ++i) {
              const uint32_t index = indices[i];
              target.shown_[i] = &source.records_[index];
              target.timestamps_[i] = source.timestamps_[index];
              if (source.keyed_) target.hashes_[i] = source.hashes_[index];
            }
            target.size_ = count;
            target.shared_ = std::move(shared);
          },
  };
  return type;
}

}  // namespace eagre
