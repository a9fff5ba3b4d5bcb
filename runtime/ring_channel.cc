#include "runtime/ring_channel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>
#include <string>
#include <vector>

#include "base/check.h"
#include "runtime/spsc_ring.h"

namespace eagre {
namespace {

// Up to this many records it is cheaper to copy a given batch than to let everybody behind handle one more batch.
constexpr size_t kMaxCopiedRecords = 64;

constexpr auto kFirstIndices = [] {
  std::array<uint32_t, kMaxCopiedRecords> indices{};
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}();

// What the two ends share.
struct LocalRing {
  LocalRing(const BatchType& type, size_t capacity, Waker& producer, Waker& consumer)
      : type(type), producer(producer), consumer(consumer), elements(capacity), drained(2 * (capacity + 2)) {}

  const BatchType& type;
  Waker& producer;
  Waker& consumer;
  SpscRing<ChannelElement> elements;
  SpscRing<std::unique_ptr<Batch>> drained;  // every batch and every view that can be under way has a place here
  bool views = false;                        // the consumer takes them
  // Each counter has one writer; their difference is an estimate.
  std::atomic<int64_t> bytes_given{0};
  std::atomic<int64_t> bytes_taken{0};

  QueueLoad Load() const { return {static_cast<int64_t>(elements.size()), static_cast<int64_t>(elements.capacity())}; }
};

void AddBytes(std::atomic<int64_t>& counter, const Batch& batch) {
  const auto bytes = static_cast<int64_t>(batch.size() * batch.type().record_bytes);
  counter.store(counter.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
}

class RingOutput final : public OutputChannel {
 public:
  explicit RingOutput(std::shared_ptr<LocalRing> ring) : ring_(std::move(ring)) {}

  size_t Append(const Batch& from, const uint32_t* indices, size_t count) override {
    const BatchType& type = ring_->type;
    size_t taken = 0;
    while (taken < count) {
      if (building_ != nullptr && building_->full() && !Flush()) break;
      if (building_ == nullptr) building_ = TakeEmpty();
      const size_t part = std::min(count - taken, type.capacity - building_->size());
      type.append(from, indices + taken, part, *building_);
      taken += part;
    }
    PushIfFull();
    return taken;
  }

  bool Give(std::unique_ptr<Batch>& batch) override {
    EAGRE_DCHECK(&batch->type() == &ring_->type);
    const size_t size = batch->size();
    if (size == 0) return true;
    if (size <= std::min(kMaxCopiedRecords, ring_->type.capacity / 16)) {
      if (building_ != nullptr && building_->size() + size > ring_->type.capacity && !Flush()) return false;
      if (building_ == nullptr) building_ = TakeEmpty();
      ring_->type.append(*batch, kFirstIndices.data(), size, *building_);
      batch->Clear();
      PushIfFull();
      return true;
    }
    if (!Flush() || !HasRoom()) return false;
    std::unique_ptr<Batch> empty = TakeEmpty();
    PushBatch(std::move(batch));
    batch = std::move(empty);
    return true;
  }

  bool takes_views() const override { return ring_->views; }
  bool Show(const std::shared_ptr<SharedBatch>& shared, const uint32_t* indices, size_t count) override {
    if (!Flush() || !HasRoom()) return false;
    std::unique_ptr<Batch> view = Take(views_);
    if (view == nullptr) view = ring_->type.create_view();
    ring_->type.show(shared, indices, count, *view);
    PushBatch(std::move(view));
    return true;
  }
  std::unique_ptr<Batch> TakeShown() override { return Take(shown_); }

  bool Send(const ControlEvent& event) override {
    if (!Flush() || !HasRoom()) return false;
    Push(ChannelElement{.batch = nullptr, .event = event, .origin = nullptr});
    return true;
  }

  bool SendOrigin(const OriginRef& origin) override {
    if (!Flush() || !HasRoom()) return false;
    static const auto kNone = std::make_shared<const std::string>();
    Push(ChannelElement{.batch = nullptr, .event = {}, .origin = origin == nullptr ? kNone : origin});
    return true;
  }

  bool Flush() override {
    if (building_ == nullptr || building_->empty()) return true;
    if (!HasRoom()) return false;
    PushBatch(std::move(building_));
    return true;
  }

  bool HasUnflushed() const override { return building_ != nullptr && !building_->empty(); }

  int64_t QueuedBytes() const override {
    const int64_t taken = ring_->bytes_taken.load(std::memory_order_relaxed);
    return std::max<int64_t>(0, ring_->bytes_given.load(std::memory_order_relaxed) - taken);
  }
  int64_t SentBytes() const override { return ring_->bytes_given.load(std::memory_order_relaxed); }
  QueueLoad Load() const override { return ring_->Load(); }

 private:
  // False when the ring is full; its consumer then wakes this side once there is room.
  bool HasRoom() { return !ring_->elements.Full() || !ring_->elements.AwaitRoom(); }

  // A full batch waits here, unasked for a wake-up, when the ring has no room: the next call asks.
  void PushIfFull() {
    if (building_ != nullptr && building_->full() && !ring_->elements.Full()) PushBatch(std::move(building_));
  }

  void PushBatch(std::unique_ptr<Batch> batch) {
    AddBytes(ring_->bytes_given, *batch);
    Push(ChannelElement{.batch = std::move(batch), .event = {}, .origin = nullptr});
  }

  void Push(ChannelElement element) {
    if (ring_->elements.Push(std::move(element))) ring_->consumer.Wake();
  }

  std::unique_ptr<Batch> TakeEmpty() {
    std::unique_ptr<Batch> batch = Take(spare_);
    return batch != nullptr ? std::move(batch) : ring_->type.create();
  }

  // The last of `batches`, after a look at what came back when there is none; null when there is still none.
  std::unique_ptr<Batch> Take(std::vector<std::unique_ptr<Batch>>& batches) {
    if (batches.empty()) Reclaim();
    if (batches.empty()) return nullptr;
    std::unique_ptr<Batch> batch = std::move(batches.back());
    batches.pop_back();
    return batch;
  }

  // Takes in what came back. A batch that views showed is free with the last of its views.
  void Reclaim() {
    std::unique_ptr<Batch> batch;
    while (ring_->drained.Pop(batch)) {
      if (!batch->is_view()) {
        spare_.push_back(std::move(batch));
        continue;
      }
      std::shared_ptr<SharedBatch> shared = batch->ReleaseShared();
      views_.push_back(std::move(batch));
      // Only this thread drops what views show, so the count says all.
      if (shared.use_count() > 1) continue;
      shared->batch->Clear();
      shown_.push_back(std::move(shared->batch));
    }
  }

  std::shared_ptr<LocalRing> ring_;
  std::vector<std::unique_ptr<Batch>> spare_;
  std::vector<std::unique_ptr<Batch>> views_;  // that show nothing
  // Kept apart from spare_: the last view of a batch may come back to another channel than its other views, so that
  // what one channel gives it need not get back.
  std::vector<std::unique_ptr<Batch>> shown_;
  std::unique_ptr<Batch> building_;  // never an empty batch that a drained one could replace: made when first needed
};

class RingInput final : public InputChannel {
 public:
  explicit RingInput(std::shared_ptr<LocalRing> ring) : ring_(std::move(ring)) {}

  StatusOr<bool> Poll(ChannelElement& element) override {
    if (!ring_->elements.Pop(element)) return false;
    if (element.batch != nullptr) AddBytes(ring_->bytes_taken, *element.batch);
    if (ring_->elements.ProducerMayResume()) ring_->producer.Wake();
    return true;
  }

  void AcceptViews() override { ring_->views = true; }

  void Recycle(std::unique_ptr<Batch> batch) override {
    if (batch == nullptr || &batch->type() != &ring_->type || ring_->drained.Full()) return;
    batch->Clear();
    // The producer never waits for an empty batch: it makes one.
    static_cast<void>(ring_->drained.Push(std::move(batch)));
  }
  int64_t ReceivedBytes() const override { return ring_->bytes_taken.load(std::memory_order_relaxed); }
  QueueLoad Load() const override { return ring_->Load(); }

 private:
  std::shared_ptr<LocalRing> ring_;
};

}  // namespace

std::pair<std::unique_ptr<OutputChannel>, std::unique_ptr<InputChannel>> NewRingChannel(const BatchType& type,
                                                                                        size_t capacity,
                                                                                        Waker& producer,
                                                                                        Waker& consumer) {
  auto ring = std::make_shared<LocalRing>(type, capacity, producer, consumer);
  return {std::make_unique<RingOutput>(ring), std::make_unique<RingInput>(ring)};
}

}  // namespace eagre
