#include <memory>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/settings.h"
#include "cli/shutdown_signals.h"
#include "eagre/job_stamp.h"
#include "taskmanager/task_manager_server.h"

namespace eagre {
namespace {

struct TaskManagerCommandOptions {
  std::string job_manager;
};

Status ServeTaskManager(const GlobalOptions& global, const TaskManagerCommandOptions& options) {
  ShutdownSignals signals;
  EAGRE_ASSIGN_OR_RETURN(const Configuration config, BeginDaemon(global, "taskmanager"));
  std::mutex mutex;
  Status gave_up;
  TaskManagerServerOptions server_options;
  server_options.version = EAGRE_VERSION;
  EAGRE_ASSIGN_OR_RETURN(server_options.job_manager_address, JobManagerAddress(config, options.job_manager));
  server_options.on_give_up = [&](Status reason) {
    std::lock_guard lock(mutex);
    gave_up = std::move(reason);
    signals.Wake();
  };
  const std::string job_manager = server_options.job_manager_address;
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<TaskManagerServer> server,
                         TaskManagerServer::Start(config, std::move(server_options)));
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<PrometheusEndpoint> metrics,
                         ServeMetrics(config, config.GetString("taskmanager.bind-host"),
                                      [&server = *server] { return server.CollectMetrics(); }));
  Announce(fmt::format("TaskManager {} with {} slots joins the JobManager at {}", server->id(),
                       config.GetInt("taskmanager.numberOfTaskSlots"), job_manager));
  signals.Wait();
  server->Stop();
  std::lock_guard lock(mutex);
  return gave_up;
}

}  // namespace

void AddTaskManagerCommand(Verb& eagre) {
  const auto options = std::make_shared<TaskManagerCommandOptions>();
  Verb verb = eagre.AddVerb("taskmanager", "Starts a TaskManager, whose slots run the jobs of a JobManager");
  AddJobManagerOption(verb, options->job_manager);
  verb.Run([options](const Invocation& invocation) {
    const Status served = ServeTaskManager(invocation.global, *options);
    return served.ok() ? 0 : ReportFailure("taskmanager", served);
  });
}

}  // namespace eagre
