// Counts generated records by key and writes every count to files.
//   --records N --keys K --rate R (records per second; 0: as fast as it goes) --output FOLDER
//   [--blocking] (the counting function has a thread of its own)
#include "tests/cluster/jobs/counting.h"

using namespace eagre;
using namespace eagre::counting;

EAGRE_JOB(job, args) {
  const int64_t keys = args.GetInt("keys", 100);
  const auto count = job.Read(Generate<Numbered>(args.GetInt("records", 100'000),
                                                 [keys](int64_t i, Numbered& event) {
                                                   event = {i, i % keys};
                                                 })
                                  .RatePerSecond(static_cast<double>(args.GetInt("rate", 0))))
                         .Uid("events")
                         .KeyBy(&Numbered::key)
                         .Process(Count())
                         .Uid("count");
  (args.Has("blocking") ? DataStream<Counted>(count).Blocking() : count)
      .WriteTo(NdjsonSink(args.Get("output"), "counts"))
      .Uid("files");
}
