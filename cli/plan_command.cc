#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/crash_report.h"
#include "base/unique_fd.h"
#include "cli/commands.h"
#include "cli/job_compiler.h"
#include "cli/plan_json.h"
#include "cli/plan_process.h"
#include "cli/settings.h"

namespace eagre {
namespace {

struct PlanOptions {
  std::string library;
  std::string format = "json";
  int parallelism = 0;
  int result_fd = -1;  // set by PlanInChild
  int crash_fd = -1;
};

// Standard output for the plan alone: what the library prints goes to standard error from now on.
UniqueFd TakeStandardOutput() {
  UniqueFd out(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10));
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return out;
}

int PrintPlan(const PlanRequest& request, const std::string& format) {
  const UniqueFd out = TakeStandardOutput();
  const StatusOr<proto::JobPlan> plan = PlanHere(request);
  if (!plan.ok()) return ReportFailure("plan", plan.status());
  const proto::JobGraph& graph = plan->graph();
  const std::string text = format == "proto" ? graph.SerializeAsString() : RenderPlanJson(graph) + "\n";
  std::FILE* stream = fdopen(dup(out.get()), "w");
  const bool written = stream != nullptr && std::fwrite(text.data(), 1, text.size(), stream) == text.size();
  if (stream == nullptr || std::fclose(stream) != 0 || !written) {
    return ReportFailure("plan", Internal("cannot write the plan to standard output"));
  }
  return 0;
}

int RunPlan(const Invocation& invocation, const PlanOptions& options) {
  StatusOr<Configuration> config = LoadConfig(invocation.global);
  if (!config.ok()) return ReportFailure("plan", config.status());
  const Status parallelism = SetParallelism(options.parallelism, *config);
  if (!parallelism.ok()) return ReportFailure("plan", parallelism);
  InstallCrashHandler(options.crash_fd >= 0 ? options.crash_fd : STDERR_FILENO);
  const StatusOr<std::string> library = LibraryOf(options.library);
  if (!library.ok()) return ReportFailure("plan", library.status());
  const PlanRequest request{.library = *library, .args = invocation.job_args, .config = JobProperties(*config)};
  return options.result_fd >= 0 ? WritePlanResult(request, options.result_fd) : PrintPlan(request, options.format);
}

}  // namespace

void AddPlanCommand(Verb& eagre) {
  const auto options = std::make_shared<PlanOptions>();
  Verb verb = eagre.AddVerb("plan", "Loads a job's library and prints the graph that it builds, as JSON");
  verb.Option("job", options->library, "The job's library, or its source",
              {.value_name = "JOB.SO|JOB.CC", .required = true, .takes_job_args = true});
  AddParallelismOption(verb, options->parallelism);
  verb.Option("--format", options->format, "json, or proto for the binary message", {.choices = {"json", "proto"}});
  verb.Option("--result-fd", options->result_fd, "", {.hidden = true});
  verb.Option("--crash-fd", options->crash_fd, "", {.hidden = true});
  verb.Run([options](const Invocation& invocation) { return RunPlan(invocation, *options); });
}

}  // namespace eagre
