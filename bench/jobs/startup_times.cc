#include "bench/jobs/startup_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/cluster_processes.h"

namespace eagre::bench {

StartupTimes StartOnce() {
  constexpr double kMib = 1 << 20;
  StartupTimes times;
  BenchCluster cluster(1, 2);
  times.cluster_start_seconds = cluster.seconds_to_start();
  times.idle_jobmanager_mib = static_cast<double>(cluster.job_manager().ResidentBytes()) / kMib;
  times.idle_taskmanager_mib = static_cast<double>(cluster.task_managers()[0]->ResidentBytes()) / kMib;
  const std::string output = DataFolder() + "/first-record";
  std::filesystem::remove(output);
  const double started = MonotonicSeconds();
  cluster.Run("hello_job", 1, {"--output", std::filesystem::absolute(output)});
  double out_ns = 0;
  std::ifstream(output) >> out_ns;
  times.first_record_seconds = out_ns * 1e-9 - started;
  return times;
}

StartupTimes MedianOf(int rounds, const std::function<StartupTimes()>& measure) {
  std::vector<StartupTimes> all;
  for (int round = 0; round < rounds; ++round) all.push_back(measure());
  StartupTimes median;
  for (const auto field : {&StartupTimes::cluster_start_seconds, &StartupTimes::first_record_seconds,
                           &StartupTimes::idle_jobmanager_mib, &StartupTimes::idle_taskmanager_mib}) {
    std::vector<double> values;
    for (const StartupTimes& times : all) values.push_back(times.*field);
    std::sort(values.begin(), values.end());
    median.*field = values[values.size() / 2];
  }
  return median;
}

std::string FieldsOf(const StartupTimes& times, const std::string& prefix) {
  return fmt::format(
      R"("{0}cluster_start_seconds":{1:.3f},"{0}first_record_seconds":{2:.3f},"{0}idle_jobmanager_mib":{3:.1f},)"
      R"("{0}idle_taskmanager_mib":{4:.1f})",
      prefix, times.cluster_start_seconds, times.first_record_seconds, times.idle_jobmanager_mib,
      times.idle_taskmanager_mib);
}

}  // namespace eagre::bench
