#include "base/fault_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace eagre {
namespace {

std::atomic<Omission> omitted{Omission::kNone};

}  // namespace

void OmitForTest(Omission what) {
  omitted.store(what, std::memory_order_relaxed);
}

bool IsOmitted(Omission what) {
  return omitted.load(std::memory_order_relaxed) == what;
}

void FaultPoint(std::string_view name) {
  static const char* const folder = std::getenv("EAGRE_FAULT_POINTS");
  if (folder == nullptr) [[likely]]
    return;
  const std::string path = std::string(folder) + "/" + std::string(name);
  // Of all processes that come here at once, one succeeds.
  if (unlink(path.c_str()) == 0) kill(getpid(), SIGKILL);
}

}  // namespace eagre
