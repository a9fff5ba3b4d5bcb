// Runs a source without a cluster: its coordinator and all of its readers in one thread, with the messages between them
// delivered when the test says so.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "eagre/operators/source_operator.h"
#include "eagre/testing/operator_harness.h"

namespace eagre {

template <typename T>
class SourceHarness {
 public:
  template <typename S>
  SourceHarness(S source, WatermarkStrategy<T> strategy, int parallelism, std::vector<std::string> side_outputs = {})
      : source_(std::make_shared<S>(std::move(source))),
        strategy_(std::move(strategy)),
        side_outputs_(std::move(side_outputs)),
        coordinator_context_(*this, parallelism),
        ended_(parallelism, false) {}

  Configuration& config() { return config_; }
  ManualClock& clock() { return clock_; }

  // `add_side_ports` adds the ports of the side outputs to a reader's harness.
  Status Open(const std::function<void(OperatorHarness&)>& add_side_ports = nullptr) {
    coordinator_ = MakeSourceCoordinator<T>(source_, strategy_.settings());
    EAGRE_RETURN_IF_ERROR(coordinator_->Start(coordinator_context_));
    for (int i = 0; i < parallelism(); ++i) {
      readers_.push_back(std::make_unique<OperatorHarness>(
          HarnessMode::kBatches, MakeSourceOperator<T>(source_, strategy_, Poison::kFail, side_outputs_)));
      OperatorHarness& reader = *readers_.back();
      reader.context().set_subtask(i, parallelism());
      reader.context().mutable_config() = config_;
      reader.template AddPort<T>();
      if (add_side_ports) add_side_ports(reader);
      EAGRE_RETURN_IF_ERROR(reader.Open());
      logs_.emplace_back();
    }
    return DeliverMessages();
  }

  int parallelism() const { return coordinator_context_.parallelism(); }
  OperatorHarness& reader(int subtask) { return *readers_[subtask]; }
  bool ended(int subtask) const { return ended_[subtask]; }
  bool all_ended() const {
    for (const bool ended : ended_) {
      if (!ended) return false;
    }
    return true;
  }

  // Delivers what is on its way, and what that causes, until nothing is.
  Status DeliverMessages() {
    for (bool any = true; any;) {
      any = false;
      for (int i = 0; i < static_cast<int>(readers_.size()); ++i) {
        for (const std::string& message : std::exchange(readers_[i]->context().coordinator_messages, {})) {
          any = true;
          EAGRE_RETURN_IF_ERROR(coordinator_->OnEvent(i, message));
        }
      }
      for (auto& [subtask, message] : std::exchange(to_subtasks_, {})) {
        any = true;
        EAGRE_RETURN_IF_ERROR(readers_[subtask]->CoordinatorEvent(message));
      }
    }
    return OkStatus();
  }

  // One call of a reader and the messages it causes. What it emitted goes to log().
  StatusOr<SourceOperator::Produced> Step(int subtask) {
    if (ended_[subtask]) return SourceOperator::Produced::kEnd;
    EAGRE_ASSIGN_OR_RETURN(const SourceOperator::Produced produced, readers_[subtask]->Produce());
    ended_[subtask] = produced == SourceOperator::Produced::kEnd;
    Log(subtask);
    EAGRE_RETURN_IF_ERROR(DeliverMessages());
    return produced;
  }
  // Lets time pass on all clocks and runs what the coordinator posted and the readers' timers.
  Status ProcessingTime(int64_t now_ms) {
    while (!posted_.empty() && posted_.begin()->first <= now_ms) {
      clock_.now_ms = posted_.begin()->first;
      const std::function<Status()> mail = std::move(posted_.begin()->second);
      posted_.erase(posted_.begin());
      EAGRE_RETURN_IF_ERROR(mail());
    }
    clock_.now_ms = now_ms;
    for (int i = 0; i < parallelism(); ++i) {
      if (!ended_[i]) EAGRE_RETURN_IF_ERROR(readers_[i]->ProcessingTime(now_ms));
      Log(i);
    }
    return DeliverMessages();
  }
  // Readers take turns, at random with a seed, until all have ended. Fails when none makes progress.
  Status RunToEnd(uint64_t seed = 0) {
    SeededRandom random(seed);
    int without_progress = 0;
    while (!all_ended()) {
      const int subtask = static_cast<int>(random.Below(static_cast<uint64_t>(parallelism())));
      const bool had_ended = ended_[subtask];
      EAGRE_ASSIGN_OR_RETURN(const SourceOperator::Produced produced, Step(subtask));
      const bool progress = produced == SourceOperator::Produced::kMore || (ended_[subtask] && !had_ended);
      without_progress = progress ? 0 : without_progress + 1;
      if (without_progress > 100 * parallelism()) return Internal("no reader makes progress");
    }
    return OkStatus();
  }

  // Records and events of one reader in order, since the start.
  const std::vector<Emitted<T>>& log(int subtask) const { return logs_[subtask]; }
  std::vector<T> Records(int subtask) const {
    std::vector<T> records;
    for (const Emitted<T>& item : logs_[subtask]) {
      if (!item.event) records.push_back(item.value);
    }
    return records;
  }
  std::vector<T> AllRecords() const {
    std::vector<T> records;
    for (int i = 0; i < parallelism(); ++i) {
      for (T& record : Records(i)) records.push_back(std::move(record));
    }
    return records;
  }
  // The reader's last watermark; kNoTimestamp before the first.
  int64_t Watermark(int subtask) const {
    int64_t watermark = kNoTimestamp;
    for (const Emitted<T>& item : logs_[subtask]) {
      if (item.event && item.kind == ControlEvent::Kind::kWatermark) watermark = item.timestamp;
    }
    return watermark;
  }

 private:
  class CoordinatorContext final : public OperatorCoordinator::Context {
   public:
    CoordinatorContext(SourceHarness& harness, int parallelism) : harness_(harness), parallelism_(parallelism) {}
    int parallelism() const override { return parallelism_; }
    const Configuration& config() const override { return harness_.config_; }
    const Clock& clock() const override { return harness_.clock_; }
    void SendToSubtask(int subtask, std::string event) override {
      harness_.to_subtasks_.emplace_back(subtask, std::move(event));
    }
    void PostAfter(int64_t delay_ms, std::function<Status()> mail) override {
      harness_.posted_.emplace(harness_.clock_.now_ms + delay_ms, std::move(mail));
    }

   private:
    SourceHarness& harness_;
    const int parallelism_;
  };

  void Log(int subtask) {
    for (Emitted<T>& item : readers_[subtask]->template TakeAll<T>()) logs_[subtask].push_back(std::move(item));
  }

  Configuration config_;
  ManualClock clock_;
  const std::shared_ptr<const Source<T>> source_;
  const WatermarkStrategy<T> strategy_;
  const std::vector<std::string> side_outputs_;
  CoordinatorContext coordinator_context_;
  std::unique_ptr<OperatorCoordinator> coordinator_;
  std::vector<std::unique_ptr<OperatorHarness>> readers_;
  std::vector<bool> ended_;
  std::vector<std::pair<int, std::string>> to_subtasks_;
  std::multimap<int64_t, std::function<Status()>> posted_;  // by when it is due
  std::vector<std::vector<Emitted<T>>> logs_;
};

}  // namespace eagre
