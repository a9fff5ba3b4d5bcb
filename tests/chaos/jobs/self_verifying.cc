#include "tests/chaos/jobs/self_verifying.h"

#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

namespace eagre {
namespace {

constexpr int64_t kFirstMs = 1'000'000;
constexpr int64_t kRemembered = 8;

struct Numbered {
  int64_t key = 0;
  int64_t number = 0;  // of the key
  int64_t at = 0;
  int64_t position = 0;  // in its subtask of the source
};
EAGRE_RECORD(Numbered, key, number, at, position);

struct Line {
  std::string what;
  int64_t key = 0;
  int64_t at = 0;
  int64_t value = 0;
};
EAGRE_RECORD(Line, what, key, at, value);

struct Violation {
  std::string text;
};
EAGRE_RECORD(Violation, text);

const OutputTag<Violation> kViolations{"violations"};

// Beside the source, with state that has no key: nothing of a subtask is left out or comes again.
class CountPositions final : public ProcessFunction<Numbered, Numbered>, public CheckpointedFunction {
 public:
  Status InitializeState(bool restored) override {
    if (next_.Empty()) next_.Add(0);
    return OkStatus();
  }
  void ProcessElement(const Numbered& event, Context& context, Collector<Numbered>& out) override {
    const int64_t next = next_.Get().front();
    if (event.position != next) {
      context.Output(kViolations, {fmt::format("position {} of a source came, {} was next", event.position, next)});
    }
    next_.Update({next + 1});
    out.Collect(event);
  }

 private:
  OperatorListState<int64_t> next_{this, "next"};
};

class Verify final : public KeyedProcessFunction<int64_t, Numbered, Line> {
 public:
  explicit Verify(int64_t timer_delay_ms) : timer_delay_ms_(timer_delay_ms) {}

  void ProcessElement(const Numbered& event, Context& context, Collector<Line>& out) override {
    int64_t& next = next_.Mutable();
    if (event.number != next) {
      context.Output(kViolations, {fmt::format("key {}: number {} came, {} was next", event.key, event.number, next)});
    }
    CheckRemembered(event, context);
    ++next;
    sum_.Mutable() += event.number;
    out.Collect({"event", event.key, event.at, *sum_.Get()});
    if (event.number % 4 == 0) {
      context.RegisterEventTimeTimer(event.at + timer_delay_ms_);
      event_timers_.Add(event.at + timer_delay_ms_);
    }
    if (event.number % 8 == 0) {
      context.RegisterProcessingTimeTimer(context.current_processing_time() + 50);
      ++processing_timers_.Mutable();
    }
  }

  void OnTimer(int64_t at, OnTimerContext& context, Collector<Line>& out) override {
    if (context.time_domain() == TimeDomain::kProcessingTime) {
      if (--processing_timers_.Mutable() < 0) {
        context.Output(kViolations, {fmt::format("key {}: a processing-time timer too many", context.key())});
      }
      return;
    }
    std::vector<int64_t>& timers = event_timers_.Mutable();
    if (timers.empty() || timers.front() != at) {
      context.Output(kViolations, {fmt::format("key {}: the timer of {} fired, not the next one", context.key(), at)});
    } else {
      timers.erase(timers.begin());
    }
    out.Collect({"timer", context.key(), at, 0});
  }

 private:
  void CheckRemembered(const Numbered& event, Context& context) {
    const int64_t before = event.number - 1;
    const int64_t* remembered = remembered_.Get(before % kRemembered);
    if (before >= 0 && (remembered == nullptr || *remembered != before)) {
      context.Output(kViolations, {fmt::format("key {}: number {} is not remembered", event.key, before)});
    }
    remembered_.Put(event.number % kRemembered, event.number);
  }

  const int64_t timer_delay_ms_;
  ValueState<int64_t> next_{this, "next"};
  ValueState<int64_t> sum_{this, "sum"};
  MapState<int64_t, int64_t> remembered_{this, "remembered"};
  ListState<int64_t> event_timers_{this, "event timers"};
  ValueState<int64_t> processing_timers_{this, "processing timers"};
};

// Fails the job at the first record.
class Alarm final : public Sink<Violation> {
 public:
  std::string Name() const override { return "Alarm"; }
  StatusOr<std::unique_ptr<SinkWriter<Violation>>> CreateWriter() const override { return std::make_unique<Writer>(); }

 private:
  class Writer final : public SinkWriter<Violation> {
   public:
    Status Write(const TypedBatch<Violation>& batch, size_t& position) override {
      return FailedPrecondition("VIOLATION: {}", batch.records()[position].text);
    }
  };
};

// Record `i` of the input.
Numbered MakeNumbered(int64_t i, const SelfVerifyingOptions& options) {
  const int64_t keys = options.keys_per_subtask * options.parallelism;
  const int64_t block = options.records_per_second > 0 ? 1 : SelfVerifyingOptions::kBlock;
  return {.key = i % keys,
          .number = i / keys,
          .at = kFirstMs + i,
          .position = i / block / options.parallelism * block + i % block};
}

std::shared_ptr<Sink<Line>> FilesFor(const SelfVerifyingOptions& options, const std::string& prefix) {
  FileSystem& files = options.files != nullptr ? *options.files : PosixFileSystem();
  std::shared_ptr<Sink<Line>> sink = MakeSink<Line>(NdjsonSink(options.output, prefix).On(files));
  if (options.pauses == nullptr) return sink;
  return std::make_shared<PausingSink<Line>>(std::move(sink), options.pauses);
}

}  // namespace

void DescribeSelfVerifying(Job& job, const SelfVerifyingOptions& options) {
  const auto make = [options](int64_t i, Numbered& event) { event = MakeNumbered(i, options); };
  auto events = job.Read(Generate<Numbered>(options.records, make).RatePerSecond(options.records_per_second))
                    .Uid("events")
                    .WithWatermarks(Monotonous(), [](const Numbered& event) { return event.at; });
  auto counted = events.Process(CountPositions());
  counted.Uid("positions");
  counted.SideOutput(kViolations).WriteTo(Alarm()).Uid("alarm-of-positions");
  auto verified = counted.KeyBy(&Numbered::key).Process(Verify(options.timer_delay.count()));
  verified.Uid("verify");
  if (options.blocking) verified.Blocking();
  verified.WriteTo(FilesFor(options, "events")).Uid("event-files");
  verified.SideOutput(kViolations).WriteTo(Alarm()).Uid("alarm");
  counted.KeyBy(&Numbered::key)
      .Window(Tumbling(options.window))
      .Aggregate(
          int64_t{0}, [](int64_t& sum, const Numbered& event) { sum += event.number + 1; },
          [](const int64_t& key, const TimeWindow& window, const int64_t& sum, Collector<Line>& out) {
            out.Collect({"window", key, window.start, sum});
          })
      .Uid("windows")
      .WriteTo(FilesFor(options, "windows"))
      .Uid("window-files");
}

}  // namespace eagre
