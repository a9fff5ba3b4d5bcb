// How a stream gets its event time: which timestamp a record has, and how far behind the newest one the watermark runs.
//
//   job.Read(NdjsonFiles<Payment>(path)).WithWatermarks(BoundedOutOfOrderness(30s), &Payment::at)
//   stream.WithWatermarks(Monotonous().WithIdleness(1min).WithTimestamps(&Payment::at))
//   stream.WithWatermarks(BoundedOutOfOrderness(5s), [](const Payment& p) { return p.at; })
//
// Directly behind a source, watermarks are made per split and merged by minimum; elsewhere per subtask. They are
// emitted every pipeline.auto-watermark-interval, after 32768 records, and when a split ends; a bounded stream ends
// with the watermark that is after everything.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "eagre/watermark_generator.h"
#include "record/batch.h"
#include "record/timestamp.h"
#include "runtime/split_source.h"
#include "runtime/split_watermarks.h"

namespace eagre {

template <typename Selector>
class TimestampedWatermarks;

/// The part of a strategy that does not know the record. Immutable: the With... functions return a changed copy.
class Watermarks {
 public:
  explicit Watermarks(WatermarkSettings settings) : settings_(settings) {}

  /// A split without records for so long does not hold event time back; when it has some again, it does. Time in which
  /// the job is back-pressured does not count. The reader of a source that still waits for a split is not idle.
  [[nodiscard]] Watermarks WithIdleness(std::chrono::milliseconds timeout) const {
    Watermarks changed = *this;
    changed.settings_.idleness_ms = timeout.count();
    return changed;
  }
  /// Of a source: a split whose watermark is further ahead of the slowest one pauses until that has caught up; 0 turns
  /// pausing off. Over pipeline.watermark-alignment.max-drift. Choose it larger than what one split spans of event time
  /// at once (of a file: a chunk), or splits are read one after another.
  [[nodiscard]] Watermarks WithAlignment(std::chrono::milliseconds max_drift) const {
    Watermarks changed = *this;
    changed.settings_.max_drift_ms = max_drift.count();
    return changed;
  }
  /// `selector`: a member pointer or a function of a record; a Timestamp or an integer of milliseconds since 1970.
  template <typename Selector>
  [[nodiscard]] TimestampedWatermarks<Selector> WithTimestamps(Selector selector) const {
    return {*this, std::move(selector)};
  }

  const WatermarkSettings& settings() const { return settings_; }

 private:
  WatermarkSettings settings_;
};

/// Records may come up to `bound` after a record with a larger timestamp: the watermark is the largest timestamp so
/// far, less the bound, less a millisecond, as in Flink.
inline Watermarks BoundedOutOfOrderness(std::chrono::milliseconds bound) {
  return Watermarks({.kind = WatermarkSettings::Kind::kBoundedOutOfOrderness, .out_of_orderness_ms = bound.count()});
}
/// Timestamps never go back within a split.
inline Watermarks Monotonous() {
  return BoundedOutOfOrderness(std::chrono::milliseconds(0));
}
/// Event time does not advance before the end of a bounded stream. Timestamps may still be given.
inline Watermarks NoWatermarks() {
  return Watermarks(WatermarkSettings());
}

template <typename Selector>
class TimestampedWatermarks {
 public:
  TimestampedWatermarks(Watermarks watermarks, Selector selector)
      : watermarks_(std::move(watermarks)), selector_(std::move(selector)) {}

  [[nodiscard]] TimestampedWatermarks WithIdleness(std::chrono::milliseconds timeout) const {
    return {watermarks_.WithIdleness(timeout), selector_};
  }
  [[nodiscard]] TimestampedWatermarks WithAlignment(std::chrono::milliseconds max_drift) const {
    return {watermarks_.WithAlignment(max_drift), selector_};
  }

  const Watermarks& watermarks() const { return watermarks_; }
  const Selector& selector() const { return selector_; }

 private:
  Watermarks watermarks_;
  Selector selector_;
};

// What the records of one batch say about time.
struct BatchWatermark {
  int64_t watermark_ms = kNoTimestamp;
  bool at_once = false;  // not to wait for the interval
};

/// A strategy for records of type T: what DataStream<T>::WithWatermarks takes. A value; each subtask uses a copy.
template <typename T>
class WatermarkStrategy {
 public:
  using GeneratorFactory = std::function<std::unique_ptr<WatermarkGenerator<T>>()>;

  /// Watermarks of one's own making; timestamps as the source gave them, unless WithTimestamps says otherwise.
  static WatermarkStrategy ForGenerator(GeneratorFactory create) {
    WatermarkStrategy strategy(Watermarks({.kind = WatermarkSettings::Kind::kGenerator}));
    strategy.create_generator_ = std::move(create);
    return strategy;
  }
  /// Timestamps, idleness and alignment are those of Watermarks.
  template <typename Selector>
  [[nodiscard]] WatermarkStrategy WithTimestamps(Selector selector) const {
    WatermarkStrategy changed = *this;
    changed.assign_ = AssignerOf(std::move(selector));
    return changed;
  }
  [[nodiscard]] WatermarkStrategy WithIdleness(std::chrono::milliseconds timeout) const {
    WatermarkStrategy changed = *this;
    changed.settings_.idleness_ms = timeout.count();
    return changed;
  }
  [[nodiscard]] WatermarkStrategy WithAlignment(std::chrono::milliseconds max_drift) const {
    WatermarkStrategy changed = *this;
    changed.settings_.max_drift_ms = max_drift.count();
    return changed;
  }

  // Of no use to time: no watermarks, timestamps as the source gave them.
  WatermarkStrategy() = default;
  // Timestamps as the source gave them.
  WatermarkStrategy(const Watermarks& watermarks) : settings_(watermarks.settings()) {}  // NOLINT: meant to convert
  template <typename Selector>
  WatermarkStrategy(const TimestampedWatermarks<Selector>& strategy)  // NOLINT: meant to convert
      : settings_(strategy.watermarks().settings()), assign_(AssignerOf(strategy.selector())) {}

  const WatermarkSettings& settings() const { return settings_; }

  // ---- for the operators ----
  // Takes the records from `from` on, which are of one split, and gives them their timestamps.
  BatchWatermark Advance(std::string_view split_id, TypedBatch<T>& batch, size_t from) {
    const int64_t largest_ms = AssignTimestamps(batch, from);
    if (!create_generator_ || from == batch.size()) return {settings_.WatermarkAfter(largest_ms), false};
    Generated& generated = GeneratedOf(split_id);
    const int64_t before_ms = generated.out.watermark_ms();
    for (size_t i = from; i < batch.size(); ++i) {
      generated.generator->OnEvent(batch.records()[i], batch.timestamps()[i], generated.out);
    }
    return {generated.out.watermark_ms(), generated.out.watermark_ms() > before_ms};
  }
  void AdvancePeriodically(SplitWatermarks& splits) {
    for (auto& [split_id, generated] : generators_) {
      generated.generator->OnPeriodicEmit(generated.out);
      splits.Raise(split_id, generated.out.watermark_ms());
    }
  }
  void EndSplit(std::string_view split_id) {
    if (const auto found = generators_.find(split_id); found != generators_.end()) generators_.erase(found);
  }

  // Gives the records from `from` on their timestamps; returns the largest, kNoTimestamp when none has one.
  int64_t AssignTimestamps(TypedBatch<T>& batch, size_t from) {
    if (assign_) return assign_(batch, from);
    int64_t largest = kNoTimestamp;
    for (size_t i = from; i < batch.size(); ++i) largest = std::max(largest, batch.timestamps()[i]);
    return largest;
  }

 private:
  using Assigner = std::function<int64_t(TypedBatch<T>& batch, size_t from)>;

  static int64_t Milliseconds(Timestamp time) { return time.ms(); }
  static int64_t Milliseconds(int64_t time_ms) { return time_ms; }

  // One call per batch, the user's selector inlined.
  template <typename Selector>
  static Assigner AssignerOf(Selector selector) {
    static_assert(std::is_invocable_v<Selector&, const T&>,
                  "WithTimestamps takes a member pointer or a function of a record");
    return [selector = std::move(selector)](TypedBatch<T>& batch, size_t from) mutable {
      const T* records = batch.records();
      int64_t* timestamps = batch.timestamps();
      int64_t largest = kNoTimestamp;
      for (size_t i = from, size = batch.size(); i < size; ++i) {
        timestamps[i] = Milliseconds(std::invoke(selector, records[i]));
        largest = std::max(largest, timestamps[i]);
      }
      return largest;
    };
  }

  // A generator and what it has said. Copies of a strategy make generators of their own.
  struct Generated {
    std::unique_ptr<WatermarkGenerator<T>> generator;
    WatermarkOutput out;
  };
  struct Generators : std::map<std::string, Generated, std::less<>> {
    Generators() = default;
    Generators(const Generators&) : Generators() {}
    Generators(Generators&&) noexcept = default;
    Generators& operator=(const Generators&) { return *this; }
    Generators& operator=(Generators&&) noexcept = default;
  };

  Generated& GeneratedOf(std::string_view split_id) {
    auto found = generators_.find(split_id);
    if (found == generators_.end()) {
      found = generators_.emplace(std::string(split_id), Generated{create_generator_(), WatermarkOutput()}).first;
    }
    return found->second;
  }

  WatermarkSettings settings_;
  Assigner assign_;
  GeneratorFactory create_generator_;
  Generators generators_;  // by split
};

/// For DataStream::WithWatermarks(strategy, timestamp).
template <typename T, typename Selector>
WatermarkStrategy<T> MakeWatermarkStrategy(const Watermarks& watermarks, Selector selector) {
  return watermarks.WithTimestamps(std::move(selector));
}

}  // namespace eagre
