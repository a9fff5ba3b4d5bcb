// A keyed shuffle of 100-byte records between workers of two TaskManagers, beside raw TCP between two processes.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/cluster_processes.h"
#include "bench/jobs/raw_tcp.h"

using namespace eagre::bench;

int main() {
  constexpr double kRecordBytes = 100;
  const auto records = static_cast<int64_t>(40'000'000 * Scale());
  const double gigabytes = static_cast<double>(records) * kRecordBytes / 1e9;
  struct Round {
    double ratio, cpu_ratio, gigabytes_per_second, cpu_per_gigabyte;
    RawTcp raw;
  };
  std::vector<Round> rounds;
  BenchCluster cluster(2, 1);
  cluster.Run("shuffle_job", 2, {"--records", std::to_string(records / 10)});
  for (int i = 0; i < 5; ++i) {
    const RawTcp raw = MeasureRawTcp(static_cast<size_t>(gigabytes * 1e9));
    const double cpu = cluster.CpuSeconds();
    const std::string output = cluster.Run("shuffle_job", 2, {"--records", std::to_string(records)});
    // The job's own time: without the client's.
    const size_t at = output.find("Job Runtime: ");
    if (at == std::string::npos) {
      std::fprintf(stderr, "the job did not say its run time:\n%s\n", output.c_str());
      return 1;
    }
    const double seconds = std::stod(output.substr(at + 13)) / 1000;
    const double speed = gigabytes / seconds;
    const double cost = (cluster.CpuSeconds() - cpu) / gigabytes;
    rounds.push_back({speed / raw.gigabytes_per_second, raw.cpu_seconds_per_gigabyte / cost, speed, cost, raw});
  }
  std::sort(rounds.begin(), rounds.end(), [](const Round& a, const Round& b) { return a.ratio < b.ratio; });
  const Round& median = rounds[rounds.size() / 2];
  const double per_second = static_cast<double>(records) / gigabytes * median.gigabytes_per_second;
  fmt::print(
      R"({{"name":"shuffle","ratio":{:.3f},"ratio_to":"raw TCP","cpu_ratio":{:.3f},"gigabytes_per_second":{:.3f},)"
      R"("cpu_seconds_per_gigabyte":{:.3f},"raw_gigabytes_per_second":{:.3f},"raw_cpu_seconds_per_gigabyte":{:.3f},)"
      R"("events_per_second":{:.0f},"events_per_core_second":{:.0f},"parallelism":2}})"
      "\n",
      median.ratio, median.cpu_ratio, median.gigabytes_per_second, median.cpu_per_gigabyte,
      median.raw.gigabytes_per_second, median.raw.cpu_seconds_per_gigabyte, per_second,
      static_cast<double>(records) / (median.cpu_per_gigabyte * gigabytes));
}
