// Runs until it is cancelled, with a keyed exchange, so that its workers talk to each other.
#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  job.SetName("endless");
  job.Read(Numbers::Endless(args.GetInt("rate", 1000)))
      .KeyBy([](const Number& n) { return n.value % 100; })
      .Process([](const Number& n, KeyedProcessContext<int64_t>&, Collector<Number>& out) { out.Collect(n); })
      .Name("pass")
      .WriteTo(Blackhole())
      .Name("nowhere");
}
