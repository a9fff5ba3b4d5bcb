#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/settings.h"
#include "client/job_client.h"

namespace eagre {
namespace {

struct LogsOptions {
  std::string job_manager;
  std::string job_id;
};

int RunLogs(const GlobalOptions& global, const LogsOptions& options) {
  const StatusOr<std::string> address = JobManagerAddress(global, options.job_manager);
  if (!address.ok()) return ReportFailure("logs", address.status());
  JobClient client(*address);
  std::string shown_source;
  bool at_line_start = true;
  const Status status = client.GetLogs(options.job_id, [&](const proto::LogPart& part) {
    if (part.data().empty()) return;
    if (part.source() != shown_source) {
      fmt::print("{}==> {} <==\n", at_line_start ? "" : "\n", part.source());
      shown_source = part.source();
    }
    std::fwrite(part.data().data(), 1, part.data().size(), stdout);
    at_line_start = part.data().back() == '\n';
  });
  if (!at_line_start) fmt::print("\n");
  return status.ok() ? 0 : ReportFailure("logs", status);
}

}  // namespace

void AddLogsCommand(Verb& eagre) {
  const auto options = std::make_shared<LogsOptions>();
  Verb verb = eagre.AddVerb("logs", "Shows what the workers of a job have printed");
  AddJobManagerOption(verb, options->job_manager);
  verb.Option("job", options->job_id, "ID of the job, as `eagre list` shows it",
              {.value_name = "JOB_ID", .required = true});
  verb.Run([options](const Invocation& invocation) { return RunLogs(invocation.global, *options); });
}

}  // namespace eagre
