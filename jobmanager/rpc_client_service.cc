#include "jobmanager/rpc_client_service.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/file_system.h"
#include "jobmanager/restore_check.h"
#include "jobmanager/rpc_streams.h"

namespace eagre {
namespace {

constexpr size_t kMaxUploads = 16;  // at once
constexpr int64_t kLongestSilenceMs = 10'000;

// One submission: the header, then the library, piece by piece to disk. Keeps itself until gRPC is done with it.
class SubmitCall final : public grpc::ServerReadReactor<proto::SubmitJobPart>,
                         public UploadSlots::Upload,
                         public std::enable_shared_from_this<SubmitCall> {
 public:
  SubmitCall(grpc::CallbackServerContext* context, Executor& executor, JobManager& job_manager,
             ArtifactStore& artifacts, UploadSlots& uploads, proto::SubmitJobReply* reply)
      : context_(context),
        executor_(executor),
        job_manager_(job_manager),
        artifacts_(artifacts),
        uploads_(uploads),
        reply_(reply) {}

  void Open() {
    self_ = shared_from_this();
    Hear();
    if (!uploads_.Enter(self_)) {
      return Finish(ToGrpc(ResourceExhausted("{} jobs are being submitted already; try again", kMaxUploads)));
    }
    StartRead(&part_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return TakeOut() ? Submit() : void();
    Hear();
    const Status taken = Take();
    if (!taken.ok()) return TakeOut() ? Finish(ToGrpc(taken)) : void();
    StartRead(&part_);
  }

  void OnDone() override {
    uploads_.Leave(this);
    std::exchange(self_, nullptr);  // the last line: this may be the last reference
  }

  int64_t last_heard_ns() const override { return last_heard_ns_; }
  bool MakeRoom() override {
    if (!TakeOut()) return false;
    Finish(ToGrpc(Unavailable("nothing of the job came for a while, and others wait to submit theirs; try again")));
    return true;
  }

 private:
  void Hear() { last_heard_ns_ = executor_.clock().MonotonicNs(); }
  // The right to end the call, which only one gets: until it does so the call lives.
  bool TakeOut() { return !taken_out_.exchange(true); }

  Status Take() {
    if (part_.has_header()) {
      if (upload_ != nullptr) return InvalidArgument("a submission has two headers");
      header_ = std::move(*part_.mutable_header());
      EAGRE_ASSIGN_OR_RETURN(upload_, artifacts_.BeginUpload(header_.artifact()));
      return OkStatus();
    }
    if (upload_ == nullptr) return InvalidArgument("a submission starts with its header");
    return upload_->Append(part_.data());
  }

  void Submit() {
    if (context_->IsCancelled()) return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone"));
    if (upload_ == nullptr) return Finish(ToGrpc(InvalidArgument("a submission starts with its header")));
    auto artifact = upload_->Finish();
    if (!artifact.ok()) return Finish(ToGrpc(artifact.status()));
    if (!header_.restore_from().empty()) {
      auto restored = ReadRestorePoint(PosixFileSystem(), header_.restore_from());
      if (!restored.ok()) return Finish(ToGrpc(restored.status()));
      restored_ = *std::move(restored);
    }
    executor_.Post([this, artifact = *std::move(artifact)]() mutable {
      job_manager_.SubmitJobDurably(header_, std::move(artifact), restored_, [this](const StatusOr<std::string>& id) {
        if (id.ok()) reply_->set_job_id(*id);
        Finish(ToGrpc(id.status()));
      });
    });
  }

  grpc::CallbackServerContext* const context_;
  Executor& executor_;
  JobManager& job_manager_;
  ArtifactStore& artifacts_;
  UploadSlots& uploads_;
  proto::SubmitJobReply* const reply_;
  proto::SubmitJobPart part_;
  proto::SubmitJobHeader header_;
  std::optional<proto::CheckpointMetadata> restored_;
  std::unique_ptr<ArtifactStore::Upload> upload_;
  std::atomic<int64_t> last_heard_ns_{0};
  std::atomic<bool> taken_out_{false};
  std::shared_ptr<SubmitCall> self_;
};

}  // namespace

RpcClientService::RpcClientService(Executor& executor, JobManager& job_manager, ArtifactStore& artifacts)
    : executor_(executor),
      job_manager_(job_manager),
      artifacts_(artifacts),
      uploads_(executor.clock(), kMaxUploads, kLongestSilenceMs) {}

template <typename Ask>
grpc::ServerUnaryReactor* RpcClientService::Answer(grpc::CallbackServerContext* context, Ask ask) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  executor_.Post([reactor, ask = std::move(ask)] { reactor->Finish(ToGrpc(ask())); });
  return reactor;
}

grpc::ServerReadReactor<proto::SubmitJobPart>* RpcClientService::SubmitJob(grpc::CallbackServerContext* context,
                                                                           proto::SubmitJobReply* reply) {
  const auto call = std::make_shared<SubmitCall>(context, executor_, job_manager_, artifacts_, uploads_, reply);
  call->Open();
  return call.get();
}

grpc::ServerUnaryReactor* RpcClientService::ListJobs(grpc::CallbackServerContext* context,
                                                     const proto::ListJobsRequest*, proto::ListJobsReply* reply) {
  return Answer(context, [this, reply] {
    *reply = job_manager_.ListJobs();
    return OkStatus();
  });
}

grpc::ServerUnaryReactor* RpcClientService::GetJob(grpc::CallbackServerContext* context,
                                                   const proto::GetJobRequest* request, proto::JobDetails* reply) {
  return Answer(context, [this, request, reply]() -> Status {
    EAGRE_ASSIGN_OR_RETURN(*reply, job_manager_.GetJob(request->job_id()));
    return OkStatus();
  });
}

grpc::ServerUnaryReactor* RpcClientService::CancelJob(grpc::CallbackServerContext* context,
                                                      const proto::CancelJobRequest* request, proto::CancelJobReply*) {
  return Answer(context, [this, request] { return job_manager_.CancelJob(request->job_id()); });
}

grpc::ServerUnaryReactor* RpcClientService::TriggerCheckpoint(grpc::CallbackServerContext*,
                                                              const proto::TriggerCheckpointRequest* request,
                                                              proto::TriggerCheckpointReply* reply) {
  const auto answer = LateAnswer<proto::TriggerCheckpointReply>::New(reply);
  executor_.Post([&job_manager = job_manager_, answer, job_id = request->job_id()] {
    job_manager.TriggerCheckpoint(job_id, [answer](const StatusOr<CheckpointCoordinator::Completed>& completed) {
      if (!completed.ok()) return answer->Fail(completed.status());
      proto::TriggerCheckpointReply reply;
      reply.set_checkpoint_id(completed->checkpoint_id);
      reply.set_path(completed->path);
      answer->Give(std::move(reply));
    });
  });
  return answer.get();
}

namespace {

CheckpointCoordinator::Done GivePath(const std::shared_ptr<LateAnswer<proto::TriggerSavepointReply>>& answer) {
  return [answer](const StatusOr<CheckpointCoordinator::Completed>& completed) {
    if (!completed.ok()) return answer->Fail(completed.status());
    proto::TriggerSavepointReply reply;
    reply.set_path(completed->path);
    answer->Give(std::move(reply));
  };
}

}  // namespace

grpc::ServerUnaryReactor* RpcClientService::TriggerSavepoint(grpc::CallbackServerContext*,
                                                             const proto::TriggerSavepointRequest* request,
                                                             proto::TriggerSavepointReply* reply) {
  const auto answer = LateAnswer<proto::TriggerSavepointReply>::New(reply);
  executor_.Post([&job_manager = job_manager_, answer, request = *request] {
    job_manager.TriggerSavepoint(request.job_id(), {request.directory(), request.detached()}, GivePath(answer));
  });
  return answer.get();
}

grpc::ServerUnaryReactor* RpcClientService::StopJob(grpc::CallbackServerContext*, const proto::StopJobRequest* request,
                                                    proto::TriggerSavepointReply* reply) {
  const auto answer = LateAnswer<proto::TriggerSavepointReply>::New(reply);
  executor_.Post([&job_manager = job_manager_, answer, request = *request] {
    job_manager.StopJob(request.job_id(), {request.directory(), request.detached()}, request.drain(), GivePath(answer));
  });
  return answer.get();
}

grpc::ServerUnaryReactor* RpcClientService::GetCluster(grpc::CallbackServerContext* context,
                                                       const proto::GetClusterRequest*, proto::ClusterDetails* reply) {
  return Answer(context, [this, reply] {
    *reply = job_manager_.GetCluster();
    return OkStatus();
  });
}

grpc::ServerWriteReactor<proto::JobDetails>* RpcClientService::WatchJob(grpc::CallbackServerContext*,
                                                                        const proto::WatchJobRequest* request) {
  auto stream = WriteStream<proto::JobDetails>::New();
  // Written and read on the executor only; 0 until the watch began.
  const auto watch = std::make_shared<uint64_t>(0);
  // What runs on the executor holds no `this`: the server may be gone by then, the JobManager is not.
  stream->SetOnGone([&executor = executor_, &job_manager = job_manager_, watch] {
    executor.Post([&job_manager, watch] { job_manager.StopWatching(*watch); });
  });
  executor_.Post(
      [&job_manager = job_manager_, stream, watch, job_id = request->job_id(), interval_ms = request->interval_ms()] {
        const StatusOr<uint64_t> id =
            job_manager.WatchJob(job_id, interval_ms, [stream](const proto::JobDetails& details, bool last) {
              stream->OfferLatest(details);
              if (last) stream->Close(OkStatus());
            });
        if (!id.ok()) return stream->Close(id.status());
        *watch = *id;
      });
  return stream.get();
}

grpc::ServerWriteReactor<proto::LogPart>* RpcClientService::GetLogs(grpc::CallbackServerContext*,
                                                                    const proto::GetLogsRequest* request) {
  auto stream = WriteStream<proto::LogPart>::New();
  const auto logs = std::make_shared<uint64_t>(0);
  stream->SetOnGone([&executor = executor_, &job_manager = job_manager_, logs] {
    executor.Post([&job_manager, logs] { job_manager.StopLogs(*logs); });
  });
  executor_.Post([&executor = executor_, &job_manager = job_manager_, stream, logs, job_id = request->job_id()] {
    LogSink sink;
    sink.on_part = [&executor, stream](proto::LogPart part, Closure consumed) {
      stream->Offer(std::move(part),
                    [&executor, consumed = std::move(consumed)]() mutable { executor.Post(std::move(consumed)); });
    };
    sink.on_done = [stream] { stream->Close(OkStatus()); };
    const StatusOr<uint64_t> id = job_manager.GetLogs(job_id, std::move(sink));
    if (!id.ok()) return stream->Close(id.status());
    *logs = *id;
  });
  return stream.get();
}

}  // namespace eagre
