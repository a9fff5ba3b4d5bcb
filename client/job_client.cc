#include "client/job_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/hash.h"
#include "base/host_port.h"
#include "proto/client.grpc.pb.h"

namespace eagre {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;
constexpr size_t kPieceBytes = size_t{512} << 10;  // of a library on its way
constexpr int kKeepaliveIntervalMs = 20'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kFirstReconnectMs = 100;
constexpr int kSlowestReconnectMs = 1'000;
constexpr int64_t kNsPerMs = 1'000'000;

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address, const JobClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveIntervalMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kSlowestReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(options.connect_timeout_ms));
  return grpc::CreateCustomChannel(NumericAddress(address), grpc::InsecureChannelCredentials(), arguments);
}

std::chrono::system_clock::time_point After(int64_t delay_ms) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(delay_ms);
}

// What a user can use of gRPC's long story about every address it tried.
std::string WhyUnreachable(const grpc::Status& status) {
  const std::string& story = status.error_message();
  if (story.find("Connection refused") != std::string::npos) return "connection refused";
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return "no answer in time";
  constexpr std::string_view kLastError = "last error: ";
  const size_t last = story.rfind(kLastError);
  return last == std::string::npos ? story : story.substr(last + kLastError.size());
}

bool IsTerminalName(std::string_view state) {
  return state == "FINISHED" || state == "FAILED" || state == "CANCELED";
}

StatusOr<proto::Artifact> DescribeLibrary(const ReadableFile& file) {
  proto::Artifact info;
  info.set_file_name(std::string(BaseName(file.path())));
  Hasher128 hasher;
  std::string piece(kPieceBytes, '\0');
  uint64_t bytes = 0;
  for (;;) {
    EAGRE_ASSIGN_OR_RETURN(const size_t read, file.ReadAt(static_cast<int64_t>(bytes), piece.data(), piece.size()));
    if (read == 0) break;
    hasher.Update({piece.data(), read});
    bytes += read;
  }
  info.set_digest(hasher.Hex());
  info.set_bytes(bytes);
  return info;
}

}  // namespace

struct JobClient::Impl {
  // A call that Stop can end; in the set while it runs.
  class StoppableCall {
   public:
    explicit StoppableCall(Impl& owner) : owner_(owner) {
      std::lock_guard lock(owner_.mutex);
      owner_.calls.insert(&context);
      if (owner_.stopped) context.TryCancel();
    }
    ~StoppableCall() {
      std::lock_guard lock(owner_.mutex);
      owner_.calls.erase(&context);
    }
    grpc::ClientContext context;

   private:
    Impl& owner_;
  };

  Impl(std::string address, JobClientOptions options)
      : address(std::move(address)),
        options(options),
        channel(NewChannel(this->address, options)),
        stub(proto::ClientService::NewStub(channel)) {}

  // `otherwise`: what else a user can do about a JobManager that cannot be reached.
  Status Explain(const grpc::Status& status, std::string_view otherwise = "say with -m where it is") const;
  bool WaitForConnection(int64_t deadline_ns);
  bool IsStopped() {
    std::lock_guard lock(mutex);
    return stopped;
  }

  template <typename Request, typename Reply>
  StatusOr<Reply> Call(grpc::Status (proto::ClientService::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                       const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(After(options.call_timeout_ms));
    Reply reply;
    const grpc::Status status = (stub.get()->*method)(&context, request, &reply);
    if (!status.ok()) return Explain(status);
    return reply;
  }

  // A call that is answered when something has been done, which may take any time.
  template <typename Request, typename Reply>
  StatusOr<Reply> LongCall(grpc::Status (proto::ClientService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                              Reply*),
                           const Request& request) {
    StoppableCall call(*this);
    Reply reply;
    const grpc::Status status = (stub.get()->*method)(&call.context, request, &reply);
    if (!status.ok()) return Explain(status);
    return reply;
  }

  const std::string address;
  const JobClientOptions options;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<proto::ClientService::Stub> stub;
  std::mutex mutex;
  std::set<grpc::ClientContext*> calls;
  bool stopped = false;
};

Status JobClient::Impl::Explain(const grpc::Status& status, std::string_view otherwise) const {
  // What the JobManager itself answers with has details (jobmanager/rpc_streams.h); what gRPC says of the network has
  // none.
  if (!status.error_details().empty()) {
    return MakeStatus(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
  switch (status.error_code()) {
    case grpc::StatusCode::OK: return OkStatus();
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Unavailable("cannot reach the JobManager at {}: {}; start one with 'eagre jobmanager' or {}", address,
                         WhyUnreachable(status), otherwise);
    case grpc::StatusCode::UNIMPLEMENTED:
      return FailedPrecondition("what serves at {} is no JobManager of this version of Eagre", address);
    default: return MakeStatus(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
}

// Polls in steps, so that Stop is noticed.
bool JobClient::Impl::WaitForConnection(int64_t deadline_ns) {
  while (!IsStopped()) {
    const int64_t left_ms = (deadline_ns - SystemClock().MonotonicNs()) / kNsPerMs;
    if (left_ms <= 0) return false;
    if (channel->WaitForConnected(After(std::min<int64_t>(left_ms, 200)))) return true;
  }
  return false;
}

JobClient::JobClient(std::string address, JobClientOptions options)
    : impl_(std::make_unique<Impl>(std::move(address), options)) {}

JobClient::~JobClient() = default;

StatusOr<std::string> JobClient::SubmitJob(proto::SubmitJobHeader header, const std::string& library_path) {
  EAGRE_ASSIGN_OR_RETURN(const auto file, PosixFileSystem().OpenForRead(library_path));
  EAGRE_ASSIGN_OR_RETURN(*header.mutable_artifact(), DescribeLibrary(*file));
  const uint64_t total = header.artifact().bytes();

  grpc::ClientContext context;
  proto::SubmitJobReply reply;
  const auto writer = impl_->stub->SubmitJob(&context, &reply);
  proto::SubmitJobPart part;
  *part.mutable_header() = std::move(header);
  bool taken = writer->Write(part);
  for (uint64_t sent = 0; taken && sent < total;) {
    std::string& piece = *part.mutable_data();
    piece.resize(kPieceBytes);
    const StatusOr<size_t> read = file->ReadAt(static_cast<int64_t>(sent), piece.data(), piece.size());
    if (!read.ok() || *read == 0) {
      context.TryCancel();
      (void)writer->Finish();
      return read.ok() ? DataLoss("the library {} became shorter while it was sent", library_path) : read.status();
    }
    piece.resize(*read);
    sent += *read;
    taken = writer->Write(part);
  }
  // When the JobManager takes no more, Finish says why.
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return impl_->Explain(status, "leave -m away to run in this process");
  return reply.job_id();
}

StatusOr<proto::ListJobsReply> JobClient::ListJobs() {
  return impl_->Call(&proto::ClientService::Stub::ListJobs, proto::ListJobsRequest());
}

StatusOr<proto::JobDetails> JobClient::GetJob(const std::string& job_id) {
  proto::GetJobRequest request;
  request.set_job_id(job_id);
  return impl_->Call(&proto::ClientService::Stub::GetJob, request);
}

Status JobClient::CancelJob(const std::string& job_id) {
  proto::CancelJobRequest request;
  request.set_job_id(job_id);
  return impl_->Call(&proto::ClientService::Stub::CancelJob, request).status();
}

StatusOr<proto::TriggerCheckpointReply> JobClient::TriggerCheckpoint(const std::string& job_id) {
  proto::TriggerCheckpointRequest request;
  request.set_job_id(job_id);
  return impl_->LongCall(&proto::ClientService::Stub::TriggerCheckpoint, request);
}

StatusOr<std::string> JobClient::TriggerSavepoint(const std::string& job_id, const std::string& directory,
                                                  bool detached) {
  proto::TriggerSavepointRequest request;
  request.set_job_id(job_id);
  request.set_directory(directory);
  request.set_detached(detached);
  EAGRE_ASSIGN_OR_RETURN(const proto::TriggerSavepointReply reply,
                         impl_->LongCall(&proto::ClientService::Stub::TriggerSavepoint, request));
  return reply.path();
}

StatusOr<std::string> JobClient::StopJob(const std::string& job_id, const std::string& directory, bool drain,
                                         bool detached) {
  proto::StopJobRequest request;
  request.set_job_id(job_id);
  request.set_directory(directory);
  request.set_drain(drain);
  request.set_detached(detached);
  EAGRE_ASSIGN_OR_RETURN(const proto::TriggerSavepointReply reply,
                         impl_->LongCall(&proto::ClientService::Stub::StopJob, request));
  return reply.path();
}

StatusOr<proto::ClusterDetails> JobClient::GetCluster() {
  return impl_->Call(&proto::ClientService::Stub::GetCluster, proto::GetClusterRequest());
}

StatusOr<proto::JobDetails> JobClient::WatchJob(const std::string& job_id, int64_t interval_ms,
                                                const std::function<void(const proto::JobDetails&)>& on_update) {
  proto::WatchJobRequest request;
  request.set_job_id(job_id);
  request.set_interval_ms(interval_ms);
  proto::JobDetails details;
  bool was_connected = false;
  int64_t lost_at_ns = 0;  // 0: connected
  for (;;) {
    grpc::Status status;
    {
      Impl::StoppableCall call(*impl_);
      const auto reader = impl_->stub->WatchJob(&call.context, request);
      while (reader->Read(&details)) {
        was_connected = true;
        lost_at_ns = 0;
        on_update(details);
      }
      status = reader->Finish();
    }
    if (status.ok() && IsTerminalName(details.summary().state())) return details;
    if (impl_->IsStopped()) return Cancelled("stopped watching job {}", job_id);
    const bool lost = status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                      status.error_code() == grpc::StatusCode::CANCELLED;
    if (!was_connected || !lost) return impl_->Explain(status);
    if (lost_at_ns == 0) lost_at_ns = SystemClock().MonotonicNs();
    const int64_t deadline_ns = lost_at_ns + impl_->options.reconnect_timeout_ms * kNsPerMs;
    if (!impl_->WaitForConnection(deadline_ns)) {
      if (impl_->IsStopped()) return Cancelled("stopped watching job {}", job_id);
      return impl_->Explain(status);
    }
  }
}

Status JobClient::GetLogs(const std::string& job_id, const std::function<void(const proto::LogPart&)>& on_part) {
  proto::GetLogsRequest request;
  request.set_job_id(job_id);
  Impl::StoppableCall call(*impl_);
  const auto reader = impl_->stub->GetLogs(&call.context, request);
  proto::LogPart part;
  while (reader->Read(&part)) on_part(part);
  const grpc::Status status = reader->Finish();
  if (impl_->IsStopped()) return Cancelled("stopped reading the logs of job {}", job_id);
  return impl_->Explain(status);
}

void JobClient::Stop() {
  std::lock_guard lock(impl_->mutex);
  impl_->stopped = true;
  for (grpc::ClientContext* context : impl_->calls) context->TryCancel();
}

}  // namespace eagre
