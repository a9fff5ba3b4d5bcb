#include "base/check.h"

#include <cstdio>
#include <cstdlib>

#include "base/crash_report.h"

namespace eagre {

void CheckFailed(const char* file, int line, const char* condition, const std::string& detail) {
  std::string text = std::string(file) + ":" + std::to_string(line) + ": check failed: " + condition;
  if (!detail.empty()) text += ": " + detail;
  std::fprintf(stderr, "%s\n", text.c_str());
  std::fflush(stderr);
  SetAbortReason(text);
  std::abort();
}

}  // namespace eagre
