// The self-verifying job for real clusters:
//   --records N --parallelism P --rate R (records per second; 0: as fast as it goes) --output FOLDER
#include "tests/chaos/jobs/self_verifying.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  job.SetName("self-verifying");
  DescribeSelfVerifying(job, {.records = args.GetInt("records", 100'000),
                              .records_per_second = static_cast<double>(args.GetInt("rate", 0)),
                              .parallelism = args.GetInt("parallelism", 2),
                              .output = args.Get("output")});
}
