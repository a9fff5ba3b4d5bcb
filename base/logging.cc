#include "base/logging.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace eagre {
namespace {

spdlog::level::level_enum ToSpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return spdlog::level::trace;
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kOff: break;
  }
  return spdlog::level::off;
}

// Flink's names of the levels, all of one width.
class LevelName final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    static constexpr std::string_view kNames[] = {"TRACE", "DEBUG", "INFO ", "WARN ", "ERROR", "FATAL"};
    const std::string_view name = kNames[message.level];
    out.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelName>(); }
};

std::shared_ptr<spdlog::logger> MakeLogger(const std::string& daemon, LogLevel level,
                                           std::vector<spdlog::sink_ptr> sinks) {
  auto logger = std::make_shared<spdlog::logger>(daemon, sinks.begin(), sinks.end());
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelName>('*').set_pattern("%Y-%m-%d %H:%M:%S.%e %* [%n] %v (%s:%#)");
  logger->set_formatter(std::move(formatter));
  logger->set_level(ToSpdlogLevel(level));
  logger->flush_on(spdlog::level::info);
  return logger;
}

// The one mutable thing of the process: every library writes to the same log.
struct ProcessLog {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> logger =
      MakeLogger("eagre", LogLevel::kWarn, {std::make_shared<spdlog::sinks::stderr_sink_mt>()});
  std::atomic<LogLevel> level{LogLevel::kWarn};
};

// Never destroyed: threads may log while the process exits.
ProcessLog& TheProcessLog() {
  static auto* const log = new ProcessLog();
  return *log;
}

}  // namespace

Status InitLogging(const LogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks;
  if (options.console) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (!options.file.empty()) {
    try {
      sinks.push_back(std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
          options.file, static_cast<size_t>(options.max_file_bytes), static_cast<size_t>(options.max_files)));
    } catch (const spdlog::spdlog_ex& error) {
      return Unavailable("cannot log to {}: {}", options.file, error.what());
    }
  }
  ProcessLog& log = TheProcessLog();
  std::lock_guard lock(log.mutex);
  log.logger = MakeLogger(options.daemon, options.level, std::move(sinks));
  log.level.store(options.level, std::memory_order_relaxed);
  return OkStatus();
}

StatusOr<LogLevel> ParseLogLevel(std::string_view text) {
  static constexpr std::pair<std::string_view, LogLevel> kNames[] = {
      {"trace", LogLevel::kTrace}, {"debug", LogLevel::kDebug}, {"info", LogLevel::kInfo},
      {"warn", LogLevel::kWarn},   {"error", LogLevel::kError}, {"off", LogLevel::kOff}};
  std::string lower;
  for (const char c : text) lower.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  for (const auto& [name, level] : kNames) {
    if (lower == name) return level;
  }
  return InvalidArgument("'{}' is no log level; expected one of trace, debug, info, warn, error, off", text);
}

bool LogEnabled(LogLevel level) {
  return level >= TheProcessLog().level.load(std::memory_order_relaxed);
}

void LogWrite(LogLevel level, const char* file, int line, const std::string& message) {
  std::shared_ptr<spdlog::logger> logger;
  {
    ProcessLog& log = TheProcessLog();
    std::lock_guard lock(log.mutex);
    logger = log.logger;
  }
  logger->log(spdlog::source_loc{file, line, ""}, ToSpdlogLevel(level), spdlog::string_view_t(message));
}

}  // namespace eagre
