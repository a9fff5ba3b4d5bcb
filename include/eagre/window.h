// Windows: what they are, and the classes of functions that see a whole window.
//
//   payments.KeyBy(&Payment::user)
//       .Window(Tumbling(1min))
//       .Aggregate(Spend{}, [](Spend& spend, const Payment& p) { ++spend.payments; spend.total += p.amount; },
//                  [](const std::string& user, const TimeWindow& window, const Spend& spend, Collector<Row>& out)
//                  {...});
//
// A window fires when the watermark reaches its last millisecond; its results have that timestamp. Records for a window
// that has fired are late: dropped and counted (numLateRecordsDropped).
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/duration.h"
#include "base/status.h"
#include "eagre/process_function.h"

namespace eagre {

/// Half open: [start, end), in milliseconds since 1970.
struct TimeWindow {
  int64_t start = 0;
  int64_t end = 0;

  /// The last millisecond inside.
  int64_t MaxTimestamp() const { return end - 1; }
  friend bool operator==(const TimeWindow&, const TimeWindow&) = default;
};

/// Windows of one size, one after another, in event time.
class TumblingEventTimeWindows {
 public:
  TumblingEventTimeWindows(std::chrono::milliseconds size, std::chrono::milliseconds offset)
      : size_ms_(size.count()), offset_ms_(offset.count()) {}

  int64_t size_ms() const { return size_ms_; }
  int64_t offset_ms() const { return offset_ms_; }
  std::string ToString() const { return "Tumbling " + FormatDurationMs(size_ms_); }

  Status Validate() const {
    if (size_ms_ <= 0) return InvalidArgument("a window's size must be at least 1 ms, not {} ms", size_ms_);
    if (offset_ms_ <= -size_ms_ || offset_ms_ >= size_ms_) {
      return InvalidArgument("a window's offset ({} ms) must be smaller than its size ({} ms)", offset_ms_, size_ms_);
    }
    return OkStatus();
  }

  /// The window that holds the timestamp; at the ends of time it is cut off.
  TimeWindow WindowOf(int64_t timestamp) const {
    __int128 into = (static_cast<__int128>(timestamp) - offset_ms_) % size_ms_;
    if (into < 0) into += size_ms_;
    const __int128 start = static_cast<__int128>(timestamp) - into;
    return {Saturate(start), Saturate(start + size_ms_)};
  }

 private:
  static int64_t Saturate(__int128 time) {
    if (time < std::numeric_limits<int64_t>::min()) return std::numeric_limits<int64_t>::min();
    if (time > std::numeric_limits<int64_t>::max()) return std::numeric_limits<int64_t>::max();
    return static_cast<int64_t>(time);
  }

  int64_t size_ms_;
  int64_t offset_ms_;
};

/// Tumbling(1min) starts a window at every full minute (UTC); `offset` moves the starts.
inline TumblingEventTimeWindows Tumbling(std::chrono::milliseconds size, std::chrono::milliseconds offset = {}) {
  return TumblingEventTimeWindows(size, offset);
}

/// What a window function may use besides the window's contents.
class WindowContext {
 public:
  const TimeWindow& window() const { return window_; }
  /// The watermark that made the window fire.
  int64_t current_watermark() const { return watermark_; }
  int64_t current_processing_time() const { return clock_->NowMs(); }
  /// Emits a record with the window's timestamp to a side output; dropped when nobody reads it.
  template <typename X>
  void Output(const OutputTag<X>& tag, std::type_identity_t<X> value) {
    side_outputs_->template Emit<X>(tag, std::move(value), window_.MaxTimestamp());
  }

 private:
  friend class WindowOperatorBase;
  TimeWindow window_;
  int64_t watermark_ = kNoTimestamp;
  const Clock* clock_ = nullptr;
  internal::SideOutputs* side_outputs_ = nullptr;
};

/// Sees all records of one key and window, in the order of their arrival. As a lambda:
/// void (const K&, const TimeWindow&, const std::vector<In>&, Collector<Out>&).
template <typename In, typename Out, typename K>
class ProcessWindowFunction : public Function {
 public:
  using Input = In;
  using Output = Out;
  using Key = K;
  using Context = WindowContext;
  virtual void Process(const K& key, Context& context, const std::vector<In>& elements, Collector<Out>& out) = 0;
};

/// The same for windows over a whole stream. As a lambda:
/// void (const TimeWindow&, const std::vector<In>&, Collector<Out>&).
template <typename In, typename Out>
class ProcessAllWindowFunction : public Function {
 public:
  using Input = In;
  using Output = Out;
  using Context = WindowContext;
  virtual void Process(Context& context, const std::vector<In>& elements, Collector<Out>& out) = 0;
};

/// Sees the reduced or aggregated value of one key and window. As a lambda:
/// void (const K&, const TimeWindow&, const In&, Collector<Out>&).
template <typename In, typename Out, typename K>
class WindowFunction : public Function {
 public:
  using Input = In;
  using Output = Out;
  using Key = K;
  using Context = WindowContext;
  virtual void Process(const K& key, Context& context, const In& value, Collector<Out>& out) = 0;
};

/// The same for windows over a whole stream. As a lambda: void (const TimeWindow&, const In&, Collector<Out>&).
template <typename In, typename Out>
class AllWindowFunction : public Function {
 public:
  using Input = In;
  using Output = Out;
  using Context = WindowContext;
  virtual void Process(Context& context, const In& value, Collector<Out>& out) = 0;
};

}  // namespace eagre
