#include "taskmanager/rpc_client.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/host_port.h"
#include "base/link_inbox.h"
#include "base/logging.h"
#include "proto/client.grpc.pb.h"

namespace eagre {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;
// A JobManager that does not read for so long that this much waits for it is treated as lost.
constexpr size_t kMaxBacklogBytes = size_t{64} << 20;
constexpr size_t kLogPieceBytes = 256 * 1024;
constexpr std::chrono::minutes kPushTimeout{5};

using Stub = proto::TaskManagerService::Stub;

// A gRPC failure in our terms. OK is what a server says that ended the call in order.
Status FromGrpc(const grpc::Status& status, const std::string& address) {
  if (status.ok()) return OkStatus();
  return MakeStatus(static_cast<absl::StatusCode>(status.error_code()),
                    fmt::format("JobManager {}: {}", address, status.error_message()));
}

// The calls that gRPC still works on, so that all can be cancelled and waited for. It also destroys them: with a call
// goes a reference to its channel, and the last one must not go on a thread of gRPC's, which would then wait for
// itself.
class CallRegistry {
 public:
  void Add(grpc::ClientContext* context) {
    std::lock_guard lock(mutex_);
    calls_.insert(context);
    if (stopping_) context->TryCancel();
  }
  void Remove(grpc::ClientContext* context) {
    std::lock_guard lock(mutex_);
    calls_.erase(context);
    changed_.notify_all();
  }
  // The same from a reaction of the call itself, which may be destroyed at once, so this is its last line.
  void Retire(grpc::ClientContext* context, std::shared_ptr<void> call) {
    std::lock_guard lock(mutex_);
    calls_.erase(context);
    retired_.push_back(std::move(call));
    changed_.notify_all();
  }
  // Not on a thread of gRPC's.
  void DestroyRetired() {
    std::vector<std::shared_ptr<void>> retired;
    std::lock_guard lock(mutex_);
    retired.swap(retired_);
  }
  void CancelAllAndWait() {
    {
      std::unique_lock lock(mutex_);
      stopping_ = true;
      for (grpc::ClientContext* context : calls_) context->TryCancel();
      changed_.wait(lock, [this] { return calls_.empty(); });
    }
    DestroyRetired();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<grpc::ClientContext*> calls_;
  std::vector<std::shared_ptr<void>> retired_;
  bool stopping_ = false;
};

// One stream to the JobManager. Lives until gRPC says that it is done with it, whatever becomes of the link.
class ControlStream final
    : public grpc::ClientBidiReactor<proto::TaskManagerToJobManager, proto::JobManagerToTaskManager>,
      public std::enable_shared_from_this<ControlStream> {
 public:
  ControlStream(std::shared_ptr<Stub> stub, std::string address, std::shared_ptr<CallRegistry> calls)
      : stub_(std::move(stub)), address_(std::move(address)), calls_(std::move(calls)), inbox_(LinkInbox::New()) {}

  void Open() {
    self_ = shared_from_this();
    calls_->Add(&context_);
    stub_->async()->Connect(&context_, this);
    // Held until Close or the end, because writes are started from outside of the reactions.
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }

  LinkInbox& inbox() { return *inbox_; }

  void Send(const std::string& bytes) {
    proto::TaskManagerToJobManager message;
    if (!message.ParseFromString(bytes)) return Break(Internal("a message to the JobManager cannot be parsed"));
    std::lock_guard lock(mutex_);
    if (closing_ || broken_) return;
    backlog_bytes_ += bytes.size();
    outgoing_.push_back(std::move(message));
    if (backlog_bytes_ > kMaxBacklogBytes) {
      reason_ = ResourceExhausted("JobManager {} does not read: {} bytes wait for it", address_, backlog_bytes_);
      return BreakLocked();
    }
    if (!writing_) WriteNext();
  }

  // What was sent goes out first; then the JobManager ends the call.
  void Close() {
    inbox_->Detach();
    std::lock_guard lock(mutex_);
    if (closing_ || broken_) return;
    closing_ = true;
    if (!writing_) WriteNext();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      // The call is over; OnDone brings the JobManager's reason, which a cancellation could replace.
      std::lock_guard lock(mutex_);
      broken_ = true;
      return Release();
    }
    inbox_->Deliver(incoming_.SerializeAsString());
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) return BreakLocked();
    backlog_bytes_ -= std::min(backlog_bytes_, outgoing_.front().ByteSizeLong());
    outgoing_.pop_front();
    if (!broken_) WriteNext();
  }

  void OnDone(const grpc::Status& status) override {
    Status reason;
    {
      std::lock_guard lock(mutex_);
      broken_ = true;
      reason = reason_.ok() ? FromGrpc(status, address_) : reason_;
    }
    inbox_->PeerClosed(reason);
    std::shared_ptr<CallRegistry> calls = calls_;
    calls->Retire(&context_, std::move(self_));
  }

 private:
  void Break(Status reason) {
    std::lock_guard lock(mutex_);
    reason_ = std::move(reason);
    BreakLocked();
  }

  // No more writes begin; OnDone follows.
  void BreakLocked() {
    if (std::exchange(broken_, true)) return;
    context_.TryCancel();
    Release();
  }

  // Nothing is started from outside any more, so OnDone may come.
  void Release() {
    if (!std::exchange(released_, true)) RemoveHold();
  }

  void WriteNext() {
    if (!outgoing_.empty()) {
      writing_ = true;
      StartWrite(&outgoing_.front());
    } else if (closing_ && !released_) {
      StartWritesDone();
      Release();
    }
  }

  const std::shared_ptr<Stub> stub_;
  const std::string address_;
  const std::shared_ptr<CallRegistry> calls_;
  const std::shared_ptr<LinkInbox> inbox_;
  grpc::ClientContext context_;
  proto::JobManagerToTaskManager incoming_;
  std::mutex mutex_;
  std::deque<proto::TaskManagerToJobManager> outgoing_;  // the first one is being written while writing_
  size_t backlog_bytes_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool broken_ = false;
  bool released_ = false;  // the hold is
  Status reason_;          // why this side broke it
  std::shared_ptr<ControlStream> self_;
};

class RpcLink final : public Link {
 public:
  explicit RpcLink(std::shared_ptr<ControlStream> stream) : stream_(std::move(stream)) {}
  ~RpcLink() override { Close(); }
  void Start(Executor& executor, LinkHandlers handlers) override {
    stream_->inbox().Start(executor, std::move(handlers));
  }
  void Send(std::string message) override { stream_->Send(message); }
  void Close() override { stream_->Close(); }

 private:
  std::shared_ptr<ControlStream> stream_;
};

// Lives until gRPC is done with it.
class ArtifactDownload final : public grpc::ClientReadReactor<proto::ArtifactPart>,
                               public std::enable_shared_from_this<ArtifactDownload> {
 public:
  ArtifactDownload(std::shared_ptr<Stub> stub, std::string address, std::shared_ptr<CallRegistry> calls,
                   WritableFile& file, std::function<void(Status)> done)
      : stub_(std::move(stub)),
        address_(std::move(address)),
        calls_(std::move(calls)),
        file_(file),
        done_(std::move(done)) {}

  void Open(const std::string& digest) {
    self_ = shared_from_this();
    request_.set_digest(digest);
    calls_->Add(&context_);
    stub_->async()->FetchArtifact(&context_, &request_, this);
    StartRead(&part_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    written_ = file_.Append(part_.data());
    if (!written_.ok()) return context_.TryCancel();
    StartRead(&part_);
  }

  void OnDone(const grpc::Status& status) override {
    done_(written_.ok() ? FromGrpc(status, address_) : written_);
    std::shared_ptr<CallRegistry> calls = calls_;
    calls->Retire(&context_, std::move(self_));
  }

 private:
  const std::shared_ptr<Stub> stub_;
  const std::string address_;
  const std::shared_ptr<CallRegistry> calls_;
  WritableFile& file_;
  const std::function<void(Status)> done_;
  grpc::ClientContext context_;
  proto::FetchArtifactRequest request_;
  proto::ArtifactPart part_;
  Status written_;
  std::shared_ptr<ArtifactDownload> self_;
};

}  // namespace

struct RpcClient::Impl {
  Impl(RpcClientOptions options, const WorkerLogs& logs)
      : options(std::move(options)), logs(logs), pusher("log-push") {}

  std::shared_ptr<Stub> NewStub() {
    grpc::ChannelArguments arguments;
    // Each attempt is a connection of its own: the TaskManager decides when to try again, not gRPC's backoff.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(options.connect_timeout_ms));
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    // A download from a machine that vanished ends, and the deployment that waits for it is not held up for ever.
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(options.keepalive_interval_ms));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(options.keepalive_timeout_ms));
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // a download sends nothing
    arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
    arguments.SetMaxSendMessageSize(kMaxMessageBytes);
    auto channel =
        grpc::CreateCustomChannel(NumericAddress(options.address), grpc::InsecureChannelCredentials(), arguments);
    return std::shared_ptr<Stub>(proto::TaskManagerService::NewStub(channel));
  }

  std::shared_ptr<Stub> CurrentStub() {
    std::lock_guard lock(mutex);
    if (stub == nullptr) stub = NewStub();
    return stub;
  }

  Status Push(const proto::CollectLogs& request);

  const RpcClientOptions options;
  const WorkerLogs& logs;
  const std::shared_ptr<CallRegistry> calls = std::make_shared<CallRegistry>();
  std::mutex mutex;
  std::shared_ptr<Stub> stub;  // of the last connection; guarded by mutex
  ThreadExecutor pusher;
};

Status RpcClient::Impl::Push(const proto::CollectLogs& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPushTimeout);
  calls->Add(&context);
  proto::PushLogsReply reply;
  auto writer = CurrentStub()->PushLogs(&context, &reply);
  proto::LogPart part;
  part.set_request_id(request.request_id());
  bool wanted = true;
  for (const WorkerLogFile& file : logs.Files(request.job_id())) {
    StatusOr<std::string> text = ReadTail(file.path, options.max_log_bytes_per_file);
    part.set_source(fmt::format("{} {}", options.log_label, file.source));
    if (!text.ok()) text = fmt::format("(cannot be read: {})\n", StatusMessage(text.status()));
    for (size_t at = 0; at < text->size() && wanted; at += kLogPieceBytes) {
      part.set_data(text->substr(at, kLogPieceBytes));
      wanted = writer->Write(part);  // waits until the JobManager takes more
    }
  }
  part.clear_data();
  part.set_last(true);
  if (wanted) writer->Write(part);
  writer->WritesDone();
  Status status = FromGrpc(writer->Finish(), options.address);
  calls->Remove(&context);
  return status;
}

RpcClient::RpcClient(RpcClientOptions options, const WorkerLogs& logs)
    : impl_(std::make_unique<Impl>(std::move(options), logs)) {}

RpcClient::~RpcClient() {
  impl_->calls->CancelAllAndWait();
  impl_->pusher.Stop();
}

std::unique_ptr<Link> RpcClient::Connect() {
  impl_->calls->DestroyRetired();
  std::shared_ptr<Stub> stub = impl_->NewStub();
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stub = stub;
  }
  auto stream = std::make_shared<ControlStream>(std::move(stub), impl_->options.address, impl_->calls);
  stream->Open();
  return std::make_unique<RpcLink>(std::move(stream));
}

void RpcClient::Download(const proto::Artifact& artifact, WritableFile& file, std::function<void(Status)> done) {
  impl_->calls->DestroyRetired();
  auto download = std::make_shared<ArtifactDownload>(impl_->CurrentStub(), impl_->options.address, impl_->calls, file,
                                                     std::move(done));
  download->Open(artifact.digest());
}

void RpcClient::PushLogs(const proto::CollectLogs& request) {
  impl_->calls->DestroyRetired();
  impl_->pusher.Post([this, request] {
    Status status = impl_->Push(request);
    if (!status.ok()) EAGRE_LOG_INFO("pushing the output of job {}: {}", request.job_id(), StatusMessage(status));
  });
}

}  // namespace eagre
