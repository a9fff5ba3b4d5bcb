// The daemons' log: a line per event with time, level, daemon and place. spdlog stays behind this header.
//
// Before InitLogging warnings and errors go to standard error, so that libraries may log from the first line on.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace eagre {

enum class LogLevel { kTrace, kDebug, kInfo, kWarn, kError, kOff };

struct LogOptions {
  // Stands in every line, e.g. "jobmanager" or "worker 3fa2 attempt 1".
  std::string daemon = "eagre";
  LogLevel level = LogLevel::kInfo;
  // Also write to this file (its folder is made); empty: none. It is rotated at max_file_bytes, max_files are kept.
  std::string file;
  int64_t max_file_bytes = int64_t{64} << 20;
  int max_files = 5;
  bool console = true;  // standard error
};

// Replaces the log's targets for the whole process. Any thread.
Status InitLogging(const LogOptions& options);

// "trace", "debug", "info", "warn", "error" or "off", in any case.
StatusOr<LogLevel> ParseLogLevel(std::string_view text);

bool LogEnabled(LogLevel level);
void LogWrite(LogLevel level, const char* file, int line, const std::string& message);

}  // namespace eagre

// Arguments as of fmt::format; they are evaluated only when the level is on.
#define EAGRE_LOG(level, ...)                                                   \
  do {                                                                          \
    if (::eagre::LogEnabled(level)) {                                           \
      ::eagre::LogWrite(level, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)); \
    }                                                                           \
  } while (false)
#define EAGRE_LOG_DEBUG(...) EAGRE_LOG(::eagre::LogLevel::kDebug, __VA_ARGS__)
#define EAGRE_LOG_INFO(...) EAGRE_LOG(::eagre::LogLevel::kInfo, __VA_ARGS__)
#define EAGRE_LOG_WARN(...) EAGRE_LOG(::eagre::LogLevel::kWarn, __VA_ARGS__)
#define EAGRE_LOG_ERROR(...) EAGRE_LOG(::eagre::LogLevel::kError, __VA_ARGS__)
