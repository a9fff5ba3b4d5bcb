// The two ends of a channel to another worker. Records are encoded straight into the payload of the frame under way,
// and decoded into a recycled batch on the consumer's thread; between them are credits (exchange.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "runtime/channel.h"
#include "runtime/data_network.h"
#include "runtime/spsc_ring.h"

namespace eagre {

// Frame::type on a channel (docs/formats/data-plane.md).
enum class FrameType : uint8_t { kData = 1, kEvent = 2, kCredit = 3, kOperatorEvent = 4, kOrigin = 5 };

// Where a channel puts its frames: the connection to its peer. Any thread; not after the exchange was stopped.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  virtual void Send(Frame frame) = 0;
  virtual BufferPool& buffers() = 0;
};

// What a receiver gives back: the frames its task has taken, and their bytes.
struct Credit {
  uint32_t frames = 0;
  uint64_t bytes = 0;
};
Frame MakeCreditFrame(uint64_t channel, const Credit& credit);
StatusOr<Credit> ReadCredit(std::string_view payload);

// A waker that can be taken away from those who would call it.
class DetachableWaker {
 public:
  explicit DetachableWaker(Waker& waker) : waker_(&waker) {}
  void Wake() {
    std::lock_guard lock(mutex_);
    if (waker_ != nullptr) waker_->Wake();
  }
  // The waker is not called any more once this returned.
  void Detach() {
    std::lock_guard lock(mutex_);
    waker_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Waker* waker_;
};

// The sender's account of frames it may send: spent by its slot, filled by the network's thread.
class CreditAccount {
 public:
  // `buffers`: how many frames the receiver may have at once.
  CreditAccount(int buffers, Waker& waker) : buffers_(buffers), waker_(waker) {}

  // The slot's thread. False when there is no credit.
  bool TrySpend();
  // The same, and the waker is called once credit came.
  bool SpendOrWait();
  void CountSent(size_t bytes);

  // The network's thread. Fails when more comes back than a channel can have.
  Status Add(const Credit& credit);

  int64_t OutstandingBytes() const;
  int64_t SentBytes() const { return sent_bytes_.load(std::memory_order_relaxed); }
  // Any thread.
  QueueLoad Load() const;
  void Detach() { waker_.Detach(); }

 private:
  void Spend(uint64_t spent) { spent_.store(spent + 1, std::memory_order_relaxed); }

  const int64_t buffers_;
  DetachableWaker waker_;
  std::atomic<uint64_t> spent_{0};      // written by the slot's thread
  std::atomic<int64_t> sent_bytes_{0};  // written by the slot's thread
  alignas(kCacheLinePairBytes) std::atomic<uint64_t> granted_{0};
  std::atomic<int64_t> taken_bytes_{0};
  std::atomic<bool> slot_waits_{false};
};

// The receiver's frames that its task has not taken yet: put in by the network's thread, taken by the slot's.
class Inbox {
 public:
  // `buffers`: how many frames the sender may have outstanding.
  Inbox(int buffers, Waker& waker);

  // The network's thread. False when the sender had no credit for it.
  bool Put(Frame frame);
  // The slot's thread.
  bool Take(Frame& frame) { return frames_.Pop(frame); }
  // Any thread.
  QueueLoad Load() const { return {static_cast<int64_t>(frames_.size()), static_cast<int64_t>(buffers_)}; }
  // The slot's thread: a frame of so many bytes is done with. True when `credit` is to be given back to the sender.
  bool Done(size_t bytes, Credit& credit);

  Credit InitialCredit() const { return {.frames = buffers_, .bytes = 0}; }
  // The channel is gone: frames are still counted, but dropped.
  void Close();

 private:
  const uint32_t buffers_;
  DetachableWaker waker_;
  SpscRing<Frame> frames_;
  uint64_t received_ = 0;          // the network's thread
  std::atomic<uint64_t> granted_;  // written by the slot's thread
  std::atomic<bool> closed_{false};
  Credit owed_;  // the slot's thread
};

class RemoteOutput final : public OutputChannel {
 public:
  RemoteOutput(std::shared_ptr<FrameSink> sink, std::shared_ptr<CreditAccount> credits, uint64_t channel,
               const BatchType& type, size_t buffer_bytes);
  ~RemoteOutput() override;

  size_t Append(const Batch& from, const uint32_t* indices, size_t count) override;
  bool Give(std::unique_ptr<Batch>& batch) override;
  bool Send(const ControlEvent& event) override;
  bool SendOrigin(const OriginRef& origin) override;
  bool Flush() override;
  bool HasUnflushed() const override { return count_ > 0; }
  int64_t QueuedBytes() const override { return credits_->OutstandingBytes(); }
  int64_t SentBytes() const override { return credits_->SentBytes(); }
  QueueLoad Load() const override { return credits_->Load(); }

 private:
  void Begin(bool keyed);
  size_t Encode(const Batch& from, const uint32_t* indices, size_t count);
  size_t FrameBytes() const;
  bool Full() const { return FrameBytes() >= buffer_bytes_; }
  void SendFrame(FrameType type, std::string payload);
  void SendRecords();
  void WriteTimestamps(ByteWriter& writer, uint8_t& flags);

  const std::shared_ptr<FrameSink> sink_;
  const std::shared_ptr<CreditAccount> credits_;
  const uint64_t channel_;
  const BatchType& type_;
  const size_t buffer_bytes_;

  // The frame under way. Its columns are kept aside until it is sent, since the number of records is not known before.
  std::string payload_;
  uint32_t count_ = 0;
  bool keyed_ = false;
  std::vector<int64_t> timestamps_;
  std::vector<uint64_t> hashes_;

  std::vector<uint32_t> identity_;  // 0, 1, 2...: for whole batches
  size_t given_ = 0;                // records of the batch being given that are already taken
};

class RemoteInput final : public InputChannel {
 public:
  RemoteInput(std::shared_ptr<FrameSink> sink, std::shared_ptr<Inbox> inbox, uint64_t channel, const BatchType& type);
  ~RemoteInput() override;

  StatusOr<bool> Poll(ChannelElement& element) override;
  void Recycle(std::unique_ptr<Batch> batch) override;
  int64_t ReceivedBytes() const override { return received_bytes_.load(std::memory_order_relaxed); }
  QueueLoad Load() const override { return inbox_->Load(); }

 private:
  Status OpenFrame();
  Status DecodeRecords(Batch& batch);
  void FinishFrame();

  const std::shared_ptr<FrameSink> sink_;
  const std::shared_ptr<Inbox> inbox_;
  const uint64_t channel_;
  const BatchType& type_;
  std::vector<std::unique_ptr<Batch>> spare_;
  std::atomic<int64_t> received_bytes_{0};  // written by the slot's thread

  // The data frame being decoded; it may hold more records than a batch.
  Frame frame_;
  uint32_t left_ = 0;
  uint8_t flags_ = 0;
  int64_t first_timestamp_ = 0;
  ByteReader records_{std::string_view()};
  ByteReader timestamps_{std::string_view()};
  ByteReader hashes_{std::string_view()};
};

}  // namespace eagre
