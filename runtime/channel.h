// A channel carries the batches and control events of one edge from one subtask to another, in order.
//
// Three kinds fill the two interfaces: a ring inside a worker (ring_channel.h), and the two ends of a channel over the
// network (remote_channel.h). All are bounded; a full one refuses, and its owner's task is then blocked on output.
#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "record/batch.h"
#include "runtime/record_origin.h"

namespace eagre {

// A control event, in band with the records. Plain data, so that it can cross the network as kind and value.
struct ControlEvent {
  enum class Kind : uint8_t {
    kWatermark = 1,       // value: no record of a timestamp <= value follows
    kIdle = 2,            // the channel is not to be waited for
    kActive = 3,          // it is again
    kEndOfInput = 4,      // nothing follows
    kBarrier = 5,         // value: the checkpoint that what came before it belongs to
    kProcessingTime = 6,  // inside a task only: value is the time in ms up to which timers are due
  };
  Kind kind = Kind::kWatermark;
  int64_t value = 0;
};

// What a channel delivers: a batch, or the origin of the records that follow, or an event when both are null.
struct ChannelElement {
  std::unique_ptr<Batch> batch;
  ControlEvent event;
  OriginRef origin;  // empty: what follows has none
};

// How full queues are, for metrics: elements that wait, of as many as there is room for.
struct QueueLoad {
  int64_t length = 0;
  int64_t capacity = 0;
  QueueLoad& operator+=(const QueueLoad& other) {
    length += other.length;
    capacity += other.capacity;
    return *this;
  }
  // From 0 to 1.
  double usage() const { return capacity == 0 ? 0 : static_cast<double>(length) / static_cast<double>(capacity); }
};

// Wakes the slot that waits for something. Any thread; cheap when the slot is not parked.
class Waker {
 public:
  virtual ~Waker() = default;
  virtual void Wake() = 0;
};

// The producer's end. Used by one thread. Whoever is refused tries again after the channel woke the producer's slot.
class OutputChannel {
 public:
  virtual ~OutputChannel() = default;
  // Takes copies of records from[indices[0..count)] into the batch being built; returns how many it took, fewer than
  // count when the channel is full.
  virtual size_t Append(const Batch& from, const uint32_t* indices, size_t count) = 0;
  // Takes the whole batch after what was appended before and leaves an empty one of the same type to refill; false,
  // with the batch untouched, when the channel is full: the same batch is then to be given again before anything else.
  virtual bool Give(std::unique_ptr<Batch>& batch) = 0;
  // Whether the consumer takes views (InputChannel::AcceptViews).
  virtual bool takes_views() const { return false; }
  // Sends what was appended, then a view of the records at indices[0..count); false, with nothing sent, when the
  // channel is full. REQUIRES: takes_views().
  virtual bool Show(const std::shared_ptr<SharedBatch>& shared, const uint32_t* indices, size_t count) { return false; }
  // A batch whose views have all come back, empty, in exchange for the one shown next; null when there is none.
  virtual std::unique_ptr<Batch> TakeShown() { return nullptr; }
  // Sends what was appended, then the event; false when the channel is full (the event is then not sent).
  virtual bool Send(const ControlEvent& event) = 0;
  // Sends what was appended, then the origin of all records that follow, until the next; null: they have none. False
  // when the channel is full.
  virtual bool SendOrigin(const OriginRef& origin) = 0;
  // Sends what was appended; false when the channel is full.
  virtual bool Flush() = 0;
  virtual bool HasUnflushed() const = 0;
  // Bytes on their way that the consumer has not taken yet; an estimate for local batches. For metrics; any thread.
  virtual int64_t QueuedBytes() const = 0;
  // Bytes of records sent so far: as encoded over the network, an estimate inside a worker. Any thread.
  virtual int64_t SentBytes() const = 0;
  // What was sent and is not known to be taken, in batches or frames. For metrics; any thread.
  virtual QueueLoad Load() const = 0;
};

// The consumer's end. Used by one thread.
class InputChannel {
 public:
  virtual ~InputChannel() = default;
  // Takes the next element into `element`; false when there is none now. A failure is malformed data from a peer.
  virtual StatusOr<bool> Poll(ChannelElement& element) = 0;
  // The consumer reads batches without changing or keeping them, so they may be views. Called before the first Poll and
  // before the producer begins.
  virtual void AcceptViews() {}
  // Gives a drained batch back for reuse.
  virtual void Recycle(std::unique_ptr<Batch> batch) = 0;
  // Bytes of records taken so far, counted as the sender counts them. Any thread.
  virtual int64_t ReceivedBytes() const = 0;
  // What has come and is not taken yet, in batches or frames. For metrics; any thread.
  virtual QueueLoad Load() const = 0;
};

}  // namespace eagre
