#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/ids.h"
#include "cli/commands.h"
#include "cli/job_compiler.h"
#include "cli/job_report.h"
#include "cli/plan_json.h"
#include "cli/plan_process.h"
#include "cli/settings.h"
#include "client/job_client.h"

namespace eagre {
namespace {

struct InfoOptions {
  std::string job_manager;
  std::string subject;  // a job's id, or its library
  int parallelism = 0;
};

StatusOr<std::string> DescribeJob(const GlobalOptions& global, const InfoOptions& options) {
  EAGRE_ASSIGN_OR_RETURN(const std::string address, JobManagerAddress(global, options.job_manager));
  JobClient client(address);
  EAGRE_ASSIGN_OR_RETURN(const proto::JobDetails job, client.GetJob(options.subject));
  return RenderJobInfo(job, SystemClock().NowMs());
}

// The plan between dashed lines, as Flink prints it.
StatusOr<std::string> DescribeLibrary(const Invocation& invocation, const InfoOptions& options) {
  EAGRE_ASSIGN_OR_RETURN(Configuration config, LoadConfig(invocation.global));
  EAGRE_RETURN_IF_ERROR(SetParallelism(options.parallelism, config));
  EAGRE_ASSIGN_OR_RETURN(const std::string library, LibraryOf(options.subject));
  EAGRE_ASSIGN_OR_RETURN(
      const proto::JobPlan plan,
      PlanInChild({.library = library, .args = invocation.job_args, .config = JobProperties(config)}));
  return fmt::format(
      "----------------------- Execution Plan -----------------------\n{}\n"
      "--------------------------------------------------------------\n",
      RenderPlanJson(plan.graph()));
}

int RunInfo(const Invocation& invocation, const InfoOptions& options) {
  const StatusOr<std::string> text =
      IsHexId(options.subject) ? DescribeJob(invocation.global, options) : DescribeLibrary(invocation, options);
  if (!text.ok()) return ReportFailure("info", text.status());
  fmt::print("{}", *text);
  return 0;
}

}  // namespace

void AddInfoCommand(Verb& eagre) {
  const auto options = std::make_shared<InfoOptions>();
  Verb verb = eagre.AddVerb("info", "Shows a job of a cluster, or the plan of a job's library");
  verb.Option("job", options->subject, "ID of the job, or a library; its own arguments follow `--`",
              {.value_name = "JOB_ID|JOB.SO", .required = true, .takes_job_args = true});
  AddJobManagerOption(verb, options->job_manager);
  AddParallelismOption(verb, options->parallelism);
  verb.Run([options](const Invocation& invocation) { return RunInfo(invocation, *options); });
}

}  // namespace eagre
