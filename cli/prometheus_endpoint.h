// The daemons' metrics for Prometheus, at http://<host>:<port>/metrics, as Flink's Prometheus reporter shows them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"

namespace eagre {

// Serves scrapes with threads of its own from construction to destruction.
class PrometheusEndpoint {
 public:
  // Takes a snapshot of all metrics; called by several threads at once and outlives the endpoint.
  using Source = std::function<std::vector<MetricSample>()>;

  // Listens on the first port of the range that is free, so that daemons on one host find a port each; port 0 takes
  // any. Fails when none is free.
  static StatusOr<std::unique_ptr<PrometheusEndpoint>> Listen(const std::string& host, PortRange ports, Source source);
  ~PrometheusEndpoint();
  PrometheusEndpoint(const PrometheusEndpoint&) = delete;
  PrometheusEndpoint& operator=(const PrometheusEndpoint&) = delete;

  int port() const;

 private:
  struct Impl;
  explicit PrometheusEndpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace eagre
