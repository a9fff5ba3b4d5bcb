#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/job_list.h"
#include "cli/settings.h"
#include "client/job_client.h"

namespace eagre {
namespace {

struct ListOptions {
  std::string job_manager;
  JobListScope scope;
};

int RunList(const GlobalOptions& global, ListOptions options) {
  if (options.scope.ended || (!options.scope.running && !options.scope.scheduled)) {
    options.scope.running = options.scope.scheduled = true;
  }
  const StatusOr<std::string> address = JobManagerAddress(global, options.job_manager);
  if (!address.ok()) return ReportFailure("list", address.status());
  fmt::print("Waiting for response...\n");
  std::fflush(stdout);
  JobClient client(*address);
  const StatusOr<proto::ListJobsReply> jobs = client.ListJobs();
  if (!jobs.ok()) return ReportFailure("list", jobs.status());
  fmt::print("{}", RenderJobList(*jobs, options.scope));
  return 0;
}

}  // namespace

void AddListCommand(Verb& eagre) {
  const auto options = std::make_shared<ListOptions>();
  Verb verb = eagre.AddVerb("list", "Lists the jobs of a cluster: running and scheduled ones unless told otherwise");
  AddJobManagerOption(verb, options->job_manager);
  verb.Flag("-r,--running", options->scope.running, "Only running jobs");
  verb.Flag("-s,--scheduled", options->scope.scheduled, "Only jobs that wait for slots");
  verb.Flag("-a,--all", options->scope.ended, "All jobs, also those that have ended");
  verb.Run([options](const Invocation& invocation) { return RunList(invocation.global, *options); });
}

}  // namespace eagre
