// The self-verifying job on a simulated cluster to which a seed does what it can: the job has to end, with the output
// of a run without faults, whatever happens. A seed is one run, and the same run every time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/status.h"

namespace eagre {

// How checkpoints are taken: a name, and the configuration of it.
struct CheckpointMode {
  std::string_view name;
  std::map<std::string, std::string> config;
};
const std::vector<CheckpointMode>& CheckpointModes();

struct SimulationOptions {
  uint64_t seed = 1;
  std::string_view mode = "aligned";
  // A disk that forgets: what is broken is not the engine, but must be noticed all the same.
  bool ignores_file_syncs = false;
  bool ignores_folder_syncs = false;
};

struct SimulationOutcome {
  int64_t faults = 0;
  std::vector<std::string> violations;
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  int64_t virtual_ms = 0;
};

// Runs one seed after another; keeps the results of runs without faults.
class Simulator {
 public:
  SimulationOutcome Run(const SimulationOptions& options);

 private:
  using Lines = std::vector<std::string>;
  // What the job commits when nothing goes wrong, sorted.
  StatusOr<Lines> Expected(int64_t records, int parallelism, int64_t window_ms);

  std::map<std::tuple<int64_t, int, int64_t>, Lines> expected_;
};

}  // namespace eagre
