// Never comes back from one call of user code, which with --blocking has a thread of its own.
#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  job.SetName("stuck");
  const int64_t at = args.GetInt("at", 1000);
  auto spin = job.Read(Numbers::Endless(10'000))
                  .Map([at](const Number& n) {
                    for (volatile bool stuck = n.value == at; stuck;) {
                    }
                    return n;
                  })
                  .Name("spin");
  if (args.Has("blocking")) spin.Blocking();
  spin.WriteTo(Blackhole());
}
