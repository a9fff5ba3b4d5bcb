// Emits numbers at a rate, in order, through a keyed exchange. With --count it ends.
#include "connectors/generator/generator.h"
#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  job.SetName("ticks");
  const auto make = [](int64_t i) { return Number{i}; };
  const auto rate = static_cast<double>(args.GetInt("rate", 1000));
  job.Read(Generate<Number>(args.GetInt("count", int64_t{1} << 40), make).RatePerSecond(rate))
      .Name("ticks")
      .Uid("ticks")
      .KeyBy([](const Number& n) { return n.value % 100; })
      .Process([](const Number& n, KeyedProcessContext<int64_t>&, Collector<Number>& out) { out.Collect(n); })
      .Name("pass")
      .Uid(args.Get("uid", "pass"))
      .WriteTo(Blackhole())
      .Name("nowhere")
      .Uid("nowhere");
}
