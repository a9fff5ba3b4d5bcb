#include "base/daemon_options.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "base/duration.h"

namespace eagre {

bool IsDaemonOption(std::string_view key) {
  static constexpr std::string_view kPrefixes[] = {"jobmanager.",
                                                   "taskmanager.host",
                                                   "taskmanager.bind-host",
                                                   "taskmanager.data.",
                                                   "taskmanager.numberOfTaskSlots",
                                                   "taskmanager.memory.managed.",
                                                   "taskmanager.state.",
                                                   "heartbeat.",
                                                   "cluster.",
                                                   "high-availability.",
                                                   "jobstore.",
                                                   "eagre.work.",
                                                   "artifact-cache.",
                                                   "env.",
                                                   "metrics."};
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [key](std::string_view prefix) { return key.starts_with(prefix); });
}

Status CheckDaemonOptions(const Configuration& config) {
  const int64_t interval_ms = config.GetDurationMs("heartbeat.interval");
  const int64_t timeout_ms = config.GetDurationMs("heartbeat.timeout");
  if (interval_ms > 0 && timeout_ms > interval_ms) return OkStatus();
  return InvalidArgument(
      "heartbeat.interval = {} and heartbeat.timeout = {} cannot work together: expected an interval above zero and a "
      "timeout of several intervals, such as 1 s and 10 s",
      FormatDurationMs(interval_ms), FormatDurationMs(timeout_ms));
}

}  // namespace eagre
