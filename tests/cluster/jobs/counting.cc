// Counts the records of each key in keyed state and writes every count to files: the numbers of a key are 1, 2, 3...
// without a gap and without a repetition exactly when no state was lost, nothing was processed twice, and what was
// written was committed once.
//   --records N --keys K --rate R (records per second; 0: as fast as it goes) --output FOLDER
//   [--blocking] (the counting function has a thread of its own)
#include <eagre/eagre.h>

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
};
EAGRE_RECORD(Counted, key, count);

class Count : public KeyedProcessFunction<int64_t, Numbered, Counted> {
 public:
  void ProcessElement(const Numbered& event, Context&, Collector<Counted>& out) override {
    out.Collect({event.key, ++count_.Mutable()});
  }

 private:
  ValueState<int64_t> count_{this, "count"};
};

}  // namespace

EAGRE_JOB(job, args) {
  const int64_t keys = args.GetInt("keys", 100);
  const auto count = job.Read(Generate<Numbered>(args.GetInt("records", 100'000),
                                                 [keys](int64_t i, Numbered& event) {
                                                   event = {i % keys, i};
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
