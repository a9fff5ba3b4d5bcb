// How long it takes to start: the cluster until its slots are registered, a built job until its first record is out.
// And what idle daemons hold in memory.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/cluster_processes.h"

using namespace eagre::bench;

int main() {
  std::vector<double> cluster_seconds, job_seconds;
  double job_manager_mib = 0, task_manager_mib = 0;
  for (int round = 0; round < 5; ++round) {
    BenchCluster cluster(1, 2);
    cluster_seconds.push_back(cluster.seconds_to_start());
    job_manager_mib = static_cast<double>(cluster.job_manager().ResidentBytes()) / (1 << 20);
    task_manager_mib = static_cast<double>(cluster.task_managers()[0]->ResidentBytes()) / (1 << 20);
    const std::string output = DataFolder() + "/first-record";
    std::filesystem::remove(output);
    const double started = MonotonicSeconds();
    cluster.Run("hello_job", 1, {"--output", std::filesystem::absolute(output)});
    double out_ns = 0;
    std::ifstream(output) >> out_ns;
    job_seconds.push_back(out_ns * 1e-9 - started);
  }
  std::sort(cluster_seconds.begin(), cluster_seconds.end());
  std::sort(job_seconds.begin(), job_seconds.end());
  fmt::print(
      R"({{"name":"startup","ratio":{:.3f},"ratio_to":"the aim of 0.2 s to the first record","cluster_start_seconds":{:.3f},)"
      R"("first_record_seconds":{:.3f},"idle_jobmanager_mib":{:.1f},"idle_taskmanager_mib":{:.1f},)"
      R"("events_per_core_second":0,"events_per_second":0,"parallelism":1}})"
      "\n",
      job_seconds[2] / 0.2, cluster_seconds[2], job_seconds[2], job_manager_mib, task_manager_mib);
}
