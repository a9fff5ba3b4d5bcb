// A sink that takes nothing for spells, as one does whose receiver is slow, in front of another sink.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <eagre/eagre.h>

namespace eagre {

// When it pauses. One for all writers of a process.
class SinkPauses {
 public:
  virtual ~SinkPauses() = default;
  // Of so many records, how many are taken before the next pause; all of them: there is none.
  virtual size_t RecordsBeforePause(size_t records) = 0;
  // Calls `wake` when the pause is over, on the one thread that there is in a simulation.
  virtual void Pause(std::function<void()> wake) = 0;
};

template <typename T>
class PausingSink final : public Sink<T> {
 public:
  PausingSink(std::shared_ptr<Sink<T>> sink, std::shared_ptr<SinkPauses> pauses)
      : sink_(std::move(sink)), pauses_(std::move(pauses)) {}

  std::string Name() const override { return sink_->Name(); }
  StatusOr<std::unique_ptr<SinkWriter<T>>> CreateWriter() const override {
    EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<SinkWriter<T>> writer, sink_->CreateWriter());
    return std::make_unique<Writer>(std::move(writer), pauses_);
  }
  StatusOr<std::unique_ptr<Committer>> CreateCommitter() const override { return sink_->CreateCommitter(); }

 private:
  class Writer final : public SinkWriter<T> {
   public:
    Writer(std::unique_ptr<SinkWriter<T>> writer, std::shared_ptr<SinkPauses> pauses)
        : writer_(std::move(writer)), pauses_(std::move(pauses)) {}
    ~Writer() override { state_->context = nullptr; }

    Status Open(SinkContext& context) override {
      state_->context = &context;
      return writer_->Open(context);
    }
    Status Write(const TypedBatch<T>& batch, size_t& position) override {
      const size_t left = batch.size() - position;
      const size_t taken = pauses_->RecordsBeforePause(left);
      if (taken >= left) return writer_->Write(batch, position);
      TypedBatch<T> part;
      for (size_t i = position; i < position + taken; ++i) part.Append(batch.timestamps()[i]) = batch[i];
      size_t written = 0;
      if (taken > 0) EAGRE_RETURN_IF_ERROR(writer_->Write(part, written));
      position += written;
      state_->paused = true;
      pauses_->Pause([state = state_] {
        state->paused = false;
        if (state->context != nullptr) state->context->Wake();
      });
      return OkStatus();
    }
    bool blocked() const override { return state_->paused || writer_->blocked(); }
    Status Flush(bool before_commit, bool& done) override { return writer_->Flush(before_commit, done); }
    StatusOr<std::vector<Committable>> PrepareCommit() override { return writer_->PrepareCommit(); }
    std::function<Status()> TakeSync() override { return writer_->TakeSync(); }
    SinkTransactions* transactions() override { return writer_->transactions(); }
    Status Close(bool failed) override { return writer_->Close(failed); }

   private:
    // Outlives the writer, for whoever ends the pause.
    struct State {
      SinkContext* context = nullptr;  // null: the writer is gone
      bool paused = false;
    };
    const std::unique_ptr<SinkWriter<T>> writer_;
    const std::shared_ptr<SinkPauses> pauses_;
    const std::shared_ptr<State> state_ = std::make_shared<State>();
  };

  const std::shared_ptr<Sink<T>> sink_;
  const std::shared_ptr<SinkPauses> pauses_;
};

}  // namespace eagre
