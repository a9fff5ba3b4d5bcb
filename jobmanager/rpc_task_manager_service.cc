#include "jobmanager/rpc_task_manager_service.h"

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/link.h"
#include "base/link_inbox.h"
#include "base/logging.h"
#include "jobmanager/rpc_streams.h"

namespace eagre {
namespace {

// A TaskManager that does not read for so long that this much waits for it is given up.
constexpr size_t kMaxBacklogBytes = size_t{64} << 20;
// How long a stream that this side closed may take to send what is left.
constexpr int64_t kCloseTimeoutMs = 2'000;
constexpr size_t kArtifactPieceBytes = size_t{512} << 10;

// The control stream of one TaskManager. Keeps itself until gRPC is done with it.
class ControlStream final
    : public grpc::ServerBidiReactor<proto::TaskManagerToJobManager, proto::JobManagerToTaskManager>,
      public std::enable_shared_from_this<ControlStream> {
 public:
  ControlStream(grpc::CallbackServerContext* context, Executor& executor)
      : context_(context), executor_(executor), inbox_(LinkInbox::New()) {}

  void Open() { self_ = shared_from_this(); }

  void StartLink(Executor& executor, LinkHandlers handlers) {
    inbox_->Start(executor, std::move(handlers));
    ReadNext();
  }

  void Send(const std::string& bytes) {
    std::lock_guard lock(mutex_);
    if (closing_ || over_) return;
    outgoing_.emplace_back();
    if (!outgoing_.back().ParseFromString(bytes)) {
      EAGRE_LOG_ERROR("a message to a TaskManager cannot be parsed and is dropped");
      return outgoing_.pop_back();
    }
    backlog_bytes_ += bytes.size();
    if (backlog_bytes_ > kMaxBacklogBytes) {
      EAGRE_LOG_WARN("a TaskManager does not read: {} bytes wait for it", backlog_bytes_);
      return context_->TryCancel();
    }
    WriteNext();
  }

  void Close() {
    inbox_->Detach();
    std::lock_guard lock(mutex_);
    closing_ = true;
    WriteNext();
    if (finished_) return;
    // A peer that does not read must not keep the stream.
    executor_.PostAfter(kCloseTimeoutMs, [stream = weak_from_this()] {
      if (auto self = stream.lock()) self->Abort();
    });
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      inbox_->PeerClosed(context_->IsCancelled() ? Unavailable("its process or the network is gone") : OkStatus());
      std::lock_guard lock(mutex_);
      closing_ = true;
      return WriteNext();
    }
    inbox_->Deliver(incoming_.SerializeAsString());
    // The next message is read when this one was handled, so at most one waits in memory.
    executor_.Post([self = shared_from_this()] { self->ReadNext(); });
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    backlog_bytes_ -= std::min(backlog_bytes_, outgoing_.front().ByteSizeLong());
    outgoing_.pop_front();
    if (!ok) over_ = true;
    WriteNext();
  }

  void OnCancel() override {
    inbox_->PeerClosed(Unavailable("its process or the network is gone"));
    std::lock_guard lock(mutex_);
    over_ = true;
    WriteNext();
  }

  void OnDone() override {
    {
      std::lock_guard lock(mutex_);
      over_ = true;
      done_ = true;
    }
    inbox_->PeerClosed(OkStatus());
    self_.reset();  // the last line: this may be the last reference
  }

 private:
  void ReadNext() {
    std::lock_guard lock(mutex_);
    if (!finished_) StartRead(&incoming_);
  }

  void Abort() {
    std::lock_guard lock(mutex_);
    if (!done_) context_->TryCancel();
  }

  // Under the lock.
  void WriteNext() {
    if (writing_ || finished_) return;
    if (!over_ && !outgoing_.empty()) {
      writing_ = true;
      StartWrite(&outgoing_.front());
    } else if (over_ || closing_) {
      finished_ = true;
      Finish(over_ ? grpc::Status(grpc::StatusCode::CANCELLED, "the stream is over") : grpc::Status::OK);
    }
  }

  grpc::CallbackServerContext* const context_;  // valid until OnDone
  Executor& executor_;
  const std::shared_ptr<LinkInbox> inbox_;
  proto::TaskManagerToJobManager incoming_;
  std::mutex mutex_;
  std::deque<proto::JobManagerToTaskManager> outgoing_;  // the first one is being written while writing_
  size_t backlog_bytes_ = 0;
  bool writing_ = false;
  bool closing_ = false;   // ends in order when everything is written
  bool over_ = false;      // nobody reads any more
  bool finished_ = false;  // Finish was called
  bool done_ = false;
  std::shared_ptr<ControlStream> self_;
};

class ControlLink final : public Link {
 public:
  explicit ControlLink(std::shared_ptr<ControlStream> stream) : stream_(std::move(stream)) {}
  ~ControlLink() override { Close(); }
  void Start(Executor& executor, LinkHandlers handlers) override { stream_->StartLink(executor, std::move(handlers)); }
  void Send(std::string message) override { stream_->Send(message); }
  void Close() override { stream_->Close(); }

 private:
  const std::shared_ptr<ControlStream> stream_;
};

// Sends a library piece by piece; the next one is read from disk when the last was taken.
void SendPieces(const std::shared_ptr<WriteStream<proto::ArtifactPart>>& stream,
                const std::shared_ptr<const StoredArtifact>& artifact, const std::shared_ptr<ReadableFile>& file,
                int64_t offset) {
  proto::ArtifactPart part;
  part.mutable_data()->resize(kArtifactPieceBytes);
  const StatusOr<size_t> bytes = file->ReadAt(offset, part.mutable_data()->data(), kArtifactPieceBytes);
  if (!bytes.ok()) return stream->Close(bytes.status());
  if (*bytes == 0) return stream->Close(OkStatus());
  part.mutable_data()->resize(*bytes);
  const int64_t next = offset + static_cast<int64_t>(*bytes);
  stream->Offer(std::move(part), [stream, artifact, file, next] {
    if (!stream->over()) SendPieces(stream, artifact, file, next);
  });
}

// Logs that a TaskManager pushes for a client. Keeps itself until gRPC is done with it.
class PushLogsCall final : public grpc::ServerReadReactor<proto::LogPart>,
                           public std::enable_shared_from_this<PushLogsCall> {
 public:
  PushLogsCall(Executor& executor, JobManager& job_manager) : executor_(executor), job_manager_(job_manager) {}

  void Open() {
    self_ = shared_from_this();
    StartRead(&part_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      if (!request_id_.empty()) {
        // The TaskManager went away in the middle: the client's stream goes on with the next one.
        proto::LogPart end;
        end.set_request_id(request_id_);
        end.set_last(true);
        executor_.Post([self = shared_from_this(), end] { self->job_manager_.OnLogPart(end, [](Status) {}); });
      }
      return FinishOnce(grpc::Status::OK);
    }
    request_id_ = part_.last() ? "" : part_.request_id();
    {
      std::lock_guard lock(mutex_);
      reading_ = false;
    }
    executor_.Post([self = shared_from_this()] {
      self->job_manager_.OnLogPart(self->part_, [self](Status status) { self->OnConsumed(status); });
    });
  }

  void OnCancel() override {
    {
      std::lock_guard lock(mutex_);
      if (reading_) return;  // the read fails
    }
    FinishOnce(grpc::Status(grpc::StatusCode::CANCELLED, "the TaskManager is gone"));
  }

  void OnDone() override { self_.reset(); }

 private:
  void OnConsumed(const Status& status) {
    if (!status.ok()) return FinishOnce(ToGrpc(status));
    std::lock_guard lock(mutex_);
    if (finished_) return;
    reading_ = true;
    StartRead(&part_);
  }

  void FinishOnce(const grpc::Status& status) {
    std::lock_guard lock(mutex_);
    if (!std::exchange(finished_, true)) Finish(status);
  }

  Executor& executor_;
  JobManager& job_manager_;
  proto::LogPart part_;
  std::string request_id_;  // whose last part has not come yet
  std::mutex mutex_;
  bool reading_ = true;
  bool finished_ = false;
  std::shared_ptr<PushLogsCall> self_;
};

}  // namespace

grpc::ServerBidiReactor<proto::TaskManagerToJobManager, proto::JobManagerToTaskManager>* RpcTaskManagerService::Connect(
    grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<ControlStream>(context, executor_);
  stream->Open();
  // No `this`: the server may be gone when it runs, the JobManager is not.
  executor_.Post([&job_manager = job_manager_, link = std::make_unique<ControlLink>(stream)]() mutable {
    job_manager.OnTaskManagerConnected(std::move(link));
  });
  return stream.get();
}

grpc::ServerWriteReactor<proto::ArtifactPart>* RpcTaskManagerService::FetchArtifact(
    grpc::CallbackServerContext*, const proto::FetchArtifactRequest* request) {
  auto stream = WriteStream<proto::ArtifactPart>::New();
  const std::shared_ptr<const StoredArtifact> artifact = artifacts_.Find(request->digest());
  if (artifact == nullptr) {
    stream->Close(NotFound("no job uses a library with the digest {} any more", request->digest()));
    return stream.get();
  }
  auto file = files_.OpenForRead(artifact->path);
  if (!file.ok()) {
    stream->Close(file.status());
    return stream.get();
  }
  SendPieces(stream, artifact, *std::move(file), 0);
  return stream.get();
}

grpc::ServerReadReactor<proto::LogPart>* RpcTaskManagerService::PushLogs(grpc::CallbackServerContext*,
                                                                         proto::PushLogsReply*) {
  auto call = std::make_shared<PushLogsCall>(executor_, job_manager_);
  call->Open();
  return call.get();
}

}  // namespace eagre
