// Reads numbers from NDJSON files; any malformed line fails it.
#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  job.SetName("read NDJSON");
  job.Read(NdjsonFiles<Number>(args.Get("input"))).WriteTo(Blackhole()).Name("nowhere");
}
