#include "base/machine_memory.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace eagre {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// "max" is none, and so is a file that is not there.
int64_t LimitIn(FileSystem& files, const std::string& path) {
  const std::string text = files.ReadFile(path).value_or("");
  int64_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  return error == std::errc() && limit > 0 ? limit : kNoLimit;
}

// Of the group and of all above it. In a container the group's path may be the machine's while its mount shows only
// the container's own: then what is found is the root's.
int64_t LowestLimit(FileSystem& files, const std::string& root, std::string_view group, std::string_view name) {
  int64_t limit = kNoLimit;
  while (true) {
    while (group.ends_with('/')) group.remove_suffix(1);
    limit = std::min(limit, LimitIn(files, fmt::format("{}{}/{}", root, group, name)));
    if (group.empty()) return limit;
    group = group.substr(0, std::min(group.rfind('/'), group.size()));
    if (!group.starts_with('/')) group = "";
  }
}

bool HasController(std::string_view controllers, std::string_view wanted) {
  while (true) {
    const size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == wanted) return true;
    if (comma == controllers.size()) return false;
    controllers.remove_prefix(comma + 1);
  }
}

}  // namespace

int64_t ControlGroupMemoryLimit(FileSystem& files, const std::string& root, std::string_view cgroups) {
  int64_t limit = kNoLimit;
  while (!cgroups.empty()) {
    const size_t end = std::min(cgroups.find('\n'), cgroups.size());
    const std::string_view line = cgroups.substr(0, end);
    cgroups.remove_prefix(std::min(end + 1, cgroups.size()));
    // "hierarchy:controllers:path"; version 2 names no controllers.
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view group = line.substr(second + 1);
    if (controllers.empty()) {
      limit = std::min(limit, LowestLimit(files, root, group, "memory.max"));
    } else if (HasController(controllers, "memory")) {
      limit = std::min(limit, LowestLimit(files, root + "/memory", group, "memory.limit_in_bytes"));
    }
  }
  return limit;
}

int64_t MachineMemoryBytes() {
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  FileSystem& files = PosixFileSystem();
  return std::min(machine,
                  ControlGroupMemoryLimit(files, "/sys/fs/cgroup", files.ReadFile("/proc/self/cgroup").value_or("")));
}

}  // namespace eagre
