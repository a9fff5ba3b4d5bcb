// Functions with access to time, timers, keyed state and side outputs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eagre/functions.h"
#include "eagre/keyed_state.h"
#include "record/record.h"
#include "runtime/timer_service.h"

namespace eagre {

/// Names a side output of records of type T: OutputTag<std::string> kRejected{"rejected"}. Two tags of the same name
/// are the same output.
template <typename T>
struct OutputTag {
  std::string name;
};

namespace internal {

// Throws into user code: a tag was used with another type than the one that it is read with.
[[noreturn]] void ThrowWrongTagType(std::string_view tag, std::string_view read_as, std::string_view emitted_as);

// The side outputs of one operator: tag i goes to output port 1 + i. What nobody reads has no port and is dropped.
class SideOutputs {
 public:
  explicit SideOutputs(std::vector<std::string> tags) : tags_(std::move(tags)) {}
  void Open(OperatorContext& context) { context_ = &context; }

  template <typename X>
  void Emit(const OutputTag<X>& tag, X value, int64_t timestamp) {
    for (size_t i = 0; i < tags_.size(); ++i) {
      if (tags_[i] != tag.name) continue;
      eagre::Output& output = context_->output(1 + static_cast<int>(i));
      // Types are compared by name: a job library may have its own instance of a type that libeagre.so has too.
      if (&output.type() != &TypedBatch<X>::Type() && output.type().name != TypedBatch<X>::Type().name) {
        ThrowWrongTagType(tag.name, output.type().name, TypedBatch<X>::Type().name);
      }
      Collector<X> out(output);
      out.set_timestamp(timestamp);
      out.Collect(std::move(value));
      return;
    }
  }
  // Operators return from Process when any output is full.
  bool AnyFull() const {
    for (size_t i = 0; i < tags_.size(); ++i) {
      if (context_->output(1 + static_cast<int>(i)).full()) return true;
    }
    return false;
  }

 private:
  const std::vector<std::string> tags_;
  OperatorContext* context_ = nullptr;
};

}  // namespace internal

enum class TimeDomain { kEventTime, kProcessingTime };

/// What ProcessElement may use besides the record. Times are milliseconds since 1970.
class ProcessContext {
 public:
  /// Event time of the record or timer at hand; kNoTimestamp when the record has none.
  int64_t timestamp() const { return timestamp_; }
  /// kNoTimestamp before the first watermark.
  int64_t current_watermark() const { return watermark_; }
  int64_t current_processing_time() const { return clock_->NowMs(); }
  /// Emits a record with the current timestamp to a side output; dropped when nobody reads it.
  template <typename X>
  void Output(const OutputTag<X>& tag, std::type_identity_t<X> value) {
    side_outputs_->template Emit<X>(tag, std::move(value), timestamp_);
  }
  /// With a timestamp of its own.
  template <typename X>
  void Output(const OutputTag<X>& tag, std::type_identity_t<X> value, int64_t timestamp) {
    side_outputs_->template Emit<X>(tag, std::move(value), timestamp);
  }

 protected:
  template <typename, typename>
  friend class ContextFunctionOperator;
  ProcessContext() = default;

  int64_t timestamp_ = kNoTimestamp;
  int64_t watermark_ = kNoTimestamp;
  const Clock* clock_ = nullptr;
  internal::SideOutputs* side_outputs_ = nullptr;
};

/// The same with the current key and its timers. A timer fires once per key and time, however often it is registered.
template <typename K>
class KeyedProcessContext : public ProcessContext {
 public:
  const K& key() const { return *key_; }
  /// OnTimer will be called when the watermark reaches the time.
  void RegisterEventTimeTimer(int64_t time_ms) { timers_->event_time().Register(time_ms, hash_, *key_); }
  void RegisterEventTimeTimer(Timestamp time) { RegisterEventTimeTimer(time.ms()); }
  void DeleteEventTimeTimer(int64_t time_ms) { timers_->event_time().Delete(time_ms, hash_, *key_); }
  void DeleteEventTimeTimer(Timestamp time) { DeleteEventTimeTimer(time.ms()); }
  /// OnTimer will be called when the machine's clock reaches the time.
  void RegisterProcessingTimeTimer(int64_t time_ms) { timers_->processing_time().Register(time_ms, hash_, *key_); }
  void DeleteProcessingTimeTimer(int64_t time_ms) { timers_->processing_time().Delete(time_ms, hash_, *key_); }

 protected:
  template <typename, typename, typename, typename>
  friend class KeyedProcessOperator;
  KeyedProcessContext() = default;

  const K* key_ = nullptr;
  uint64_t hash_ = 0;
  TimerService<K>* timers_ = nullptr;
};

/// The context of OnTimer.
template <typename K>
class KeyedTimerContext : public KeyedProcessContext<K> {
 public:
  TimeDomain time_domain() const { return domain_; }

 private:
  template <typename, typename, typename, typename>
  friend class KeyedProcessOperator;
  KeyedTimerContext() = default;

  TimeDomain domain_ = TimeDomain::kEventTime;
};

/// Processes records one by one. As a lambda: void (const In&, ProcessContext&, Collector<Out>&).
template <typename In, typename Out>
class ProcessFunction : public Function {
 public:
  using Input = In;
  using Output = Out;
  using Context = ProcessContext;

  virtual void ProcessElement(const In& value, Context& context, Collector<Out>& out) = 0;
};

/// Processes the records of a keyed stream with state and timers per key. As a lambda, which cannot have state:
/// void (const In&, KeyedProcessContext<K>&, Collector<Out>&).
template <typename K, typename In, typename Out>
class KeyedProcessFunction : public Function, public StateOwner {
 public:
  using Key = K;
  using Input = In;
  using Output = Out;
  using Context = KeyedProcessContext<K>;
  using OnTimerContext = KeyedTimerContext<K>;

  virtual void ProcessElement(const In& value, Context& context, Collector<Out>& out) = 0;
  /// A timer is due. `timestamp` is the time it was registered for, and that of what is emitted here.
  virtual void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<Out>& out) {}
};

}  // namespace eagre
