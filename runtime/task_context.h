// The OperatorContext of a running task's operator.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/operator.h"
#include "runtime/slot.h"

namespace eagre {

// What the contexts of one task share.
struct TaskScope {
  std::string job_id;
  std::string job_name;
  std::string vertex_id;
  std::string vertex_name;
  int vertex = 0;
  int subtask = 0;
  int parallelism = 1;
  int max_parallelism = 128;
  int attempt = 0;
  std::vector<std::pair<std::string, std::string>> base_labels;  // host, tm_id
  const Configuration* config = nullptr;
  const Clock* clock = nullptr;
  MetricRegistry* metrics = nullptr;
  const std::map<std::string, std::string>* parameters = nullptr;
  AccumulatorSet accumulators;
  Slot* slot = nullptr;
  OverflowBudget overflow;
  bool checkpointing = false;
  bool restored = false;
  bool event_time_restarts = false;
  StateBackend* state_backend = nullptr;
  // To the coordinator of the operator at `node` of this vertex.
  std::function<void(int node, std::string event)> send_to_coordinator;

  MetricLabels TaskLabels() const;
};

class TaskOperatorContext final : public OperatorContext {
 public:
  // `scope` and `node`'s chain outlive the context.
  TaskOperatorContext(TaskScope& scope, int node, std::string operator_id, std::string operator_name);

  // Of a source, before it is opened.
  void set_isolation(std::unique_ptr<const SourceIsolation> isolation) { isolation_ = std::move(isolation); }

  // The chain is made of nodes that hold their contexts, so it is known only afterwards.
  void Attach(Chain& chain) { chain_ = &chain; }

  int subtask() const override { return scope_.subtask; }
  int parallelism() const override { return scope_.parallelism; }
  int max_parallelism() const override { return scope_.max_parallelism; }
  const std::string& job_id() const override { return scope_.job_id; }
  int attempt() const override { return scope_.attempt; }
  const std::string& job_name() const override { return scope_.job_name; }
  const std::string& operator_name() const override { return operator_name_; }
  const Configuration& config() const override { return *scope_.config; }
  const Clock& clock() const override { return *scope_.clock; }
  Output& output(int port) override { return *chain_->node(node_).ports[port].output; }
  int output_count() const override { return static_cast<int>(chain_->node(node_).ports.size()); }
  OperatorMetrics& metrics() override { return metrics_; }
  Gauge& AddGauge(const std::string& name) override;
  Counter& AddCounter(const std::string& name) override;
  bool checkpointing() const override { return scope_.checkpointing; }
  bool restored() const override { return scope_.restored; }
  bool event_time_restarts() const override { return scope_.event_time_restarts; }
  StateBackend* state_backend() override { return scope_.state_backend; }
  MetricScope metric_scope() const override;
  const SourceIsolation* isolation() const override { return isolation_.get(); }
  AccumulatorSet& accumulators() override { return scope_.accumulators; }
  const std::map<std::string, std::string>& parameters() const override { return *scope_.parameters; }
  void EmitEvent(const ControlEvent& event) override { chain_->QueueEvent(node_, event); }
  Waker& waker() override { return scope_.slot->waker(); }
  void Post(std::function<Status()> mail) override;
  void SendToCoordinator(std::string event) override { scope_.send_to_coordinator(node_, std::move(event)); }

 private:
  MetricLabels Labels() const;

  TaskScope& scope_;
  const int node_;
  const std::string operator_id_;
  const std::string operator_name_;
  Chain* chain_ = nullptr;
  std::unique_ptr<const SourceIsolation> isolation_;
  OperatorMetrics metrics_;
};

}  // namespace eagre
