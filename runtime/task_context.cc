#include "runtime/task_context.h"

#include <fmt/format.h>

#include <utility>

namespace eagre {
namespace {

constexpr char kOperatorScope[] = "flink_taskmanager_job_task_operator_";

}  // namespace

MetricLabels TaskScope::TaskLabels() const {
  MetricLabels labels = base_labels;
  labels.insert(labels.end(), {{"job_id", job_id},
                               {"job_name", job_name},
                               {"task_id", vertex_id},
                               {"task_name", vertex_name},
                               {"task_attempt_id", fmt::format("{}_{}_{}_{}", job_id, vertex_id, subtask, attempt)},
                               {"task_attempt_num", std::to_string(attempt)},
                               {"subtask_index", std::to_string(subtask)}});
  return labels;
}

TaskOperatorContext::TaskOperatorContext(TaskScope& scope, int node, std::string operator_id, std::string operator_name)
    : scope_(scope), node_(node), operator_id_(std::move(operator_id)), operator_name_(std::move(operator_name)) {
  metrics_.records_in = &AddCounter("numRecordsIn");
  metrics_.records_out = &AddCounter("numRecordsOut");
  metrics_.late_records_dropped = &AddCounter("numLateRecordsDropped");
  metrics_.records_skipped = &AddCounter("numRecordsInErrors");
  metrics_.input_watermark = &AddGauge("currentInputWatermark");
  metrics_.input_watermark->Set(static_cast<double>(kNoTimestamp));
  const MetricLabels labels = Labels();
  const auto add_rate = [&](const Counter& counter, const char* name) {
    scope_.metrics->AddRate(counter, std::string(kOperatorScope) + name, labels);
  };
  add_rate(*metrics_.records_in, "numRecordsInPerSecond");
  add_rate(*metrics_.records_out, "numRecordsOutPerSecond");
}

MetricLabels TaskOperatorContext::Labels() const {
  MetricLabels labels = scope_.TaskLabels();
  labels.insert(labels.end(), {{"operator_id", operator_id_}, {"operator_name", operator_name_}});
  return labels;
}

Gauge& TaskOperatorContext::AddGauge(const std::string& name) {
  return scope_.metrics->AddGauge(kOperatorScope + name, Labels());
}

Counter& TaskOperatorContext::AddCounter(const std::string& name) {
  return scope_.metrics->AddCounter(kOperatorScope + name, Labels());
}

MetricScope TaskOperatorContext::metric_scope() const {
  return {scope_.metrics, kOperatorScope, Labels()};
}

void TaskOperatorContext::Post(std::function<Status()> mail) {
  scope_.slot->Post([chain = chain_, node = node_, mail = std::move(mail)] { return chain->RunMail(node, mail); },
                    scope_.vertex);
}

}  // namespace eagre
