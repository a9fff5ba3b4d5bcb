// Assertions for bugs of ours, on in every build. Never for input, configuration or the network: those return a Status.
#pragma once

#include <string>

namespace eagre {

// Prints the failed condition with its place and aborts the process.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const std::string& detail = "");

}  // namespace eagre

#define EAGRE_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::eagre::CheckFailed(__FILE__, __LINE__, #condition))
#define EAGRE_CHECK_MSG(condition, detail) \
  (static_cast<bool>(condition) ? void(0) : ::eagre::CheckFailed(__FILE__, __LINE__, #condition, detail))
// For loops that run once per record: off in release builds.
#ifdef NDEBUG
#define EAGRE_DCHECK(condition) void(0)
#else
#define EAGRE_DCHECK(condition) EAGRE_CHECK(condition)
#endif
