// How long it takes to start: the cluster until its slots are registered, a built job until its first record is out;
// and what idle daemons hold in memory. Then a job of one page from its source: compiled anew, and as it was.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "bench/jobs/bench_report.h"
#include "bench/jobs/cluster_processes.h"
#include "bench/jobs/startup_times.h"

using namespace eagre::bench;

namespace {

struct RunTimes {
  double seconds = 0;
  double cpu_seconds = 0;
};

double CpuSecondsOfChildren() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

// `eagre run` of the source, with three words to count, from start to exit.
RunTimes RunSource(const std::string& folder) {
  const double cpu = CpuSecondsOfChildren();
  const double started = MonotonicSeconds();
  std::filesystem::remove_all(folder + "/output");
  EagreProcess({"run", folder + "/words.cc", "--", "--input", folder + "/words.csv", "--output", folder + "/output"})
      .AwaitExit();
  return {MonotonicSeconds() - started, CpuSecondsOfChildren() - cpu};
}

RunTimes MedianOf(std::vector<RunTimes> all) {
  std::sort(all.begin(), all.end(), [](const RunTimes& a, const RunTimes& b) { return a.seconds < b.seconds; });
  return all[all.size() / 2];
}

void MeasureRunSource(int rounds) {
  const std::string folder = std::filesystem::absolute(DataFolder() + "/run-source");
  setenv("XDG_CACHE_HOME", (folder + "/cache").c_str(), 1);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/words.csv") << "text\nsea\nriver\nsea\n";
  std::ifstream original(EAGRE_SOURCE_DIR "/tests/install/project/words.cc");
  const std::string source((std::istreambuf_iterator<char>(original)), {});
  const auto save = [&](int version) { std::ofstream(folder + "/words.cc") << source << "// " << version << "\n"; };
  save(0);
  const RunTimes first = RunSource(folder);
  std::vector<RunTimes> changed, unchanged;
  for (int round = 1; round <= rounds; ++round) {
    save(round);
    changed.push_back(RunSource(folder));
    unchanged.push_back(RunSource(folder));
  }
  fmt::print(
      R"({{"name":"run_source","ratio":{:.3f},"ratio_to":"the aim of 5 s, compiled anew","first_use_seconds":{:.3f},)"
      R"("changed_seconds":{:.3f},"changed_cpu_seconds":{:.3f},"unchanged_seconds":{:.3f},"parallelism":1}})"
      "\n",
      MedianOf(changed).seconds / 5, first.seconds, MedianOf(changed).seconds, MedianOf(changed).cpu_seconds,
      MedianOf(unchanged).seconds);
}

}  // namespace

int main() {
  const StartupTimes times = MedianOf(5, StartOnce);
  fmt::print(R"({{"name":"startup","ratio":{:.3f},"ratio_to":"the aim of 0.2 s to the first record",{},)"
             R"("events_per_core_second":0,"events_per_second":0,"parallelism":1}})"
             "\n",
             times.first_record_seconds / 0.2, FieldsOf(times, ""));
  std::fflush(stdout);
  MeasureRunSource(Scale() < 0.1 ? 1 : 3);
}
