#include "cli/prometheus_endpoint.h"

#include <httplib.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sched.h>
#include <sys/socket.h>

#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/executor.h"
#include "base/host_port.h"

namespace eagre {
namespace {

// A scrape takes a thread for its duration; whoever connects and says nothing takes one for the time-out.
constexpr size_t kScrapeThreads = 8;
constexpr int kScrapeTimeoutSeconds = 1;

// Makes families of the samples of one name, wherever they stand in the list, and one metric of a histogram's parts.
// Flink's reporter declares counters as gauges too; dashboards were made for that.
class Families {
 public:
  void Add(const MetricSample& sample) {
    switch (sample.kind) {
      case MetricKind::kCounter:
      case MetricKind::kGauge: {
        prometheus::ClientMetric metric{.label = LabelsOf(sample)};
        metric.gauge.value = sample.value;
        FamilyOf(sample, sample.name, prometheus::MetricType::Gauge).metric.push_back(std::move(metric));
        break;
      }
      case MetricKind::kSummaryQuantile:
        if (const std::optional<double> quantile = QuantileOf(sample)) {
          SummaryOf(sample, sample.name).quantile.push_back({.quantile = *quantile, .value = sample.value});
        }
        break;
      case MetricKind::kSummaryCount:
        SummaryOf(sample, WithoutSuffix(sample, kSummaryCountSuffix)).sample_count =
            static_cast<uint64_t>(sample.value);
        break;
      case MetricKind::kSummarySum:
        SummaryOf(sample, WithoutSuffix(sample, kSummarySumSuffix)).sample_sum = sample.value;
        break;
    }
  }
  std::string Render() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  static Labels LabelsOf(const MetricSample& sample) {
    Labels labels;
    for (const auto& [name, value] : sample.labels) {
      const bool is_quantile = sample.kind == MetricKind::kSummaryQuantile && name == kQuantileLabel;
      if (!is_quantile) labels.push_back({.name = name, .value = value});
    }
    return labels;
  }
  // Samples come from workers, which may be broken.
  static std::optional<double> QuantileOf(const MetricSample& sample) {
    for (const auto& [name, text] : sample.labels) {
      double quantile = 0;
      if (name != kQuantileLabel) continue;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantile);
      if (error == std::errc() && end == text.data() + text.size()) return quantile;
    }
    return std::nullopt;
  }
  static std::string_view WithoutSuffix(const MetricSample& sample, std::string_view suffix) {
    std::string_view name = sample.name;
    if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
    return name;
  }

  // As Flink words it, where whoever added the metric has said nothing.
  static std::string HelpOf(const MetricSample& sample, std::string_view name) {
    if (!sample.help.empty()) return sample.help;
    for (std::string_view scope : {"taskmanager_job_task_operator", "taskmanager_job_task", "taskmanager_job",
                                   "taskmanager", "jobmanager_job_operator", "jobmanager_job", "jobmanager"}) {
      const std::string prefix = fmt::format("flink_{}_", scope);
      if (name.starts_with(prefix)) return fmt::format("{} (scope: {})", name.substr(prefix.size()), scope);
    }
    return "";
  }

  prometheus::MetricFamily& FamilyOf(const MetricSample& sample, std::string_view name, prometheus::MetricType type) {
    const auto [at, added] = index_.emplace(name, families_.size());
    if (added)
      families_.push_back({.name = std::string(name), .help = HelpOf(sample, name), .type = type, .metric = {}});
    return families_[at->second];
  }
  prometheus::ClientMetric::Summary& SummaryOf(const MetricSample& sample, std::string_view name) {
    std::vector<prometheus::ClientMetric>& metrics = FamilyOf(sample, name, prometheus::MetricType::Summary).metric;
    const Labels labels = LabelsOf(sample);
    std::string identity(name);
    for (const auto& label : labels) identity += fmt::format("\n{}\n{}", label.name, label.value);
    const auto [at, added] = summaries_.emplace(std::move(identity), metrics.size());
    if (added) metrics.push_back({.label = labels});
    return metrics[at->second].summary;
  }

  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, size_t, std::less<>> index_;  // of families_, by name
  std::map<std::string, size_t> summaries_;           // of a family's metrics, by name and labels
};

std::string RenderSamples(const std::vector<MetricSample>& samples) {
  Families families;
  for (const MetricSample& sample : samples) families.Add(sample);
  return families.Render();
}

// The library's own default would let two daemons listen on one port and share the scrapes.
void AllowReuseOfClosedPorts(int socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

struct PrometheusEndpoint::Impl {
  httplib::Server server;
  ThreadExecutor thread{"metrics"};  // runs the server's accept loop
  int port = 0;

  bool Bind(const std::string& host, int wanted_port) {
    const int bound = wanted_port == 0 ? server.bind_to_any_port(host) : wanted_port;
    if (bound < 0 || (wanted_port != 0 && !server.bind_to_port(host, wanted_port))) return false;
    port = bound;
    return true;
  }
};

StatusOr<std::unique_ptr<PrometheusEndpoint>> PrometheusEndpoint::Listen(const std::string& host, PortRange ports,
                                                                         Source source) {
  for (int port = ports.first; port <= ports.last; ++port) {
    auto impl = std::make_unique<Impl>();
    httplib::Server& server = impl->server;
    server.set_socket_options(AllowReuseOfClosedPorts);
    server.new_task_queue = [] { return new httplib::ThreadPool(kScrapeThreads); };
    server.set_keep_alive_timeout(kScrapeTimeoutSeconds);
    server.set_read_timeout(kScrapeTimeoutSeconds);
    server.set_write_timeout(kScrapeTimeoutSeconds);
    if (!impl->Bind(NumericHost(host), port)) continue;
    const auto answer = [source = std::move(source)](const httplib::Request&, httplib::Response& response) {
      response.set_content(RenderSamples(source()), "text/plain; version=0.0.4; charset=utf-8");
    };
    server.Get("/metrics", answer);
    server.Get("/", answer);
    impl->thread.Post([&server] { server.listen_after_bind(); });
    return std::unique_ptr<PrometheusEndpoint>(new PrometheusEndpoint(std::move(impl)));
  }
  const std::string range = ports.first == ports.last ? fmt::format("port {} is", ports.first)
                                                      : fmt::format("ports {} to {} are", ports.first, ports.last);
  return Unavailable(
      "metrics cannot be served: {} in use, or '{}' is no address of this machine; set metrics.reporter.prom.port to a "
      "free port or range",
      range, host);
}

PrometheusEndpoint::PrometheusEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

PrometheusEndpoint::~PrometheusEndpoint() {
  // Stopping a server that has not begun to listen would be forgotten.
  while (!impl_->server.is_running()) sched_yield();
  impl_->server.stop();
  impl_->thread.Stop();
}

int PrometheusEndpoint::port() const {
  return impl_->port;
}

}  // namespace eagre
