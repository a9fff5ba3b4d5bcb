// Tests a function without a cluster: with its state, timers, watermarks, side outputs and metrics.
//
//   TEST_P(CountTest, ReportsAUserWhenAMinuteIsOver) {
//     auto harness = KeyedProcessHarness<Payment>(CountPerUser(), &Payment::user, GetParam());
//     harness.ReadSideOutput(kRejected);
//     ASSERT_TRUE(harness.Push({"ann", 5}, 1000).ok());
//     ASSERT_TRUE(harness.Watermark(60'000).ok());
//     EXPECT_THAT(harness.Take(), ElementsAre("ann 1"));
//
// Snapshot and Restore test what a function keeps over a restart, also at another parallelism.
//
// What a function emits must not depend on how its input is cut into batches or on when its outputs are full: run the
// test with every HarnessMode of kAllHarnessModes (operator_harness.h shows how). The header needs no test framework; a
// failure of the function, a thrown one too, is a Status with what a job would show as its root cause.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "eagre/operators/broadcast_operator.h"
#include "eagre/operators/co_operator.h"
#include "eagre/operators/keyed_co_process_operator.h"
#include "eagre/operators/keyed_process_operator.h"
#include "eagre/operators/map_operator.h"
#include "eagre/operators/process_operator.h"
#include "eagre/testing/operator_harness.h"

namespace eagre {

/// Runs one subtask of a function from In1 (and In2, for functions of two streams) to Out. One thread. The function is
/// opened by the first call that needs it, or by Open; processing time stands at 0 until ProcessingTime moves it.
template <typename Out, typename In1, typename In2 = In1>
class FunctionHarness {
 public:
  using OperatorFactory = std::function<std::unique_ptr<Operator>(std::vector<std::string> side_outputs)>;

  FunctionHarness(OperatorFactory create, HarnessMode mode) : create_(std::move(create)), mode_(mode) {}

  /// Has the function's side output kept for TakeSideOutput; others are dropped, as in a job. Before Open.
  template <typename X>
  void ReadSideOutput(const OutputTag<X>& tag) {
    tags_.push_back(tag.name);
    add_ports_.push_back([](OperatorHarness& harness) { harness.AddPort<X>(); });
  }
  /// Which subtask of how many the function is. Before Open.
  void SetSubtask(int subtask, int parallelism) {
    subtask_ = subtask;
    parallelism_ = parallelism;
  }
  /// A parameter of the job. Before Open.
  void SetParameter(const std::string& name, std::string value) { parameters_[name] = std::move(value); }
  /// A configuration key, as -D sets it. Before Open.
  Status Set(std::string_view key, std::string_view value) { return config_.Set(key, value, "the test"); }

  Status Open() {
    if (harness_ != nullptr) return OkStatus();
    harness_ = std::make_unique<OperatorHarness>(mode_, create_(tags_));
    harness_->context().set_subtask(subtask_, parallelism_);
    harness_->context().mutable_config() = config_;
    harness_->context().mutable_parameters() = parameters_;
    harness_->template AddPort<Out>();
    for (const auto& add_port : add_ports_) add_port(*harness_);
    return harness_->Open(restore_from_);
  }
  /// The states of the function as a checkpoint has them now.
  StatusOr<HarnessSnapshot> Snapshot() {
    EAGRE_RETURN_IF_ERROR(Open());
    return harness_->Snapshot(++checkpoint_id_);
  }
  /// The last snapshot's checkpoint is complete.
  Status NotifyCheckpointComplete() { return harness_->NotifyCheckpointComplete(checkpoint_id_); }
  /// Has the function begin with what all subtasks had stored, of whatever parallelism that was. Before Open.
  void Restore(std::vector<HarnessSnapshot> snapshots) { restore_from_ = std::move(snapshots); }
  /// After the last record; `failed` as if the job had.
  Status Close(bool failed = false) {
    EAGRE_RETURN_IF_ERROR(Open());
    return harness_->Close(failed);
  }

  /// Hands the function a record with its event time.
  Status Push(In1 record, int64_t timestamp_ms = kNoTimestamp) { return PushAll({{std::move(record), timestamp_ms}}); }
  Status PushAll(const std::vector<Stamped<In1>>& records) {
    EAGRE_RETURN_IF_ERROR(Open());
    return harness_->Push(records, 0);
  }
  /// A record of the second stream.
  Status PushSecond(In2 record, int64_t timestamp_ms = kNoTimestamp) {
    return PushAllSecond({{std::move(record), timestamp_ms}});
  }
  Status PushAllSecond(const std::vector<Stamped<In2>>& records) {
    EAGRE_RETURN_IF_ERROR(Open());
    return harness_->Push(records, 1);
  }
  /// Event time moves on: timers up to the watermark fire. Time never goes back.
  Status Watermark(int64_t watermark_ms) {
    EAGRE_RETURN_IF_ERROR(Open());
    return harness_->Watermark(watermark_ms);
  }
  /// The clock moves on: processing-time timers up to it fire.
  Status ProcessingTime(int64_t now_ms) {
    EAGRE_RETURN_IF_ERROR(Open());
    return harness_->ProcessingTime(now_ms);
  }
  /// The input ends: the watermark after everything, then the end.
  Status EndOfInput() {
    EAGRE_RETURN_IF_ERROR(Watermark(kMaxWatermark));
    return harness_->EndOfInput();
  }

  /// What was emitted since the last call, in order.
  std::vector<Out> Take() { return ValuesOf(TakeStamped()); }
  /// The same with timestamps.
  std::vector<Stamped<Out>> TakeStamped() {
    return harness_ == nullptr ? std::vector<Stamped<Out>>() : harness_->template Take<Out>(0);
  }
  template <typename X>
  std::vector<X> TakeSideOutput(const OutputTag<X>& tag) {
    for (size_t i = 0; i < tags_.size(); ++i) {
      if (tags_[i] == tag.name && harness_ != nullptr)
        return ValuesOf(harness_->template Take<X>(1 + static_cast<int>(i)));
    }
    return {};
  }

  /// Keys that have state, and timers that wait.
  int64_t KeysWithState() { return static_cast<int64_t>(MetricValue("keyedStateKeys")); }
  int64_t Timers() { return static_cast<int64_t>(MetricValue("timers")); }
  /// The value of a counter or gauge of the function's, -1 when it has none of that name.
  double MetricValue(const std::string& name) {
    return harness_ == nullptr ? -1 : harness_->context().MetricValue(name);
  }
  /// The value of an accumulator as in a job's result, empty when there is none of that name.
  std::string AccumulatorText(const std::string& name) {
    return harness_ == nullptr ? "" : harness_->context().accumulators().Text(name);
  }

 private:
  template <typename X>
  static std::vector<X> ValuesOf(std::vector<Stamped<X>> records) {
    std::vector<X> values;
    for (Stamped<X>& record : records) values.push_back(std::move(record.value));
    return values;
  }

  const OperatorFactory create_;
  const HarnessMode mode_;
  Configuration config_;
  std::map<std::string, std::string> parameters_;
  int subtask_ = 0;
  int parallelism_ = 1;
  std::vector<HarnessSnapshot> restore_from_;
  int64_t checkpoint_id_ = 0;
  std::vector<std::string> tags_;
  std::vector<std::function<void(OperatorHarness&)>> add_ports_;
  std::unique_ptr<OperatorHarness> harness_;
};

/// What DataStream::Map takes.
template <typename In, typename F>
auto MapHarness(F function, HarnessMode mode = HarnessMode::kBatches) {
  using Out = MapResult<F, In>;
  return FunctionHarness<Out, In>([function](std::vector<std::string>) { return MakeMapOperator<In, Out>(function); },
                                  mode);
}
/// What DataStream::Filter takes.
template <typename In, typename F>
auto FilterHarness(F function, HarnessMode mode = HarnessMode::kBatches) {
  return FunctionHarness<In, In>([function](std::vector<std::string>) { return MakeFilterOperator<In>(function); },
                                 mode);
}
/// What DataStream::FlatMap takes.
template <typename In, typename F>
auto FlatMapHarness(F function, HarnessMode mode = HarnessMode::kBatches) {
  using Out = CollectorOutputOf<F>;
  return FunctionHarness<Out, In>(
      [function](std::vector<std::string>) { return MakeFlatMapOperator<In, Out>(function); }, mode);
}
/// What DataStream::Process takes.
template <typename In, typename F>
auto ProcessHarness(F function, HarnessMode mode = HarnessMode::kBatches) {
  using Out = CollectorOutputOf<F>;
  return FunctionHarness<Out, In>(
      [function](std::vector<std::string> tags) { return MakeProcessOperator<In, Out>(function, std::move(tags)); },
      mode);
}
/// What KeyedStream::Process takes, and the selector that KeyBy takes.
template <typename In, typename F, typename Selector>
auto KeyedProcessHarness(F function, Selector selector, HarnessMode mode = HarnessMode::kBatches) {
  using Out = CollectorOutputOf<F>;
  using K = std::remove_cvref_t<std::invoke_result_t<Selector&, const In&>>;
  return FunctionHarness<Out, In>(
      [function, selector](std::vector<std::string> tags) {
        return MakeKeyedProcessOperator<K, In, Out>(
            function, std::make_unique<SelectorKeyExtractor<In, K, Selector>>(selector), std::move(tags));
      },
      mode);
}
/// A CoMapFunction, CoFlatMapFunction or CoProcessFunction.
template <typename In1, typename In2, typename F>
auto CoHarness(F function, HarnessMode mode = HarnessMode::kBatches) {
  using Out = typename F::Output;
  return FunctionHarness<Out, In1, In2>(
      [function](std::vector<std::string> tags) { return MakeCoOperator<In1, In2, Out>(function, std::move(tags)); },
      mode);
}
/// A KeyedCoProcessFunction, and the selectors of both streams.
template <typename In1, typename In2, typename F, typename Selector1, typename Selector2>
auto KeyedCoProcessHarness(F function, Selector1 first, Selector2 second, HarnessMode mode = HarnessMode::kBatches) {
  using Out = typename F::Output;
  using K = typename F::Key;
  return FunctionHarness<Out, In1, In2>(
      [function, first, second](std::vector<std::string> tags) {
        return MakeKeyedCoProcessOperator<K, In1, In2, Out>(
            function, std::make_unique<SelectorKeyExtractor<In1, K, Selector1>>(first),
            std::make_unique<SelectorKeyExtractor<In2, K, Selector2>>(second), std::move(tags));
      },
      mode);
}
/// A BroadcastProcessFunction; PushSecond hands it a record of the broadcast stream.
template <typename In, typename Broadcast, typename F>
auto BroadcastProcessHarness(F function, HarnessMode mode = HarnessMode::kBatches) {
  using Out = typename F::Output;
  return FunctionHarness<Out, In, Broadcast>(
      [function](std::vector<std::string> tags) {
        return MakeBroadcastProcessOperator<In, Broadcast, Out>(function, std::move(tags));
      },
      mode);
}
/// A KeyedBroadcastProcessFunction, and the selector of the keyed stream.
template <typename In, typename Broadcast, typename F, typename Selector>
auto KeyedBroadcastProcessHarness(F function, Selector selector, HarnessMode mode = HarnessMode::kBatches) {
  using Out = typename F::Output;
  using K = typename F::Key;
  return FunctionHarness<Out, In, Broadcast>(
      [function, selector](std::vector<std::string> tags) {
        return MakeKeyedBroadcastProcessOperator<K, In, Broadcast, Out>(
            function, std::make_unique<SelectorKeyExtractor<In, K, Selector>>(selector), std::move(tags));
      },
      mode);
}

}  // namespace eagre
