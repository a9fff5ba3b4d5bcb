// What the command line of `simulate` asks for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/logging.h"
#include "base/status.h"
#include "tests/sim/simulation.h"

namespace eagre {

struct SimulateOptions {
  uint64_t first = 1;  // the first seed
  uint64_t seeds = 100;
  uint64_t processes = 2;
  bool trace = false;
  std::string mode = "aligned";
  std::string broken;  // empty: nothing is
  SimulationOptions simulation;
  LogLevel log_level = LogLevel::kOff;
};

// Refuses what no simulation could do, and names the option. Breaks nothing yet but the disk.
StatusOr<SimulateOptions> ParseSimulateOptions(const std::vector<std::string_view>& arguments);

std::string SimulateUsage();

}  // namespace eagre
