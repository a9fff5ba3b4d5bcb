// How much memory this process may take: what the machine has, or less where its control group has a limit, as in a
// container.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file_system.h"

namespace eagre {

int64_t MachineMemoryBytes();

// The lowest limit of a control group of version 1 or 2, or of one above it; INT64_MAX when there is none.
// `cgroups` has the form of /proc/self/cgroup, `root` is where the groups are mounted.
int64_t ControlGroupMemoryLimit(FileSystem& files, const std::string& root, std::string_view cgroups);

}  // namespace eagre
