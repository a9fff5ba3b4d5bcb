#include "cli/job_list.h"

#include <algorithm>
#include <functional>
#include <vector>

#include <fmt/format.h>

#include "cli/job_report.h"
#include "cli/text.h"

namespace eagre {
namespace {

bool IsScheduled(const proto::JobSummary& job) {
  return job.state() == "CREATED" || job.state() == "INITIALIZING";
}

std::string RenderSection(std::vector<const proto::JobSummary*> jobs, std::string_view header) {
  std::stable_sort(jobs.begin(), jobs.end(), [](const proto::JobSummary* a, const proto::JobSummary* b) {
    return a->start_time_ms() < b->start_time_ms();
  });
  std::string text = fmt::format("{}\n", header);
  for (const proto::JobSummary* job : jobs) {
    text += fmt::format("{} : {} : {} ({})\n", FormatListTime(job->start_time_ms()), job->job_id(), job->name(),
                        job->state());
  }
  return text + "--------------------------------------------------------------\n";
}

}  // namespace

std::string RenderJobList(const proto::ListJobsReply& reply, JobListScope scope) {
  std::vector<const proto::JobSummary*> running, scheduled, ended;
  for (const proto::JobSummary& job : reply.jobs()) {
    (IsTerminalState(job.state()) ? ended : IsScheduled(job) ? scheduled : running).push_back(&job);
  }
  std::string text;
  if (scope.running) {
    text += running.empty() ? "No running jobs.\n"
                            : RenderSection(running, "------------------ Running/Restarting Jobs -------------------");
  }
  if (scope.scheduled) {
    text +=
        scheduled.empty()
            ? "No scheduled jobs.\n"
            : RenderSection(scheduled, "----------------------- Scheduled/Initializing Jobs -----------------------");
  }
  if (scope.ended && !ended.empty()) {
    text += RenderSection(ended, "---------------------- Terminated Jobs -----------------------");
  }
  return text;
}

}  // namespace eagre
