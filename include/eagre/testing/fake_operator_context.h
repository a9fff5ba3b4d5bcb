// The OperatorContext of a test: virtual clock, and everything the operator does outwards is recorded.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/config.h"
#include "base/metrics.h"
#include "record/field_access.h"
#include "record/record.h"
#include "runtime/operator.h"

namespace eagre {

// A record with its event time.
template <typename T>
struct Stamped {
  T value{};
  int64_t timestamp = kNoTimestamp;

  friend bool operator==(const Stamped& a, const Stamped& b) {
    return a.timestamp == b.timestamp && RecordEquals(a.value, b.value);
  }
  friend void PrintTo(const Stamped& stamped, std::ostream* out) {
    *out << PrintRecord(stamped.value) << " @ " << stamped.timestamp;
  }
};

// A record or an event at an output port.
template <typename T>
struct Emitted {
  bool event = false;
  ControlEvent::Kind kind = ControlEvent::Kind::kWatermark;
  T value{};
  int64_t timestamp = kNoTimestamp;  // of the record, or the event's value
  bool keyed = false;
  uint64_t hash = 0;
};

class ManualClock final : public Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  int64_t MonotonicNs() const override { return now_ms * 1'000'000; }
  int64_t now_ms = 0;
};

// One thread; lives longer than the operator's last call.
class FakeOperatorContext : public OperatorContext {
 public:
  FakeOperatorContext() {
    budget_.owner = "operator 'test' (subtask 0 of 'test')";
    metrics_ = {&AddCounter("numRecordsIn"), &AddCounter("numRecordsOut"), &AddCounter("numLateRecordsDropped"),
                &AddCounter("numRecordsSkipped")};
  }

  int subtask() const override { return subtask_; }
  int parallelism() const override { return parallelism_; }
  int max_parallelism() const override { return 128; }
  const std::string& job_id() const override { return job_id_; }
  int attempt() const override { return attempt_; }
  const std::string& job_name() const override { return job_name_; }
  const std::string& operator_name() const override { return operator_name_; }
  const Configuration& config() const override { return config_; }
  const Clock& clock() const override { return clock_; }
  Output& output(int port) override { return ports_.at(port)->output; }
  int output_count() const override { return static_cast<int>(ports_.size()); }
  OperatorMetrics& metrics() override { return metrics_; }
  Gauge& AddGauge(const std::string& name) override { return registry_.AddGauge(name, {}); }
  Counter& AddCounter(const std::string& name) override { return registry_.AddCounter(name, {}); }
  StateBackend* state_backend() override { return state_backend_; }
  MetricScope metric_scope() const override { return {&registry_, "", {}}; }
  AccumulatorSet& accumulators() override { return accumulators_; }
  const std::map<std::string, std::string>& parameters() const override { return parameters_; }
  void EmitEvent(const ControlEvent& event) override { emitted_events_.push_back(event); }
  Waker& waker() override { return waker_; }
  void Post(std::function<Status()> mail) override { mail_.push_back(std::move(mail)); }
  void SendToCoordinator(std::string event) override { coordinator_messages.push_back(std::move(event)); }

  Configuration& mutable_config() { return config_; }
  std::map<std::string, std::string>& mutable_parameters() { return parameters_; }
  ManualClock& manual_clock() { return clock_; }
  OverflowBudget& overflow() { return budget_; }
  void set_subtask(int subtask, int parallelism) {
    subtask_ = subtask;
    parallelism_ = parallelism;
  }
  // Outlives the operator.
  void set_state_backend(StateBackend* backend) { state_backend_ = backend; }
  void set_attempt(int attempt) { attempt_ = attempt; }
  // The value of a counter or gauge, -1 when the operator has none of that name.
  double MetricValue(const std::string& name) const {
    for (const MetricSample& sample : registry_.Collect()) {
      if (sample.name == name) return sample.value;
    }
    return -1;
  }
  int wakes() const { return waker_.wakes; }

  std::vector<std::string> coordinator_messages;

  // ---- for the harness ----
  template <typename T>
  void AddPort() {
    ports_.push_back(std::make_unique<TypedPort<T>>(budget_));
  }
  size_t port_count() const { return ports_.size(); }
  // Fills every output with records that do not count, until there is room for `room`.
  void FillOutputs(size_t room) {
    for (auto& port : ports_) port->Fill(room);
  }
  // Takes what the outputs hold, then the events emitted behind it. True when there was anything.
  bool Collect() {
    bool any = !emitted_events_.empty();
    for (auto& port : ports_) any |= port->Collect();
    for (const ControlEvent& event : std::exchange(emitted_events_, {})) LogEvent(event);
    return any;
  }
  void LogEvent(const ControlEvent& event) {
    for (auto& port : ports_) port->Log(event);
  }
  template <typename T>
  std::vector<Emitted<T>> TakeAll(int port) {
    return std::exchange(static_cast<TypedPort<T>&>(*ports_.at(port)).log, {});
  }
  Status RunMail() {
    while (!mail_.empty()) {
      std::function<Status()> mail = std::move(mail_.front());
      mail_.pop_front();
      EAGRE_RETURN_IF_ERROR(mail());
    }
    return OkStatus();
  }

 private:
  class CountingWaker final : public Waker {
   public:
    void Wake() override { ++wakes; }
    int wakes = 0;
  };

  struct Port {
    Port(const BatchType& type, OverflowBudget& budget) : output(type, budget) {}
    virtual ~Port() = default;
    virtual void Fill(size_t room) = 0;
    virtual bool Collect() = 0;
    virtual void Log(const ControlEvent& event) = 0;
    Output output;
    size_t filler = 0;  // records at the front of the output that do not count
  };

  template <typename T>
  struct TypedPort final : Port {
    explicit TypedPort(OverflowBudget& budget) : Port(TypedBatch<T>::Type(), budget) {}

    void Fill(size_t room) override {
      auto& batch = static_cast<TypedBatch<T>&>(output.batch());
      while (batch.size() + room < output.type().capacity) {
        batch.Append(0) = T{};
        ++filler;
      }
    }

    bool Collect() override {
      bool any = false;
      while (std::unique_ptr<Batch>* front = output.Front()) {
        const auto& batch = static_cast<const TypedBatch<T>&>(**front);
        for (size_t i = std::exchange(filler, 0); i < batch.size(); ++i) {
          log.push_back({false, ControlEvent::Kind::kWatermark, batch.records()[i], batch.timestamps()[i],
                         batch.keyed(), batch.keyed() ? batch.hashes()[i] : 0});
          any = true;
        }
        output.PopFront();
      }
      return any;
    }

    void Log(const ControlEvent& event) override { log.push_back({true, event.kind, T{}, event.value}); }

    std::vector<Emitted<T>> log;
  };

  const std::string job_id_ = "0123456789abcdef0123456789abcdef";
  const std::string job_name_ = "test job";
  int attempt_ = 0;
  const std::string operator_name_ = "test";
  int subtask_ = 0;
  int parallelism_ = 1;
  StateBackend* state_backend_ = nullptr;
  Configuration config_;
  ManualClock clock_;
  AccumulatorSet accumulators_;
  std::map<std::string, std::string> parameters_;
  OverflowBudget budget_;
  mutable MetricRegistry registry_;
  OperatorMetrics metrics_;
  CountingWaker waker_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<ControlEvent> emitted_events_;
  std::deque<std::function<Status()>> mail_;
};

}  // namespace eagre
