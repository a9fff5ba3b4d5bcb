#include "cli/daemon.h"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

#include "base/daemon_options.h"
#include "base/file_system.h"
#include "base/logging.h"
#include "cli/settings.h"

namespace eagre {
namespace {

constexpr const char* kMetricsPortKey = "metrics.reporter.prom.port";
// Ports that are tried beyond the default one when none is configured.
constexpr int kMoreMetricsPorts = 20;

}  // namespace

StatusOr<Configuration> BeginDaemon(const GlobalOptions& global, const std::string& daemon) {
  EAGRE_ASSIGN_OR_RETURN(const Configuration config, LoadConfig(global));
  EAGRE_RETURN_IF_ERROR(CheckDaemonOptions(config));
  LogOptions log;
  log.daemon = daemon;
  EAGRE_ASSIGN_OR_RETURN(log.level, ParseLogLevel(config.GetString("env.log.level")));
  const std::string directory = config.GetString("env.log.dir");
  if (!directory.empty()) log.file = JoinPath(directory, fmt::format("eagre-{}-{}.log", daemon, getpid()));
  EAGRE_RETURN_IF_ERROR(InitLogging(log));
  return config;
}

StatusOr<std::unique_ptr<PrometheusEndpoint>> ServeMetrics(const Configuration& config, const std::string& host,
                                                           PrometheusEndpoint::Source source) {
  PortRange ports = config.GetPortRange(kMetricsPortKey);
  if (!config.IsSet(kMetricsPortKey)) ports.last += kMoreMetricsPorts;
  EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<PrometheusEndpoint> endpoint,
                         PrometheusEndpoint::Listen(host, ports, std::move(source)));
  Announce(fmt::format("Metrics are served at http://{}:{}/metrics", host, endpoint->port()));
  return endpoint;
}

void Announce(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

}  // namespace eagre
