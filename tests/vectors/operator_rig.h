// A pattern's operator as a job has it, the sort before it included, driven step by step, stopped and restored.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cep/cep_core.h"
#include "eagre/cep/cep_function.h"
#include "eagre/operators/keyed_process_operator.h"
#include "eagre/testing/operator_harness.h"
#include "tests/vectors/vector_reader.h"

namespace eagre::vectors {

// What the functions of the operator make of a match or a time-out.
struct FoundMatch {
  std::vector<std::string> stages;  // of the events, one by one
  std::vector<VectorEvent> events;
  int64_t timestamp = 0;
  int64_t processing_time = 0;
};
EAGRE_RECORD(FoundMatch, stages, events, timestamp, processing_time);

struct RigOptions {
  bool processing_time = false;
  bool keyed = false;
  std::string key_field = "id";  // where keyed
  bool late_output = false;
  bool timeouts = false;
  std::function<bool(const VectorEvent&, const VectorEvent&)> less;
  std::vector<std::pair<std::string, std::string>> config;
  cep::CepSettings settings;
  std::function<std::unique_ptr<StateBackend>()> backend;  // null: all is in memory
};

class OperatorRig {
 public:
  struct Output {
    bool watermark = false;
    int64_t timestamp = 0;  // of the record, or the watermark
    FoundMatch match;
  };

  OperatorRig(std::shared_ptr<const cep::Automaton> automaton, RigOptions options, HarnessMode mode);

  Status Element(const TimedEvent& event);
  Status Watermark(int64_t watermark);
  Status ProcessingTime(int64_t now_ms);
  // New instances from a snapshot, with all keys or those of `keep`. They start without watermark.
  Status SnapshotAndRestore(const std::optional<std::set<std::string>>& keep);

  // Since the last call.
  std::vector<Output> TakeOutput();
  std::vector<Output> TakeTimeouts();
  std::vector<TimedEvent> TakeLate();

  // The key of an event as the calls below take it: numbers in their shortest form, "null" for none.
  std::string KeyOf(const VectorEvent& event) const;

  // Events of the key that wait for their time.
  size_t Buffered(const std::string& key);
  // Whether the key holds an event of a live or withheld match.
  bool HoldsPartials(const std::string& key);
  int64_t LateDropped();
  // Keys that hold anything.
  size_t KeyCount();
  // Pieces of the state of all keys.
  size_t PieceCount();
  double Metric(const std::string& name) { return pattern_->context().MetricValue(name); }

 private:
  using PatternOperator = KeyedProcessOperator<std::string, VectorEvent, FoundMatch,
                                               internal::CepFunction<std::string, VectorEvent, FoundMatch>>;

  Status Open();
  Status PushToSort(const TimedEvent& event);
  Status DrainSort();
  void Collect();
  // What there is in the keyed state of this name.
  CheckpointedState& StateNamed(std::string_view name);
  PatternOperator& op() { return pattern_->op<PatternOperator>(); }

  std::shared_ptr<const cep::Automaton> automaton_;
  const RigOptions options_;
  const HarnessMode mode_;
  std::unique_ptr<OperatorHarness> sort_;  // null in processing time
  std::unique_ptr<StateBackend> backend_;
  std::unique_ptr<OperatorHarness> pattern_;
  int64_t watermark_ = kNoTimestamp;
  std::vector<TimedEvent> held_;  // by the sort
  std::vector<Output> output_;
  std::vector<Output> timeouts_;
  std::vector<TimedEvent> late_;
};

}  // namespace eagre::vectors
