// Counts the records of each key in keyed state, from Kafka to Kafka: the numbers of a key are 1, 2, 3... without a gap
// and without a repetition exactly when nothing was lost and nothing was done twice.
//   --servers HOST:PORT --input TOPIC --output TOPIC --guarantee none|at-least-once|exactly-once
//   [--bounded] (to the end as it is at the start) [--pattern] (the input is a pattern) [--discover MS]
//   [--lost-marker-again] [--transaction-timeout MS]
#include <eagre/eagre.h>

#include "connectors/kafka/kafka.h"

using namespace eagre;

namespace {

struct Numbered {
  int64_t id = 0;
  int64_t key = 0;
};
EAGRE_RECORD(Numbered, id, key);

struct Counted {
  int64_t key = 0;
  int64_t count = 0;
  int64_t id = 0;
};
EAGRE_RECORD(Counted, key, count, id);

class Count : public KeyedProcessFunction<int64_t, Numbered, Counted> {
 public:
  void ProcessElement(const Numbered& event, Context&, Collector<Counted>& out) override {
    out.Collect({event.key, ++count_.Mutable(), event.id});
  }

 private:
  ValueState<int64_t> count_{this, "count"};
};

}  // namespace

EAGRE_JOB(job, args) {
  const std::string servers = args.Get("servers");
  KafkaSource<Numbered> source(servers);
  source = args.Has("pattern") ? std::move(source).TopicPattern(args.Get("input"))
                               : std::move(source).Topics({args.Get("input")});
  source = std::move(source).GroupId("count-" + args.Get("output"));
  if (args.Has("bounded")) source = std::move(source).StopAt(KafkaOffsets::Latest());
  if (args.Has("discover")) {
    source = std::move(source).DiscoverEvery(std::chrono::milliseconds(args.GetInt("discover", 0)));
  }
  KafkaSink sink = KafkaSink(servers, args.Get("output"))
                       .TransactionTimeout(std::chrono::milliseconds(args.GetInt("transaction-timeout", 10'000)));
  const std::string guarantee = args.Get("guarantee", "exactly-once");
  if (guarantee == "exactly-once") sink = std::move(sink).ExactlyOnce();
  if (guarantee == "at-least-once") sink = std::move(sink).AtLeastOnce();
  if (guarantee == "none") sink = std::move(sink).WithoutGuarantee();
  if (args.Has("lost-marker-again")) sink = std::move(sink).OnLostMarker(LostMarker::kWriteAgain);
  sink = std::move(sink).Records<Counted>(
      [](const Counted& counted, KafkaRecord& out) { out.SetKey(std::to_string(counted.key)); });
  job.Read(std::move(source)).Uid("in").KeyBy(&Numbered::key).Process(Count()).Uid("count").WriteTo(sink).Uid("out");
}
