// Throws an exception when record number `--at` comes.
#include <stdexcept>

#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  job.SetName("throwing");
  const int64_t at = args.GetInt("at", 1000);
  job.Read(Numbers::Endless(args.GetInt("rate", 10'000)))
      .Rebalance()
      .Map([at](const Number& n) {
        if (n.value == at) throw std::runtime_error("record " + std::to_string(at) + " is not welcome");
        return n;
      })
      .Name("picky")
      .WriteTo(Blackhole());
}
