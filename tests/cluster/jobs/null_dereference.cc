// Reads through a null pointer when record number `--at` comes.
#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  job.SetName("null dereference");
  const int64_t at = args.GetInt("at", 1000);
  job.Read(Numbers::Endless(args.GetInt("rate", 10'000)))
      .Rebalance()
      .Map([at](const Number& n) {
        // Volatile, so that the compiler does not see through it.
        const Number* volatile source = n.value == at ? nullptr : &n;
        return Number{source->value + 1};
      })
      .Name("dereference")
      .WriteTo(Blackhole());
}
