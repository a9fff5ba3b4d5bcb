// Counts generated records by key and writes every count to files.
//   --records N --keys K --rate R (records per second; 0: as fast as it goes) --output FOLDER
//   [--unique N] (so many records come first, each with a key of its own)
//   [--blocking] (the counting function has a thread of its own)
//   [--padding BYTES] (by which the state of each key is larger)
//   [--later] (the state has a field more, and a wider one)
//   [--ttl MS] (what was not counted for so long is forgotten)
#include "tests/cluster/jobs/counting.h"

using namespace eagre;
using namespace eagre::counting;

namespace {

DataStream<Counted> Counts(const KeyedStream<Numbered, int64_t>& events, const JobArgs& args) {
  if (args.Has("ttl")) return events.Process(CountForAWhile(std::chrono::milliseconds(args.GetInt("ttl", 0))));
  if (args.Has("later")) return events.Process(CountIn<LaterTally>());
  return events.Process(Count(/*poison=*/-1, args.GetInt("padding", 0)));
}

}  // namespace

EAGRE_JOB(job, args) {
  const int64_t keys = args.GetInt("keys", 100);
  const int64_t unique = args.GetInt("unique", 0);
  const auto events = job.Read(Generate<Numbered>(args.GetInt("records", 100'000),
                                                  [keys, unique](int64_t i, Numbered& event) {
                                                    event = {i, i < unique ? keys + i : i % keys};
                                                  })
                                   .RatePerSecond(static_cast<double>(args.GetInt("rate", 0))))
                          .Uid("events")
                          .KeyBy(&Numbered::key);
  const auto count = Counts(events, args).Uid("count");
  (args.Has("blocking") ? DataStream<Counted>(count).Blocking() : count)
      .WriteTo(NdjsonSink(args.Get("output"), "counts"))
      .Uid("files");
}
