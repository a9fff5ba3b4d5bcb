#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/shutdown_signals.h"
#include "eagre/job_stamp.h"
#include "jobmanager/job_manager_server.h"
#include "taskmanager/task_manager_server.h"

namespace eagre {
namespace {

constexpr const char* kSlotsKey = "taskmanager.numberOfTaskSlots";

// A machine of one's own has as many slots as it has cores, unless told otherwise.
Status ChooseSlots(Configuration& config) {
  if (config.IsSet(kSlotsKey)) return OkStatus();
  const long cores = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
  return config.Set(kSlotsKey, std::to_string(cores), "eagre local");
}

Status ServeLocalCluster(const GlobalOptions& global) {
  ShutdownSignals signals;
  EAGRE_ASSIGN_OR_RETURN(Configuration config, BeginDaemon(global, "local"));
  EAGRE_RETURN_IF_ERROR(ChooseSlots(config));
  const std::string host = config.GetString("jobmanager.bind-host");
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<JobManagerServer> job_manager,
                         JobManagerServer::Start(config, EAGRE_VERSION, [&signals] { signals.Wake(); }));
  TaskManagerServerOptions options;
  options.version = EAGRE_VERSION;
  options.job_manager_address = fmt::format("{}:{}", host == "0.0.0.0" ? "localhost" : host, job_manager->port());
  options.in_process_workers = true;
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<TaskManagerServer> task_manager,
                         TaskManagerServer::Start(config, std::move(options)));
  const auto collect = [&job_manager = *job_manager, &task_manager = *task_manager] {
    std::vector<MetricSample> samples = job_manager.CollectMetrics();
    std::vector<MetricSample> more = task_manager.CollectMetrics();
    std::move(more.begin(), more.end(), std::back_inserter(samples));
    return samples;
  };
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<PrometheusEndpoint> metrics, ServeMetrics(config, host, collect));
  Announce(fmt::format("JobManager is listening on {}:{}", host, job_manager->port()));
  Announce(fmt::format("TaskManager {} with {} slots runs in the same process", task_manager->id(),
                       config.GetInt(kSlotsKey)));
  signals.Wait();
  task_manager->Stop();
  job_manager->Stop();
  return job_manager->replaced();
}

}  // namespace

void AddLocalCommand(Verb& eagre) {
  Verb verb = eagre.AddVerb("local", "Starts a JobManager and a TaskManager in one process");
  verb.Run([](const Invocation& invocation) {
    const Status served = ServeLocalCluster(invocation.global);
    return served.ok() ? 0 : ReportFailure("local", served);
  });
}

}  // namespace eagre
