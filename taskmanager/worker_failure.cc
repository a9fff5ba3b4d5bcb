#include "taskmanager/worker_failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>

#include "base/crash_report.h"

namespace eagre {
namespace {

std::string DescribeSilentDeath(const WorkerExit& exit, const std::string& job) {
  if (exit.signal == SIGKILL) {
    return fmt::format(
        "the worker of job '{}' was killed by SIGKILL from outside: by a user, or by the kernel when memory ran out "
        "(see "
        "the kernel's log)",
        job);
  }
  if (exit.signal != 0) return fmt::format("the worker of job '{}' died by {}", job, SignalName(exit.signal));
  return fmt::format(
      "the worker of job '{}' exited with code {} in the middle of its work; `eagre logs` shows what it printed", job,
      exit.exit_code);
}

std::string DescribeReport(const CrashReport& report, const std::string& job) {
  std::string who = report.vertex.empty() ? fmt::format("the worker of job '{}'", job)
                    : report.subtask >= 0 ? fmt::format("subtask {} of '{}'", report.subtask, report.vertex)
                                          : fmt::format("'{}'", report.vertex);
  std::string message = fmt::format("{} died by {}", who, report.signal);
  if (!report.address.empty()) message += fmt::format(" (address {})", report.address);
  if (!report.operator_name.empty()) message += fmt::format(" in operator '{}'", report.operator_name);
  if (!report.reason.empty()) message += ": " + report.reason;
  return message;
}

// Memory that is used up, a store that fails and a mapped file without its bytes crash whatever the record is.
bool MayBeOfUserCode(const CrashReport& report) {
  if (report.signal == "SIGBUS") return false;
  constexpr std::string_view kUncaught = "uncaught exception ";
  if (!report.reason.starts_with(kUncaught)) return true;
  const std::string_view thrown = std::string_view(report.reason).substr(kUncaught.size());
  constexpr std::string_view kOfTheEngine[] = {"std::bad_alloc", "eagre::StateError", "eagre::OverflowError"};
  return std::none_of(std::begin(kOfTheEngine), std::end(kOfTheEngine),
                      [thrown](std::string_view type) { return thrown.starts_with(type); });
}

}  // namespace

proto::FailureInfo MakeWorkerFailure(std::string_view message) {
  proto::FailureInfo failure;
  failure.set_message(std::string(message));
  failure.set_subtask(-1);
  failure.set_retryable(true);
  return failure;
}

proto::FailureInfo DescribeWorkerExit(const WorkerExit& exit, const proto::DeployWorker& deploy) {
  const std::string& job = deploy.graph().name();
  CrashReport report = ParseCrashReport(exit.crash_report);
  if (report.signal.empty()) return MakeWorkerFailure(DescribeSilentDeath(exit, job));
  proto::FailureInfo failure = MakeWorkerFailure(DescribeReport(report, job));
  failure.set_vertex(report.vertex);
  failure.set_operator_name(report.operator_name);
  failure.set_operator_id(report.operator_id);
  failure.set_subtask(report.subtask);
  failure.set_stack(report.stack);
  failure.set_origin(report.origin);
  failure.set_in_user_code(MayBeOfUserCode(report));
  return failure;
}

}  // namespace eagre
