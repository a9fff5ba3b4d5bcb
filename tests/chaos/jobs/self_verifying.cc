// A job that notices when its state is not what it should be, whatever was killed: what it sees that cannot be is a
// record for a sink which fails the job for good.
//   --records N --parallelism P --rate R (records per second; 0: as fast as it goes) --output FOLDER
//
// Every key has a sequence 0, 1, 2, ..., which must arrive without a gap and without a repetition. What is written
// follows from the input alone, so the output of two runs is the same multiset of lines.
#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>

#include <eagre/eagre.h>

using namespace eagre;
using namespace std::chrono_literals;

namespace {

// What a subtask of the source has in a row (connectors/generator/index_range.h): the records of a key all come from
// one, so their order is that of their numbers.
constexpr int64_t kBlock = 1024;
constexpr int64_t kFirstMs = 1'000'000;
constexpr int64_t kRemembered = 8;

struct Numbered {
  int64_t key = 0;
  int64_t number = 0;  // of the key
  int64_t at = 0;
};
EAGRE_RECORD(Numbered, key, number, at);

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

class Verify final : public KeyedProcessFunction<int64_t, Numbered, Line> {
 public:
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
      context.RegisterEventTimeTimer(event.at + 3'000);
      event_timers_.Add(event.at + 3'000);
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

}  // namespace

EAGRE_JOB(job, args) {
  job.SetName("self-verifying");
  const int64_t keys = kBlock * args.GetInt("parallelism", 2);
  const auto make = [keys](int64_t i, Numbered& event) { event = {i % keys, i / keys, kFirstMs + i}; };
  auto events = job.Read(Generate<Numbered>(args.GetInt("records", 100'000), make)
                             .RatePerSecond(static_cast<double>(args.GetInt("rate", 0))))
                    .Uid("events")
                    .WithWatermarks(Monotonous(), [](const Numbered& event) { return event.at; });
  auto verified = events.KeyBy(&Numbered::key).Process(Verify());
  verified.Uid("verify").WriteTo(NdjsonSink(args.Get("output"), "events")).Uid("event-files");
  verified.SideOutput(kViolations).WriteTo(Alarm()).Uid("alarm");
  events.KeyBy(&Numbered::key)
      .Window(Tumbling(5s))
      .Aggregate(
          int64_t{0}, [](int64_t& sum, const Numbered& event) { sum += event.number + 1; },
          [](const int64_t& key, const TimeWindow& window, const int64_t& sum, Collector<Line>& out) {
            out.Collect({"window", key, window.start, sum});
          })
      .Uid("windows")
      .WriteTo(NdjsonSink(args.Get("output"), "windows"))
      .Uid("window-files");
}
