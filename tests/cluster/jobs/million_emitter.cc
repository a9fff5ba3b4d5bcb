// Emits a million records for one input, across an exchange to a slower consumer.
#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  job.SetName("million emitter");
  job.Read(Numbers(args.GetInt("inputs", 2)))
      .FlatMap([](const Number&, Collector<Number>& out) {
        for (int64_t i = 0; i < 1'000'000; ++i) out.Collect(Number{i});
      })
      .Name("emit")
      .KeyBy([](const Number& n) { return n.value; })
      .Process([](const Number& n, KeyedProcessContext<int64_t>&, Collector<Number>& out) { out.Collect(n); })
      .WriteTo(Blackhole())
      .Name("nowhere");
}
