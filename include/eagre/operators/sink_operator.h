// The operator of a sink: hands batches to the writer, and commits when a checkpoint is complete, or else at the end of
// the input.
#pragma once

#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eagre/sink.h"
#include "runtime/operator.h"

namespace eagre {

template <typename T>
class SinkOperator final : public Operator {
 public:
  explicit SinkOperator(std::shared_ptr<const Sink<T>> sink) : sink_(std::move(sink)) {}

  Status Open(OperatorContext& context) override {
    EAGRE_RETURN_IF_ERROR(Operator::Open(context));
    records_sent_ = &context.AddCounter("numRecordsSend");
    EAGRE_ASSIGN_OR_RETURN(writer_, sink_->CreateWriter());
    EAGRE_ASSIGN_OR_RETURN(committer_, sink_->CreateCommitter());
    sink_context_.emplace(context);
    EAGRE_RETURN_IF_ERROR(writer_->Open(*sink_context_));
    transactions_ = writer_->transactions();
    return OkStatus();
  }

  Status Process(int, std::unique_ptr<Batch>& batch, size_t& position) override {
    const size_t before = position;
    EAGRE_RETURN_IF_ERROR(writer_->Write(static_cast<const TypedBatch<T>&>(*batch), position));
    records_sent_->Add(static_cast<int64_t>(position - before));
    if (next_flush_ms_ == kMaxWatermark) next_flush_ms_ = context_->clock().NowMs() + kFlushIntervalMs;
    return OkStatus();
  }
  bool blocked() const override { return writer_->blocked(); }
  bool overtakable() const override { return writer_->blocked(); }

  Status OnProcessingTime(int64_t now_ms, bool& done) override {
    done = true;
    if (now_ms < next_flush_ms_) return OkStatus();
    bool flushed = true;
    EAGRE_RETURN_IF_ERROR(writer_->Flush(/*before_commit=*/false, flushed));
    next_flush_ms_ = flushed ? kMaxWatermark : now_ms + kFlushIntervalMs;
    return OkStatus();
  }
  int64_t NextProcessingTimeMs() const override { return next_flush_ms_; }

  Status OnEndOfInput(bool& done) override {
    done = true;
    EAGRE_RETURN_IF_ERROR(writer_->Flush(/*before_commit=*/true, done));
    if (!done || transactions_ != nullptr) return OkStatus();
    EAGRE_RETURN_IF_ERROR(Prepare());
    return context_->checkpointing() ? OkStatus() : Commit(std::exchange(prepared_, {}));
  }

  // What a checkpoint seals is committed once it is complete, and again by whoever is restored from it.
  void CollectStates(std::vector<CheckpointedState*>& states) override {
    states.push_back(transactions_ != nullptr ? &transactions_->state() : &committables_);
  }
  Status Begin() override {
    if (transactions_ != nullptr) return transactions_->Begin();
    if (committer_ == nullptr && !restored_.empty()) {
      return FailedPrecondition(
          "the sink that the checkpoint is of had output to commit ({} parts), and this one commits nothing: go on "
          "with "
          "that sink, or give this one another Uid() and drop what is stored by --allowNonRestoredState",
          restored_.size());
    }
    return Commit(std::exchange(restored_, {}));
  }
  Status OnBarrier(int64_t checkpoint_id, bool& done) override {
    done = true;
    EAGRE_RETURN_IF_ERROR(writer_->Flush(/*before_commit=*/true, done));
    if (!done) return OkStatus();
    if (transactions_ != nullptr) return transactions_->Seal(checkpoint_id);
    EAGRE_RETURN_IF_ERROR(Prepare());
    if (!prepared_.empty()) sealed_.push_back({checkpoint_id, std::exchange(prepared_, {})});
    return OkStatus();
  }
  Status OnCheckpointComplete(int64_t checkpoint_id) override {
    if (transactions_ != nullptr) return transactions_->OnCheckpointComplete(checkpoint_id);
    while (!sealed_.empty() && sealed_.front().checkpoint_id <= checkpoint_id) {
      EAGRE_RETURN_IF_ERROR(Commit(sealed_.front().committables));
      sealed_.pop_front();
    }
    return OkStatus();
  }
  bool awaits_commit() const override {
    return transactions_ != nullptr ? transactions_->awaits_commit() : !prepared_.empty() || !sealed_.empty();
  }
  bool committing() const override { return transactions_ != nullptr && transactions_->committing(); }

  Status Close(bool failed) override {
    if (writer_ == nullptr) return OkStatus();
    // The state of its transactions is asked for until the operator goes.
    if (transactions_ != nullptr) return writer_->Close(failed);
    return std::exchange(writer_, nullptr)->Close(failed);
  }

 private:
  static constexpr int64_t kFlushIntervalMs = 1000;
  struct Sealed {
    int64_t checkpoint_id;
    std::vector<Committable> committables;
  };

  Status Prepare() {
    EAGRE_ASSIGN_OR_RETURN(std::vector<Committable> committables, writer_->PrepareCommit());
    if (committer_ == nullptr) return OkStatus();
    std::move(committables.begin(), committables.end(), std::back_inserter(prepared_));
    return OkStatus();
  }
  Status Commit(const std::vector<Committable>& committables) {
    if (committables.empty() || committer_ == nullptr) return OkStatus();
    return committer_->Commit(committables);
  }
  void EncodeSealed(StateEntryWriter& out) const {
    for (const Sealed& sealed : sealed_) {
      for (const Committable& committable : sealed.committables) {
        out.BeginKey(0).Fixed(sealed.checkpoint_id);
        out.BeginValue().Raw(committable);
        out.End();
      }
    }
  }

  const std::shared_ptr<const Sink<T>> sink_;
  std::optional<SinkContext> sink_context_;
  std::unique_ptr<SinkWriter<T>> writer_;
  std::unique_ptr<Committer> committer_;
  SinkTransactions* transactions_ = nullptr;  // the writer's, if it has any
  std::vector<Committable> prepared_;         // for the next checkpoint
  std::deque<Sealed> sealed_;                 // in checkpoints that are not known to be complete
  std::vector<Committable> restored_;
  WholeState committables_{kCommittablesStateName,
                           StateDistribution::kSplit,
                           "committable",
                           {.encode = [this](StateEntryWriter& out) { EncodeSealed(out); },
                            .restore =
                                [this](const StateEntry& entry) {
                                  restored_.emplace_back(entry.value);
                                  return OkStatus();
                                },
                            .before_acknowledge = [this]() -> std::function<Status()> {
                              return writer_ == nullptr ? nullptr : writer_->TakeSync();
                            }}};
  Counter* records_sent_ = nullptr;
  int64_t next_flush_ms_ = kMaxWatermark;
};

/// For StreamNode::create_operator.
template <typename T>
std::unique_ptr<Operator> MakeSinkOperator(std::shared_ptr<const Sink<T>> sink) {
  return std::make_unique<SinkOperator<T>>(std::move(sink));
}

}  // namespace eagre
