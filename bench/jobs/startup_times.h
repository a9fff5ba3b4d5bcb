// What the benchmark `startup` measures.
#pragma once

#include <functional>
#include <string>

#include <eagre/eagre.h>

namespace eagre::bench {

struct StartupTimes {
  double cluster_start_seconds = 0;  // to registered slots
  double first_record_seconds = 0;   // from the start of `eagre run` of a built job
  double idle_jobmanager_mib = 0;
  double idle_taskmanager_mib = 0;
};
EAGRE_RECORD(StartupTimes, cluster_start_seconds, first_record_seconds, idle_jobmanager_mib, idle_taskmanager_mib);

// A cluster of one JobManager and one TaskManager, and the job hello_job on it.
StartupTimes StartOnce();
// The median of each figure.
StartupTimes MedianOf(int rounds, const std::function<StartupTimes()>& measure);
// The fields, for a line of JSON; `prefix` stands before each name.
std::string FieldsOf(const StartupTimes& times, const std::string& prefix);

}  // namespace eagre::bench
