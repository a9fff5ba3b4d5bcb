// Pieces of the gRPC adapter: streams of messages to a client, and failures on their way out.
//
// gRPC calls the reactions on threads of its own, at most one at a time per stream; everything else may call from any
// thread. A stream keeps itself alive until gRPC is done with it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/status.h"

namespace eagre {

// The codes of both are the same numbers. The details say who answers: to a client UNAVAILABLE without them is a
// network or a process that is not there.
inline grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(StatusMessage(status)), "JobManager"};
}

// The server's side of a call whose answer takes its time. A call that is cancelled meanwhile, or whose server shuts
// down, is over at once; what comes later is dropped.
template <typename Reply>
class LateAnswer final : public grpc::ServerUnaryReactor {
 public:
  static std::shared_ptr<LateAnswer> New(Reply* reply) {
    std::shared_ptr<LateAnswer> answer(new LateAnswer(reply));
    answer->self_ = answer;
    return answer;
  }

  // Once, either of both.
  void Give(Reply reply) {
    std::lock_guard lock(mutex_);
    if (std::exchange(over_, true)) return;
    *reply_ = std::move(reply);
    this->Finish(grpc::Status::OK);
  }
  void Fail(const Status& status) { End(ToGrpc(status)); }

  void OnCancel() override { End(grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone")); }
  void OnDone() override { std::exchange(self_, nullptr); }

 private:
  explicit LateAnswer(Reply* reply) : reply_(reply) {}

  void End(const grpc::Status& status) {
    std::lock_guard lock(mutex_);
    if (!std::exchange(over_, true)) this->Finish(status);
  }

  Reply* const reply_;  // gRPC's, until the call is over
  std::mutex mutex_;
  bool over_ = false;
  std::shared_ptr<LateAnswer> self_;
};

// The server's side of a call that answers with a stream.
template <typename Message>
class WriteStream final : public grpc::ServerWriteReactor<Message>,
                          public std::enable_shared_from_this<WriteStream<Message>> {
 public:
  static std::shared_ptr<WriteStream> New() {
    std::shared_ptr<WriteStream> stream(new WriteStream());
    stream->self_ = stream;
    return stream;
  }

  // `on_gone` is called once, when the stream is over for whatever reason. Set before the first Offer.
  void SetOnGone(Closure on_gone) { on_gone_ = std::move(on_gone); }

  // Sends `message` after what was offered before. `written` is called when it was handed to the network or will never
  // be: the owner of the data waits for it, so that nothing piles up here.
  void Offer(Message message, Closure written) {
    {
      std::lock_guard lock(mutex_);
      if (!closing_ && !over_) {
        waiting_.push_back({std::move(message), std::move(written)});
        return WriteNext();
      }
    }
    written();
  }

  // Sends `message` in place of whatever still waits: for a state of which only the newest counts.
  void OfferLatest(Message message) {
    std::lock_guard lock(mutex_);
    if (closing_ || over_) return;
    waiting_.clear();
    waiting_.push_back({std::move(message), {}});
    WriteNext();
  }

  // Ends the stream with `status` after what was offered.
  void Close(const Status& status) {
    std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = ToGrpc(status);
    WriteNext();
  }

  // True when nobody reads any more.
  bool over() {
    std::lock_guard lock(mutex_);
    return over_;
  }

  void OnWriteDone(bool ok) override {
    Closure written;
    {
      std::lock_guard lock(mutex_);
      written = std::move(writing_->written);
      writing_.reset();
      if (!ok) over_ = true;
      WriteNext();
    }
    if (written) written();
  }

  void OnCancel() override {
    std::lock_guard lock(mutex_);
    over_ = true;
    WriteNext();
  }

  void OnDone() override {
    std::deque<Piece> dropped;
    {
      std::lock_guard lock(mutex_);
      over_ = true;
      dropped.swap(waiting_);
    }
    for (Piece& piece : dropped) {
      if (piece.written) piece.written();
    }
    if (on_gone_) on_gone_();
    self_.reset();  // the last line: this may be the last reference
  }

 private:
  struct Piece {
    Message message;
    Closure written;
  };

  WriteStream() = default;

  // Under the lock. Starts the next write, or finishes the call when there is nothing more to write.
  void WriteNext() {
    if (writing_ || finished_) return;
    if (!over_ && !waiting_.empty()) {
      writing_.emplace(std::move(waiting_.front()));
      waiting_.pop_front();
      this->StartWrite(&writing_->message);
    } else if (over_ || closing_) {
      finished_ = true;
      this->Finish(over_ ? grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone") : *closing_);
    }
  }

  std::mutex mutex_;
  std::deque<Piece> waiting_;
  std::optional<Piece> writing_;
  std::optional<grpc::Status> closing_;
  bool over_ = false;      // nobody reads any more
  bool finished_ = false;  // Finish was called
  Closure on_gone_;
  std::shared_ptr<WriteStream> self_;
};

}  // namespace eagre
