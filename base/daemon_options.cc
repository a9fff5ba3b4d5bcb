#include "base/daemon_options.h"

#include <algorithm>
#include <iterator>

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

}  // namespace eagre
