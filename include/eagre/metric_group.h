// A function's own metrics, from the context of its Open:
//
//   Status Open(RuntimeContext& context) override {
//     rejected_ = &context.metrics().AddCounter("rejected");
//     amounts_ = &context.metrics().AddHistogram("amount");
//     by_card_ = &context.metrics().Group("card", "visa").AddMeter("payments");
//
// In Prometheus they are flink_taskmanager_job_task_operator_rejected, ..._amount{quantile="0.99"} with
// ..._amount_count, and ..._card_payments{card="visa"} per second, with the labels of the job, the task, the subtask
// and the operator.
#pragma once

#include <string>

#include "base/metrics.h"
#include "runtime/operator.h"

namespace eagre {

/// Where a metric belongs; a value. What it returns lives as long as the task and is for the function's own thread. The
/// same name in the same group is the same metric.
class MetricGroup {
 public:
  explicit MetricGroup(MetricScope scope) : scope_(std::move(scope)) {}

  Counter& AddCounter(const std::string& name) const {
    return scope_.registry->AddCounter(NameOf(name), scope_.labels);
  }
  Gauge& AddGauge(const std::string& name) const { return scope_.registry->AddGauge(NameOf(name), scope_.labels); }
  Meter& AddMeter(const std::string& name) const { return scope_.registry->AddMeter(NameOf(name), scope_.labels); }
  Histogram& AddHistogram(const std::string& name) const {
    return scope_.registry->AddHistogram(NameOf(name), scope_.labels);
  }

  /// A group within: its name comes before those of its metrics.
  MetricGroup Group(const std::string& name) const {
    MetricScope scope = scope_;
    scope.prefix += name + "_";
    return MetricGroup(std::move(scope));
  }
  /// The same, with a label that has the name.
  MetricGroup Group(const std::string& name, const std::string& value) const {
    MetricScope scope = Group(name).scope_;
    scope.labels.emplace_back(name, value);
    return MetricGroup(std::move(scope));
  }

 private:
  std::string NameOf(const std::string& name) const { return scope_.prefix + name; }

  MetricScope scope_;
};

}  // namespace eagre
