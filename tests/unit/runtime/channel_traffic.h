// Random traffic over a channel, and the check that it arrives: for every kind of channel, whoever drives its two ends.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "record/batch.h"
#include "runtime/channel.h"

namespace eagre {

inline constexpr std::chrono::seconds kTestDeadline{60};

struct Parcel {
  int64_t number = 0;
  std::string text;
};
EAGRE_RECORD(Parcel, number, text);

// Parks a thread as a slot's runner does: without polling, so that a lost wake-up shows.
class ParkingWaker final : public Waker {
 public:
  enum class Step { kProgress, kBlocked, kDone };

  void Wake() override {
    if (!parked_.load(std::memory_order_seq_cst)) return;
    std::lock_guard lock(mutex_);
    signaled_ = true;
    ++wake_ups_;
    wake_.notify_one();
  }

  // Calls `step` until it is done; false when nobody woke it in time.
  template <typename F>
  [[nodiscard]] bool Run(F step) {
    while (true) {
      Step result = step();
      if (result == Step::kBlocked) {
        parked_.store(true, std::memory_order_seq_cst);
        result = step();
        if (result == Step::kBlocked && !Sleep()) return false;
        parked_.store(false, std::memory_order_seq_cst);
      }
      if (result == Step::kDone) return true;
    }
  }

  int wake_ups() const { return wake_ups_; }

 private:
  bool Sleep() {
    std::unique_lock lock(mutex_);
    const bool woken = wake_.wait_for(lock, kTestDeadline, [this] { return signaled_; });
    signaled_ = false;
    return woken;
  }

  std::atomic<bool> parked_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool signaled_ = false;
  std::atomic<int> wake_ups_{0};
};

// How the records of a run look: what the timestamp of record n is, and whether records have hashes.
struct TrafficShape {
  int64_t records = 10'000;
  bool keyed = true;
  int64_t timestamp_step = 1;  // 0: no timestamps
  size_t longest_text = 40;
  uint64_t seed = 1;

  int64_t Timestamp(int64_t number) const { return timestamp_step == 0 ? kNoTimestamp : number * timestamp_step - 7; }
  static uint64_t Hash(int64_t number) { return static_cast<uint64_t>(number) * 0x9E3779B97F4A7C15u; }
  std::string Text(int64_t number) const {
    return std::string(Hash(number) % (longest_text + 1), static_cast<char>('a' + number % 26));
  }
};

// Writes the records 0, 1, 2... by a random mixture of all that an output channel offers, then the end of input.
class TrafficProducer {
 public:
  TrafficProducer(OutputChannel& output, const TrafficShape& shape)
      : output_(output), shape_(shape), random_(shape.seed), batch_(TypedBatch<Parcel>::Type().create()) {}

  ParkingWaker::Step Step() {
    if (random_.Below(50) == 0) {
      std::this_thread::yield();  // a stall
      return ParkingWaker::Step::kProgress;
    }
    if (action_ == Action::kNone) Choose();
    if (!Try()) return ParkingWaker::Step::kBlocked;
    const bool done = action_ == Action::kEnd;
    action_ = Action::kNone;
    return done ? ParkingWaker::Step::kDone : ParkingWaker::Step::kProgress;
  }

  int64_t sent() const { return next_; }

 private:
  enum class Action { kNone, kAppend, kGive, kWatermark, kFlush, kEnd };

  void Choose() {
    if (next_ == shape_.records) {
      action_ = Action::kEnd;
      return;
    }
    const uint64_t choice = random_.Below(10);
    action_ = choice < 5   ? Action::kAppend
              : choice < 8 ? Action::kGive
              : choice < 9 ? Action::kWatermark
                           : Action::kFlush;
    if (action_ == Action::kAppend || action_ == Action::kGive) Fill();
  }

  // Puts the next records into the batch; for appending in a random order that the indices undo.
  void Fill() {
    const auto most = static_cast<size_t>(std::min<int64_t>(shape_.records - next_, random_.Below(4) == 0 ? 900 : 20));
    const size_t count = 1 + random_.Below(most);
    std::vector<uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    if (action_ == Action::kAppend) {
      for (size_t i = count - 1; i > 0; --i) std::swap(order[i], order[random_.Below(i + 1)]);
    }
    auto& typed = static_cast<TypedBatch<Parcel>&>(*batch_);
    EXPECT_TRUE(typed.empty()) << "a channel must hand back an empty batch";
    typed.Clear();
    typed.set_keyed(shape_.keyed);
    indices_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      const int64_t number = next_ + order[i];
      Parcel& parcel = typed.Append(shape_.Timestamp(number));
      parcel.number = number;
      parcel.text = shape_.Text(number);
      if (shape_.keyed) typed.hashes()[i] = TrafficShape::Hash(number);
      indices_[order[i]] = static_cast<uint32_t>(i);
    }
    taken_ = 0;
  }

  bool Try() {
    switch (action_) {
      case Action::kAppend: {
        const size_t left = indices_.size() - taken_;
        const size_t taken = output_.Append(*batch_, indices_.data() + taken_, left);
        taken_ += taken;
        next_ += static_cast<int64_t>(taken);
        if (taken < left) return false;
        batch_->Clear();
        return true;
      }
      case Action::kGive: {
        const auto count = static_cast<int64_t>(batch_->size());
        if (!output_.Give(batch_)) return false;
        next_ += count;
        return true;
      }
      case Action::kWatermark: return output_.Send({ControlEvent::Kind::kWatermark, next_});
      case Action::kFlush:
        if (!output_.Flush()) return false;
        EXPECT_FALSE(output_.HasUnflushed());
        return true;
      case Action::kEnd: return output_.Send({ControlEvent::Kind::kEndOfInput, next_});
      case Action::kNone: break;
    }
    return true;
  }

  OutputChannel& output_;
  const TrafficShape shape_;
  SeededRandom random_;
  std::unique_ptr<Batch> batch_;
  std::vector<uint32_t> indices_;
  size_t taken_ = 0;
  int64_t next_ = 0;
  Action action_ = Action::kNone;
};

// Reads what a TrafficProducer wrote and checks order, completeness, timestamps and hashes.
class TrafficConsumer {
 public:
  TrafficConsumer(InputChannel& input, const TrafficShape& shape)
      : input_(input), shape_(shape), random_(shape.seed + 1) {}

  ParkingWaker::Step Step() {
    if (random_.Below(50) == 0) {
      std::this_thread::yield();
      return ParkingWaker::Step::kProgress;
    }
    ChannelElement element;
    const StatusOr<bool> polled = input_.Poll(element);
    if (!polled.ok()) {
      ADD_FAILURE() << polled.status();
      return ParkingWaker::Step::kDone;
    }
    if (!*polled) return ParkingWaker::Step::kBlocked;
    if (element.batch != nullptr) {
      Check(static_cast<const TypedBatch<Parcel>&>(*element.batch));
      if (random_.Below(20) != 0) input_.Recycle(std::move(element.batch));
      return ParkingWaker::Step::kProgress;
    }
    EXPECT_EQ(element.event.value, next_) << "an event overtook records or fell behind them";
    if (element.event.kind != ControlEvent::Kind::kEndOfInput) return ParkingWaker::Step::kProgress;
    EXPECT_EQ(next_, shape_.records) << "records were lost";
    return ParkingWaker::Step::kDone;
  }

  int64_t received() const { return next_; }

 private:
  void Check(const TypedBatch<Parcel>& batch) {
    EXPECT_FALSE(batch.empty());
    EXPECT_LE(batch.size(), batch.type().capacity);
    EXPECT_EQ(batch.keyed(), shape_.keyed);
    bool right = true;
    for (size_t i = 0; i < batch.size(); ++i, ++next_) {
      const Parcel& parcel = batch.records()[i];
      right = right && parcel.number == next_ && parcel.text == shape_.Text(next_) &&
              batch.timestamps()[i] == shape_.Timestamp(next_) &&
              (!shape_.keyed || batch.hashes()[i] == TrafficShape::Hash(next_));
    }
    EXPECT_TRUE(right) << "a wrong record before " << next_;
  }

  InputChannel& input_;
  const TrafficShape shape_;
  SeededRandom random_;
  int64_t next_ = 0;
};

}  // namespace eagre
