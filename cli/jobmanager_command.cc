#include <memory>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/shutdown_signals.h"
#include "eagre/job_stamp.h"
#include "jobmanager/job_manager_server.h"

namespace eagre {
namespace {

Status ServeJobManager(const GlobalOptions& global) {
  ShutdownSignals signals;
  EAGRE_ASSIGN_OR_RETURN(const Configuration config, BeginDaemon(global, "jobmanager"));
  const std::string host = config.GetString("jobmanager.bind-host");
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<JobManagerServer> server,
                         JobManagerServer::Start(config, EAGRE_VERSION, [&signals] { signals.Wake(); }));
  EAGRE_ASSIGN_OR_RETURN(const std::unique_ptr<PrometheusEndpoint> metrics,
                         ServeMetrics(config, host, [&server = *server] { return server.CollectMetrics(); }));
  Announce(fmt::format("JobManager is listening on {}:{}", host, server->port()));
  signals.Wait();
  server->Stop();
  return server->replaced();
}

}  // namespace

void AddJobManagerCommand(Verb& eagre) {
  Verb verb = eagre.AddVerb("jobmanager", "Starts a JobManager, which takes jobs and schedules them");
  verb.Run([](const Invocation& invocation) {
    const Status served = ServeJobManager(invocation.global);
    return served.ok() ? 0 : ReportFailure("jobmanager", served);
  });
}

}  // namespace eagre
