// A job whose versions store something else, as its arguments say. It counts generated records, writes nothing, and
// ends when --records are counted.
//   --records N --rate R (records per second; 0: as fast as it goes)
//   --held list|union|renamed|none    what the first operator ("held") keeps of its own
//   --key number|text                 the key of the rest
//   --per-key value|list|renamed|none what the second ("counts") keeps per key
//   --window SECONDS --sum number|text   of the third ("sums")
//   --sorted number|text              the records that the fourth ("sorted") holds back
#include <chrono>
#include <string>

#include <eagre/eagre.h>

using namespace eagre;
using namespace std::chrono_literals;

struct Event {
  int64_t id = 0;
  int64_t at = 0;
};
EAGRE_RECORD(Event, id, at);

namespace {

template <typename State>
class Held : public MapFunction<Event, Event>, public CheckpointedFunction {
 public:
  explicit Held(std::string name) : held_(this, std::move(name)) {}
  Event Map(const Event& event) override {
    if (held_.Get().size() < 10) held_.Add(event.id);
    return event;
  }

 private:
  State held_;
};

template <typename K, typename State>
class Counts : public KeyedProcessFunction<K, Event, int64_t> {
 public:
  explicit Counts(std::string name) : count_(this, std::move(name)) {}
  void ProcessElement(const Event&, KeyedProcessContext<K>&, Collector<int64_t>&) override {
    if constexpr (requires { count_.Add(1); }) {
      count_.Add(1);
    } else {
      ++count_.Mutable();
    }
  }

 private:
  State count_;
};

DataStream<Event> Keep(const DataStream<Event>& events, const std::string& held) {
  if (held == "union") return events.Map(Held<UnionListState<int64_t>>("held"));
  if (held == "none") return events.Map([](const Event& event) { return event; });
  return events.Map(Held<OperatorListState<int64_t>>(held == "renamed" ? "renamed" : "held"));
}

template <typename K>
DataStream<int64_t> Count(const KeyedStream<Event, K>& events, const std::string& per_key) {
  if (per_key == "list") return events.Process(Counts<K, ListState<int64_t>>("count"));
  if (per_key == "none") {
    return events.Process([](const Event&, KeyedProcessContext<K>&, Collector<int64_t>&) {});
  }
  return events.Process(Counts<K, ValueState<int64_t>>(per_key == "renamed" ? "renamed" : "count"));
}

template <typename Sum, typename K>
void Sums(const KeyedStream<Event, K>& events, const JobArgs& args) {
  events.Window(Tumbling(std::chrono::seconds(args.GetInt("window", 1000))))
      .Aggregate(Sum{}, [](Sum&, const Event&) {})
      .Uid("sums")
      .WriteTo(Blackhole());
}

template <typename K>
void Build(const KeyedStream<Event, K>& events, const JobArgs& args) {
  Count(events, args.Get("per-key", "value")).Uid("counts").WriteTo(Blackhole());
  if (args.Get("sum", "number") == "text") return Sums<std::string>(events, args);
  Sums<int64_t>(events, args);
}

}  // namespace

EAGRE_JOB(job, args) {
  job.SetName("versions");
  const auto generated = job.Read(Generate<Event>(args.GetInt("records", 1000),
                                                  [](int64_t i, Event& event) {
                                                    event = {i, i};
                                                  })
                                      .RatePerSecond(static_cast<double>(args.GetInt("rate", 0))))
                             .Uid("events")
                             .WithWatermarks(BoundedOutOfOrderness(1000s), [](const Event& event) { return event.at; });
  const auto events = Keep(generated, args.Get("held", "list")).Uid("held");
  if (args.Get("key", "number") == "text") {
    Build(events.KeyBy([](const Event& event) { return std::to_string(event.id % 10); }), args);
  } else {
    Build(events.KeyBy([](const Event& event) { return event.id % 10; }), args);
  }
  if (args.Get("sorted", "number") == "text") {
    events.Map([](const Event& event) { return std::to_string(event.id); })
        .SortByEventTime()
        .Uid("sorted")
        .WriteTo(Blackhole());
  } else {
    events.SortByEventTime().Uid("sorted").WriteTo(Blackhole());
  }
}
