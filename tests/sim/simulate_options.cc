#include "tests/sim/simulate_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace eagre {
namespace {

constexpr uint64_t kMostSeeds = 100'000'000;  // the work of weeks
constexpr uint64_t kMostProcesses = 1'000;
constexpr std::string_view kBreakable[] = {"alignment", "completion-before-sync", "file-syncs", "folder-syncs"};

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string ModeNames(std::string_view between) {
  std::string names;
  for (const CheckpointMode& mode : CheckpointModes()) {
    names += fmt::format("{}{}", names.empty() ? "" : between, mode.name);
  }
  return names;
}

Status ParseSeeds(std::string_view text, SimulateOptions& options) {
  const size_t dots = text.find("..");
  const std::optional<uint64_t> first = ParseNumber(text.substr(0, dots));
  const std::optional<uint64_t> last = dots == std::string_view::npos ? first : ParseNumber(text.substr(dots + 2));
  if (!first || !last) {
    return InvalidArgument("--seeds {}: expected a seed or a range such as 1..200, of numbers from 0 to {}", text,
                           UINT64_MAX);
  }
  if (*last < *first) return InvalidArgument("--seeds {}: the range is empty; expected the lower seed first", text);
  if (*last - *first >= kMostSeeds) {
    return InvalidArgument("--seeds {}: expected a range of at most {} seeds", text, kMostSeeds);
  }
  options.first = *first;
  options.seeds = *last - *first + 1;
  return OkStatus();
}

Status ParseProcesses(std::string_view text, SimulateOptions& options) {
  const std::optional<uint64_t> processes = ParseNumber(text);
  if (!processes || *processes < 1 || *processes > kMostProcesses) {
    return InvalidArgument("--processes {}: expected a whole number from 1 to {}", text, kMostProcesses);
  }
  options.processes = *processes;
  return OkStatus();
}

Status ParseMode(std::string_view text, SimulateOptions& options) {
  const auto& modes = CheckpointModes();
  if (std::none_of(modes.begin(), modes.end(), [&](const CheckpointMode& mode) { return mode.name == text; })) {
    return InvalidArgument("--mode {}: expected one of {}", text, ModeNames(", "));
  }
  options.mode = text;
  return OkStatus();
}

Status ParseBreak(std::string_view text, SimulateOptions& options) {
  if (std::find(std::begin(kBreakable), std::end(kBreakable), text) == std::end(kBreakable)) {
    return InvalidArgument("--break {}: expected one of {}", text, fmt::join(kBreakable, ", "));
  }
  options.broken = text;
  options.simulation.ignores_file_syncs = text == "file-syncs";
  options.simulation.ignores_folder_syncs = text == "folder-syncs";
  return OkStatus();
}

Status ParseLog(std::string_view text, SimulateOptions& options) {
  const StatusOr<LogLevel> level = ParseLogLevel(text);
  if (!level.ok()) return WithContext(level.status(), "--log");
  options.log_level = *level;
  return OkStatus();
}

struct Option {
  std::string_view name;
  Status (*parse)(std::string_view, SimulateOptions&);
};
constexpr Option kOptions[] = {{"--seeds", ParseSeeds},
                               {"--processes", ParseProcesses},
                               {"--mode", ParseMode},
                               {"--break", ParseBreak},
                               {"--log", ParseLog}};

}  // namespace

StatusOr<SimulateOptions> ParseSimulateOptions(const std::vector<std::string_view>& arguments) {
  SimulateOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--trace") {
      options.trace = true;
      continue;
    }
    const auto* option = std::find_if(std::begin(kOptions), std::end(kOptions),
                                      [&](const Option& known) { return known.name == arguments[i]; });
    if (option == std::end(kOptions)) return InvalidArgument("there is no option {}", arguments[i]);
    if (++i == arguments.size()) return InvalidArgument("{} needs a value", option->name);
    EAGRE_RETURN_IF_ERROR(option->parse(arguments[i], options));
  }
  return options;
}

std::string SimulateUsage() {
  return fmt::format(
      "usage: simulate --seeds A..B [--processes N] [--mode {}] [--trace] [--log LEVEL]\n"
      "       [--break {}]\n",
      ModeNames("|"), fmt::join(kBreakable, "|"));
}

}  // namespace eagre
