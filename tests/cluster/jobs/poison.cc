// Counts the records of each key, and fails at one record.
//   --input PATH --format ndjson|csv|numbers --at NUMBER --how throw|null|timer|disk --policy fail|skip|side
//   --output FOLDER (counts) --aside FOLDER (poison records)
#include <eagre/eagre.h>

#include <stdexcept>

#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

namespace {

struct Numbered {
  int64_t key = 0;
  int64_t number = 0;
};
EAGRE_RECORD(Numbered, key, number);

struct Counted {
  int64_t key = 0;
  int64_t count = 0;
  int64_t sum = 0;
};
EAGRE_RECORD(Counted, key, count, sum);

class Count : public KeyedProcessFunction<int64_t, Numbered, Counted> {
 public:
  Count(int64_t at, std::string how) : at_(at), how_(std::move(how)) {}

  void ProcessElement(const Numbered& event, Context& context, Collector<Counted>& out) override {
    if (event.number == at_) {
      if (how_ == "throw") throw std::runtime_error("record " + std::to_string(at_) + " is not welcome");
      if (how_ == "null") out.Collect(*nowhere_);
      if (how_ == "timer") context.RegisterEventTimeTimer(event.number);
    }
    Counted& counted = count_.Mutable();
    counted = {event.key, counted.count + 1, counted.sum + event.number};
    out.Collect(counted);
  }
  void OnTimer(int64_t, OnTimerContext&, Collector<Counted>&) override { throw std::runtime_error("a timer failed"); }

 private:
  const int64_t at_;
  const std::string how_;
  Counted* volatile nowhere_ = nullptr;
  ValueState<Counted> count_{this, "count"};
};

// A sink whose disk is full whenever it gets there.
class FullDisk : public Sink<Counted> {
 public:
  std::string Name() const override { return "Full disk"; }
  StatusOr<std::unique_ptr<SinkWriter<Counted>>> CreateWriter() const override {
    return std::unique_ptr<SinkWriter<Counted>>(new Writer());
  }

 private:
  struct Writer : SinkWriter<Counted> {
    Status Write(const TypedBatch<Counted>& batch, size_t& position) override {
      for (; position < batch.size(); ++position) {
        if (batch.records()[position].count > 100) return Unavailable("cannot write x: No space left on device");
      }
      return OkStatus();
    }
  };
};

template <typename Stream>
void Build(Stream& events, const JobArgs& args) {
  const std::string policy = args.Get("policy", "fail");
  events.OnPoison(policy == "skip" ? Poison::kSkip : policy == "side" ? Poison::kSideOutput : Poison::kFail);
  events.Uid("events");
  if (args.Has("aside")) events.SideOutput(kPoisonRecords).WriteTo(NdjsonSink(args.Get("aside"), "poison"));
}

}  // namespace

EAGRE_JOB(job, args) {
  const std::string format = args.Get("format", "ndjson");
  const auto watermarks = BoundedOutOfOrderness(std::chrono::milliseconds(0));
  auto by_number = [](const Numbered& event) { return Timestamp(event.number); };
  DataStream<Numbered> events = [&]() -> DataStream<Numbered> {
    if (format == "csv") {
      auto rows = job.Read(CsvFiles<Numbered>(args.Get("input")));
      rows.WithWatermarks(watermarks, by_number);
      Build(rows, args);
      return rows;
    }
    if (format == "numbers") {
      auto numbers = job.Read(Numbers(args.GetInt("records", 10'000)));
      Build(numbers, args);
      return numbers.Map([](const Number& n) { return Numbered{n.value % 7, n.value}; });
    }
    auto lines = job.Read(NdjsonFiles<Numbered>(args.Get("input")).ChunkBytes(20'000));
    lines.WithWatermarks(watermarks, by_number);
    Build(lines, args);
    return lines;
  }();
  const std::string how = args.Get("how", "throw");
  auto counts = events.KeyBy(&Numbered::key).Process(Count(args.GetInt("at", -1), how)).Name("count").Uid("count");
  if (how == "disk") counts.WriteTo(FullDisk()).Uid("disk");
  counts.WriteTo(NdjsonSink(args.Get("output"), "counts")).Uid("files");
}
