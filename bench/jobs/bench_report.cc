#include "bench/jobs/bench_report.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace eagre::bench {
namespace {

double Seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Round {
  Measured engine;
  Measured loop;
  double ratio() const { return engine.EventsPerCoreSecond() / loop.EventsPerCoreSecond(); }
  double wall_ratio() const { return engine.EventsPerSecond() / loop.EventsPerSecond(); }
};

}  // namespace

Measured Measure(const std::function<int64_t()>& run) {
  const double wall = Seconds(CLOCK_MONOTONIC);
  const double cpu = Seconds(CLOCK_PROCESS_CPUTIME_ID);
  Measured measured;
  measured.events = run();
  measured.wall_seconds = Seconds(CLOCK_MONOTONIC) - wall;
  measured.cpu_seconds = Seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  return measured;
}

Comparison Compare(int rounds, const std::function<int64_t()>& engine, const std::function<int64_t()>& loop) {
  return CompareMeasured(
      rounds, [&] { return Measure(engine); }, [&] { return Measure(loop); });
}

Comparison CompareMeasured(int rounds, const std::function<Measured()>& engine,
                           const std::function<Measured()>& other) {
  other();
  engine();
  std::vector<Round> all;
  std::vector<double> wall_ratios;
  for (int i = 0; i < rounds; ++i) {
    Round round;
    round.loop = other();
    round.engine = engine();
    all.push_back(round);
    wall_ratios.push_back(round.wall_ratio());
  }
  std::sort(all.begin(), all.end(), [](const Round& a, const Round& b) { return a.ratio() < b.ratio(); });
  std::sort(wall_ratios.begin(), wall_ratios.end());
  const Round& median = all[all.size() / 2];
  return {median.engine, median.loop, median.ratio(), wall_ratios[wall_ratios.size() / 2]};
}

void PrintLine(std::string_view name, std::string_view ratio_to, int parallelism, const Comparison& comparison,
               const std::map<std::string, double>& extra) {
  const std::string_view side = ratio_to == "flink" ? ratio_to : "loop";
  std::string line = fmt::format(
      R"({{"name":"{}","ratio":{:.3f},"ratio_to":"{}","wall_ratio":{:.3f},"events_per_core_second":{:.0f},)"
      R"("events_per_second":{:.0f},"parallelism":{},"{}_events_per_core_second":{:.0f},"{}_events_per_second":{:.0f})",
      name, comparison.ratio, ratio_to, comparison.wall_ratio, comparison.engine.EventsPerCoreSecond(),
      comparison.engine.EventsPerSecond(), parallelism, side, comparison.loop.EventsPerCoreSecond(), side,
      comparison.loop.EventsPerSecond());
  for (const auto& [key, value] : extra) line += fmt::format(R"(,"{}":{:.6g})", key, value);
  std::puts((line + "}").c_str());
  std::fflush(stdout);
}

double Scale() {
  const char* scale = std::getenv("EAGRE_BENCH_SCALE");
  return scale == nullptr ? 1.0 : std::atof(scale);
}

int Rounds(int usual) {
  const char* rounds = std::getenv("EAGRE_BENCH_ROUNDS");
  return rounds == nullptr ? usual : std::max(1, std::atoi(rounds));
}

std::string DataFolder() {
  const char* folder = std::getenv("EAGRE_BENCH_DATA");
  std::string path = folder == nullptr ? "build/bench-data" : folder;
  std::filesystem::create_directories(path);
  return path;
}

}  // namespace eagre::bench
