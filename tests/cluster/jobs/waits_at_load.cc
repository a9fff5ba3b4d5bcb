// Its entry point does not return while the file exists.
#include <filesystem>

#include "tests/cluster/jobs/numbers.h"

using namespace eagre;

EAGRE_JOB(job, args) {
  job.SetName("waits at load");
  const std::string file = args.Get("while-exists");
  while (std::filesystem::exists(file)) {
  }
  job.Read(Numbers(10)).WriteTo(Blackhole());
}
