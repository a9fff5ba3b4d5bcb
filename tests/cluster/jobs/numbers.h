// The source of the test jobs: numbers counted up, at a given speed, written like any user's source.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eagre/eagre.h"

namespace eagre {

struct Number {
  int64_t value = 0;
};
EAGRE_RECORD(Number, value);

class NumberReader final : public SourceReader<Number> {
 public:
  NumberReader(int64_t count, int64_t per_second) : count_(count), per_second_(per_second) {}

  Status Start(SourceReaderContext& context) override {
    context_ = &context;
    start_ms_ = context.clock().NowMs();
    context.RequestSplit();
    return OkStatus();
  }
  Status AddSplits(std::vector<SourceSplit> splits) override {
    split_ = std::move(splits.at(0));
    reading_ = true;
    next_ = context_->subtask();
    return OkStatus();
  }
  Status NoMoreSplits() override {
    no_more_splits_ = true;
    return OkStatus();
  }
  void PauseSplits(const std::vector<std::string>&) override { paused_ = true; }
  void ResumeSplits(const std::vector<std::string>&) override { paused_ = false; }
  std::vector<SourceSplit> Snapshot() const override {
    return reading_ ? std::vector<SourceSplit>{split_} : std::vector<SourceSplit>{};
  }
  int64_t NextReadMs() const override {
    return reading_ && !paused_ && per_second_ > 0 ? context_->clock().NowMs() + 1 : kMaxWatermark;
  }

  StatusOr<ReadResult> Read(SplitOutput<Number>& out) override {
    if (!reading_) return no_more_splits_ ? ReadResult::kEnd : ReadResult::kNothingNow;
    if (paused_) return ReadResult::kNothingNow;
    out.BeginSplit(split_.id);
    const int64_t due = per_second_ == 0 ? std::numeric_limits<int64_t>::max()
                                         : (context_->clock().NowMs() - start_ms_) * per_second_ / 1000 + 1;
    while (next_ < count_ && emitted_ < due && !out.full()) {
      out.Next(next_).value = next_;
      next_ += context_->parallelism();
      ++emitted_;
    }
    if (next_ < count_) return emitted_ < due ? ReadResult::kMore : ReadResult::kNothingNow;
    out.FinishSplit();
    reading_ = false;
    context_->RequestSplit();
    return ReadResult::kMore;
  }

 private:
  const int64_t count_;
  const int64_t per_second_;
  SourceReaderContext* context_ = nullptr;
  SourceSplit split_;
  int64_t start_ms_ = 0;
  int64_t next_ = 0;
  int64_t emitted_ = 0;
  bool reading_ = false;  // split_ is not read to its end yet
  bool paused_ = false;
  bool no_more_splits_ = false;
};

// One split for each reader.
class NumberEnumerator final : public SplitEnumerator {
 public:
  // These jobs take no checkpoints.
  Status Restore(std::string_view) override { return Unimplemented("numbers cannot be restored"); }
  Status Start(Context& context) override {
    context_ = &context;
    given_.assign(context.parallelism(), false);
    return OkStatus();
  }
  Status OnSplitRequest(int subtask) override {
    if (given_[subtask]) {
      context_->SignalNoMoreSplits(subtask);
    } else {
      given_[subtask] = true;
      context_->AssignSplits(subtask, {{.id = "numbers-" + std::to_string(subtask), .state = ""}});
    }
    return OkStatus();
  }
  Status AddSplitsBack(int subtask, std::vector<SourceSplit>) override {
    given_[subtask] = false;
    return OkStatus();
  }
  std::string Snapshot() const override { return ""; }

 private:
  Context* context_ = nullptr;
  std::vector<bool> given_;
};

// 0 to count - 1, each reader at most `per_second` (0: as fast as it goes). The number is also the event time.
class Numbers final : public Source<Number> {
 public:
  explicit Numbers(int64_t count, int64_t per_second = 0) : count_(count), per_second_(per_second) {}
  static Numbers Endless(int64_t per_second) { return Numbers(std::numeric_limits<int64_t>::max() / 2, per_second); }

  std::string Name() const override { return "Numbers"; }
  StatusOr<std::unique_ptr<SplitEnumerator>> CreateEnumerator() const override {
    return std::make_unique<NumberEnumerator>();
  }
  StatusOr<std::unique_ptr<SourceReader<Number>>> CreateReader() const override {
    return std::make_unique<NumberReader>(count_, per_second_);
  }

 private:
  int64_t count_;
  int64_t per_second_;
};

}  // namespace eagre
