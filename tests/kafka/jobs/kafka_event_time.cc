// How event time goes on over the partitions of a topic; a record's time is Kafka's.
//   --servers HOST:PORT --input TOPIC --output TOPIC
//   [--idle MS] (after which a partition holds nobody back) [--drift MS] (that a partition may be ahead)
//   [--copy] (writes the records; else how many there are of each key in each second)
#include "connectors/kafka/kafka.h"
#include "tests/cluster/jobs/counting.h"

using namespace eagre;
using namespace eagre::counting;
using std::chrono::milliseconds;

EAGRE_JOB(job, args) {
  Watermarks watermarks = BoundedOutOfOrderness(milliseconds(0));
  if (args.Has("idle")) watermarks = watermarks.WithIdleness(milliseconds(args.GetInt("idle", 0)));
  if (args.Has("drift")) watermarks = watermarks.WithAlignment(milliseconds(args.GetInt("drift", 0)));
  const KafkaSink sink(args.Get("servers"), args.Get("output"));
  auto records =
      job.Read(KafkaSource<Numbered>(args.Get("servers")).Topics({args.Get("input")})).WithWatermarks(watermarks);
  if (args.Has("copy")) {
    records.WriteTo(sink);
  } else {
    records.KeyBy(&Numbered::key)
        .Window(Tumbling(milliseconds(1000)))
        .Aggregate(Counted{},
                   [](Counted& counted, const Numbered& record) {
                     counted.key = record.key;
                     ++counted.count;
                   })
        .WriteTo(sink);
  }
}
