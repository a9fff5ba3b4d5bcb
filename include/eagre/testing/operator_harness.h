// Drives one operator without a chain, a slot or a thread, in several modes from the same test.
//
// What an operator emits must not depend on how its input is cut into batches or on when its outputs are full, so a
// test of an operator is written once and run in every HarnessMode with the same expected output:
//
//   class UpperCaseTest : public testing::TestWithParam<HarnessMode> {};
//   INSTANTIATE_TEST_SUITE_P(Modes, UpperCaseTest, testing::ValuesIn(kAllHarnessModes), HarnessModeName);
//   TEST_P(UpperCaseTest, ...) {
//     OperatorHarness harness(GetParam(), std::make_unique<UpperCase>());
//     harness.AddPort<std::string>();
//     ASSERT_TRUE(harness.Open().ok());
//     ASSERT_TRUE(harness.Push<std::string>({{"a", 1}, {"b", 2}}).ok());
//     EXPECT_THAT(harness.Take<std::string>(), ElementsAre(...));
#pragma once

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eagre/testing/fake_operator_context.h"
#include "eagre/testing/harness_snapshot.h"
#include "record/record.h"
#include "runtime/operator.h"

namespace eagre {

enum class HarnessMode {
  kRecordByRecord,  // every record is a batch of its own
  kBatches,         // whole batches, outputs empty at each call
  kTightOutput,     // whole batches; an output has room for one record, at every other call for none
};
inline constexpr HarnessMode kAllHarnessModes[] = {HarnessMode::kRecordByRecord, HarnessMode::kBatches,
                                                   HarnessMode::kTightOutput};

// For INSTANTIATE_TEST_SUITE_P.
inline constexpr auto HarnessModeName = [](const auto& info) -> std::string {
  switch (info.param) {
    case HarnessMode::kRecordByRecord: return "RecordByRecord";
    case HarnessMode::kBatches: return "Batches";
    case HarnessMode::kTightOutput: return "TightOutput";
  }
  return "";
};

// Owns the operator. All failures of the operator, thrown ones too, come back as Status. One thread.
class OperatorHarness {
 public:
  OperatorHarness(HarnessMode mode, std::unique_ptr<Operator> op) : mode_(mode), op_(std::move(op)) {}

  FakeOperatorContext& context() { return context_; }
  template <typename Op>
  Op& op() {
    return static_cast<Op&>(*op_);
  }

  // Output ports in their order; before Open.
  template <typename T>
  void AddPort() {
    context_.AddPort<T>();
  }
  // Makes the input keyed: runs over each batch before the operator sees it.
  void SetHasher(std::unique_ptr<BatchKeyHasher> hasher) { hasher_ = std::move(hasher); }

  // `restore_from`: what all subtasks had stored; none: the operator begins without state.
  Status Open(const std::vector<HarnessSnapshot>& restore_from = {}) {
    return Guard([&]() -> Status {
      EAGRE_RETURN_IF_ERROR(op_->Open(context_));
      if (!restore_from.empty()) {
        EAGRE_RETURN_IF_ERROR(
            states().Restore(restore_from, context_.subtask(), context_.parallelism(), context_.max_parallelism()));
      }
      return op_->Begin();
    });
  }
  // A checkpoint: what the operator has emitted before is not part of it.
  StatusOr<HarnessSnapshot> Snapshot(int64_t checkpoint_id) {
    EAGRE_RETURN_IF_ERROR(UntilDone([&](bool& done) { return op_->OnBarrier(checkpoint_id, done); }));
    HarnessSnapshot snapshot;
    EAGRE_RETURN_IF_ERROR(Guard([&] {
      snapshot = states().Take();
      return OkStatus();
    }));
    return snapshot;
  }
  Status Close(bool failed = false) {
    return Guard([&] { return op_->Close(failed); });
  }

  template <typename T>
  Status Push(const std::vector<Stamped<T>>& records, int input = 0) {
    const size_t limit = mode_ == HarnessMode::kRecordByRecord ? 1 : TypedBatch<T>::Type().capacity;
    std::unique_ptr<Batch> batch = TypedBatch<T>::Type().create();
    for (size_t i = 0; i < records.size(); i += limit) {
      batch->Clear();
      for (size_t j = i; j < std::min(records.size(), i + limit); ++j) {
        static_cast<TypedBatch<T>&>(*batch).Append(records[j].timestamp) = records[j].value;
      }
      EAGRE_RETURN_IF_ERROR(PushBatch(batch, input));
    }
    return OkStatus();
  }

  // Lets the operator consume the batch, which is then empty or what the operator gave for it.
  Status PushBatch(std::unique_ptr<Batch>& batch, int input = 0) {
    if (hasher_ != nullptr) hasher_->Hash(*batch);
    size_t position = 0;
    while (position < batch->size()) {
      const size_t before = position;
      const size_t size_before = batch->size();
      PrepareOutputs();
      EAGRE_RETURN_IF_ERROR(Guard([&] { return op_->Process(input, batch, position); }));
      const bool emitted = context_.Collect();
      if (position == before && batch->size() == size_before && !emitted && !outputs_were_full_) {
        return Internal("the operator neither consumed its input nor emitted");
      }
    }
    return OkStatus();
  }

  // Like the chain, passes the watermark on when the operator does not keep it.
  Status Watermark(int64_t watermark) {
    EAGRE_RETURN_IF_ERROR(UntilDone([&](bool& done) { return op_->OnWatermark(watermark, done); }));
    if (op_->forwards_watermarks()) context_.LogEvent({ControlEvent::Kind::kWatermark, watermark});
    return OkStatus();
  }
  // Sets the clock, then lets the timers run that are due.
  Status ProcessingTime(int64_t now_ms) {
    context_.manual_clock().now_ms = now_ms;
    return UntilDone([&](bool& done) { return op_->OnProcessingTime(now_ms, done); });
  }
  Status EndOfInput() {
    return UntilDone([&](bool& done) { return op_->OnEndOfInput(done); });
  }
  Status CoordinatorEvent(std::string_view event) {
    return Guard([&] { return op_->OnCoordinatorEvent(event); });
  }
  Status NotifyCheckpointComplete(int64_t checkpoint_id) {
    return Guard([&] { return op_->OnCheckpointComplete(checkpoint_id); });
  }
  // What was posted with OperatorContext::Post.
  Status RunMail() {
    return Guard([&] { return context_.RunMail(); });
  }
  // One call of a source.
  StatusOr<SourceOperator::Produced> Produce() {
    PrepareOutputs();
    StatusOr<SourceOperator::Produced> produced = SourceOperator::Produced::kEnd;
    EAGRE_RETURN_IF_ERROR(Guard([&] {
      produced = static_cast<SourceOperator&>(*op_).Produce();
      return produced.status();
    }));
    context_.Collect();
    return produced;
  }

  // What was emitted at `port` since the last Take, in order, without the events in between.
  template <typename T>
  std::vector<Stamped<T>> Take(int port = 0) {
    std::vector<Stamped<T>> records;
    for (Emitted<T>& item : TakeAll<T>(port)) {
      if (!item.event) records.push_back({std::move(item.value), item.timestamp});
    }
    return records;
  }
  // With the watermarks and other events where they stood.
  template <typename T>
  std::vector<Emitted<T>> TakeAll(int port = 0) {
    return context_.TakeAll<T>(port);
  }

 private:
  HarnessStates& states() {
    if (states_ == nullptr) states_ = std::make_unique<HarnessStates>(*op_);
    return *states_;
  }

  template <typename Call>
  Status Guard(Call&& call) {
    try {
      return call();
    } catch (const OverflowError& error) {
      return ResourceExhausted("{}", error.what());
    } catch (const std::exception& error) {
      return Internal("{}", error.what());
    }
  }

  template <typename Call>
  Status UntilDone(Call&& call) {
    bool done = false;
    while (!done) {
      PrepareOutputs();
      done = false;
      EAGRE_RETURN_IF_ERROR(Guard([&] { return call(done); }));
      const bool emitted = context_.Collect();
      if (!done && !emitted && !outputs_were_full_) return Internal("the operator is not done, but emitted nothing");
    }
    return OkStatus();
  }

  void PrepareOutputs() {
    if (mode_ != HarnessMode::kTightOutput) return;
    outputs_were_full_ = context_.port_count() > 0 && !outputs_were_full_;
    context_.FillOutputs(outputs_were_full_ ? 0 : 1);
  }

  const HarnessMode mode_;
  FakeOperatorContext context_;
  std::unique_ptr<Operator> op_;
  std::unique_ptr<HarnessStates> states_;  // collected once, as the runtime does
  std::unique_ptr<BatchKeyHasher> hasher_;
  bool outputs_were_full_ = false;
};

}  // namespace eagre
