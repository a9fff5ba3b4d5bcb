#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/settings.h"
#include "client/job_client.h"

namespace eagre {
namespace {

struct CancelOptions {
  std::string job_manager;
  std::string job_id;
};

int RunCancel(const GlobalOptions& global, const CancelOptions& options) {
  const StatusOr<std::string> address = JobManagerAddress(global, options.job_manager);
  if (!address.ok()) return ReportFailure("cancel", address.status());
  fmt::print("Cancelling job {}.\n", options.job_id);
  std::fflush(stdout);
  JobClient client(*address);
  const Status cancelled = client.CancelJob(options.job_id);
  if (!cancelled.ok()) return ReportFailure("cancel", cancelled);
  fmt::print("Cancelled job {}.\n", options.job_id);
  return 0;
}

}  // namespace

void AddCancelCommand(Verb& eagre) {
  const auto options = std::make_shared<CancelOptions>();
  Verb verb = eagre.AddVerb("cancel", "Cancels a job");
  AddJobManagerOption(verb, options->job_manager);
  verb.Option("job", options->job_id, "ID of the job, as `eagre list` shows it",
              {.value_name = "JOB_ID", .required = true});
  verb.Run([options](const Invocation& invocation) { return RunCancel(invocation.global, *options); });
}

}  // namespace eagre
