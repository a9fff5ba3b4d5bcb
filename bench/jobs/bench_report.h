// How the whole-job benchmarks measure and report: the engine and its hand-written loop in turn, in one process and one
// run, and a JSON line with the median of the ratios.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace eagre::bench {

// Of one run of one side.
struct Measured {
  int64_t events = 0;
  double wall_seconds = 0;
  double cpu_seconds = 0;  // of this process, all threads
  double EventsPerSecond() const { return static_cast<double>(events) / wall_seconds; }
  double EventsPerCoreSecond() const { return static_cast<double>(events) / cpu_seconds; }
};

// Times `run`, which returns how many events it handled.
Measured Measure(const std::function<int64_t()>& run);

// Runs the two in turn: one round to warm up, then `rounds` that count.
struct Comparison {
  Measured engine;  // of the median round
  Measured loop;
  double ratio = 0;       // median over the rounds of engine / loop, in events per core second
  double wall_ratio = 0;  // the same in events per second
};
Comparison Compare(int rounds, const std::function<int64_t()>& engine, const std::function<int64_t()>& loop);
// The same where a side measures itself, as another process does.
Comparison CompareMeasured(int rounds, const std::function<Measured()>& engine, const std::function<Measured()>& other);

// Prints the line of one benchmark: the engine's figures, those of `ratio_to` and their ratio. `extra` holds what else
// explains the figure.
void PrintLine(std::string_view name, std::string_view ratio_to, int parallelism, const Comparison& comparison,
               const std::map<std::string, double>& extra = {});

// From EAGRE_BENCH_SCALE: 1 is a full measurement; a test runs at 0.01, so that the benchmarks cannot rot.
double Scale();
// EAGRE_BENCH_ROUNDS, so that a benchmark of long runs can be divided; `usual` when it is not set.
int Rounds(int usual);
// A folder for inputs that are made once.
std::string DataFolder();

}  // namespace eagre::bench
