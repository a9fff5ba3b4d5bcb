// What the daemons have in common: configuration, log, metrics for Prometheus, and a life that ends by a signal.
#pragma once

#include <memory>
#include <string>

#include "base/config.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/prometheus_endpoint.h"

namespace eagre {

// Loads the configuration and opens the log, whose lines and file carry `daemon` ("jobmanager").
StatusOr<Configuration> BeginDaemon(const GlobalOptions& global, const std::string& daemon);

// Serves `source` on metrics.reporter.prom.port and says so on standard output. Where the port is not configured, the
// first free one from 9249 on is taken, so that the daemons of a test cluster share a machine; a configured port that
// is taken is a failure.
StatusOr<std::unique_ptr<PrometheusEndpoint>> ServeMetrics(const Configuration& config, const std::string& host,
                                                           PrometheusEndpoint::Source source);

// A line on standard output at once, for users and for scripts that wait for it.
void Announce(const std::string& line);

}  // namespace eagre
