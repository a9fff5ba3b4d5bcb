// How long it takes to start: the cluster until its slots are registered, a built job until its first record is out.
// And what idle daemons hold in memory.
#include <fmt/format.h>

#include "bench/jobs/startup_times.h"

using namespace eagre::bench;

int main() {
  const StartupTimes times = MedianOf(5, StartOnce);
  fmt::print(R"({{"name":"startup","ratio":{:.3f},"ratio_to":"the aim of 0.2 s to the first record",{},)"
             R"("events_per_core_second":0,"events_per_second":0,"parallelism":1}})"
             "\n",
             times.first_record_seconds / 0.2, FieldsOf(times, ""));
}
