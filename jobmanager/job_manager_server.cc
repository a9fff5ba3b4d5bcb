#include "jobmanager/job_manager_server.h"

#include <fmt/format.h>

#include <future>
#include <iterator>
#include <utility>

#include "base/file_system.h"
#include "base/ids.h"
#include "base/logging.h"
#include "base/process_metrics.h"
#include "base/work_directory.h"
#include "jobmanager/artifact_store.h"
#include "jobmanager/checkpoint_options.h"
#include "jobmanager/job_manager.h"
#include "jobmanager/job_state.h"
#include "jobmanager/job_store.h"
#include "jobmanager/may_pass.h"
#include "jobmanager/rpc_server.h"

namespace eagre {
namespace {

// Puts the library of a stored job where TaskManagers fetch it; it is verified on the way.
StatusOr<std::shared_ptr<const StoredArtifact>> TakeIn(ArtifactStore& artifacts, const JobStore::Job& job) {
  constexpr size_t kPieceBytes = size_t{1} << 20;
  EAGRE_ASSIGN_OR_RETURN(const auto file, PosixFileSystem().OpenForRead(job.library));
  EAGRE_ASSIGN_OR_RETURN(const int64_t bytes, file->Size());
  const proto::Artifact& artifact = job.job.header().artifact();
  if (static_cast<uint64_t>(bytes) != artifact.bytes()) {
    return DataLoss("{} is damaged: it has {} bytes; expected {}", job.library, bytes, artifact.bytes());
  }
  EAGRE_ASSIGN_OR_RETURN(const auto upload, artifacts.BeginUpload(artifact));
  std::string piece(kPieceBytes, '\0');
  for (int64_t offset = 0;;) {
    EAGRE_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(offset, piece.data(), piece.size()));
    if (got == 0) return upload->Finish();
    EAGRE_RETURN_IF_ERROR(upload->Append({piece.data(), got}));
    offset += static_cast<int64_t>(got);
  }
}

// Of a stored job that cannot be taken up again.
proto::JobDetails FailedDetails(const proto::StoredJob& job, const Status& reason, int64_t now_ms) {
  proto::JobDetails details;
  proto::JobSummary& summary = *details.mutable_summary();
  summary.set_job_id(job.job_id());
  summary.set_name(job.header().graph().name());
  summary.set_state(std::string(JobStateName(JobState::kFailed)));
  summary.set_start_time_ms(job.submitted_ms());
  summary.set_end_time_ms(now_ms);
  *details.mutable_graph() = job.header().graph();
  proto::FailureInfo& failure = *details.add_failures();
  failure.set_message(
      fmt::format("the JobManager was started anew, and could not take the job up again: {}", StatusMessage(reason)));
  failure.set_subtask(-1);
  failure.set_time_ms(now_ms);
  return details;
}

}  // namespace

JobManagerServer::JobManagerServer() : random_(NewSystemRandom()) {}

StatusOr<std::unique_ptr<JobManagerServer>> JobManagerServer::Start(const Configuration& config,
                                                                    const std::string& version,
                                                                    std::function<void()> on_replaced) {
  std::unique_ptr<JobManagerServer> server(new JobManagerServer());
  EAGRE_RETURN_IF_ERROR(server->Open(config, version, std::move(on_replaced)));
  return server;
}

Status JobManagerServer::Open(const Configuration& config, const std::string& version,
                              std::function<void()> on_replaced) {
  EAGRE_ASSIGN_OR_RETURN(work_directory_,
                         WorkDirectory::Create(config.GetString("eagre.work.dir"), "jobmanager", NewHexId(*random_)));
  executor_ = std::make_unique<ThreadExecutor>("jobmanager");
  io_ = std::make_unique<ThreadExecutor>("jobmanager-io");
  ArtifactStoreOptions store;
  store.directory = JoinPath(work_directory_->path(), "artifacts");
  store.max_artifact_bytes = config.GetBytes("artifact-cache.max-size");
  EAGRE_ASSIGN_OR_RETURN(artifacts_, ArtifactStore::Open(PosixFileSystem(), std::move(store)));

  if (const std::string directory = config.GetString("high-availability.storageDir"); !directory.empty()) {
    EAGRE_ASSIGN_OR_RETURN(const std::string path, AbsolutePath(directory, "high-availability.storageDir"));
    store_ = std::make_unique<JobStore>(PosixFileSystem(), path, NewHexId(*random_));
  }
  JobManagerOptions options;
  options.store = store_.get();
  options.version = version;
  options.host = config.GetString("jobmanager.bind-host");
  options.config = config;
  options.io = io_.get();
  options.on_replaced = [this, on_replaced = std::move(on_replaced)](const Status& reason) {
    replaced_ = reason;
    if (on_replaced) on_replaced();
  };
  RunOnExecutor([&] { job_manager_ = std::make_unique<JobManager>(*executor_, *random_, std::move(options)); });
  if (store_ != nullptr) EAGRE_RETURN_IF_ERROR(RecoverJobs(*store_));
  process_metrics_ = std::make_unique<ProcessMetrics>(
      registry_, "flink_jobmanager", MetricLabels{{"host", config.GetString("jobmanager.bind-host")}}, SystemClock());

  RpcServerOptions rpc;
  rpc.bind_host = config.GetString("jobmanager.bind-host");
  rpc.port = static_cast<int>(config.GetInt("jobmanager.rpc.port"));
  EAGRE_ASSIGN_OR_RETURN(rpc_, RpcServer::Start(rpc, *executor_, *job_manager_, *artifacts_, PosixFileSystem()));
  port_ = rpc_->port();
  RunOnExecutor([this] { job_manager_->OnListening(); });
  EAGRE_LOG_INFO("JobManager {} listens on {}:{}", version, rpc.bind_host, port_);
  return OkStatus();
}

Status JobManagerServer::RecoverJobs(JobStore& store) {
  auto loaded = store.Load();
  if (!loaded.ok()) return WithContext(loaded.status(), "cannot use high-availability.storageDir");
  JobStore::Contents& contents = *loaded;
  for (const Status& damaged : contents.damaged) EAGRE_LOG_ERROR("a stored job is lost: {}", StatusMessage(damaged));
  for (proto::JobDetails& result : contents.results) {
    RunOnExecutor([&] { job_manager_->RecoverResult(std::move(result)); });
  }
  for (const JobStore::Job& job : contents.jobs) {
    auto library = TakeIn(*artifacts_, job);
    Status recovered = library.status();
    if (library.ok())
      RunOnExecutor([&] { recovered = job_manager_->RecoverJob(job.job, job.attempt, *std::move(library)); });
    if (recovered.ok()) continue;
    const Status named = WithContext(recovered, fmt::format("cannot take job {} up again", job.job.job_id()));
    // Without it its workers, which run on, would be killed for a disk that is full or away.
    if (MayPass(recovered)) return named;
    EAGRE_LOG_ERROR("{}", StatusMessage(named));
    proto::JobDetails failed = FailedDetails(job.job, recovered, SystemClock().NowMs());
    EAGRE_RETURN_IF_ERROR(store.SaveResult(failed));
    RunOnExecutor([&] { job_manager_->RecoverResult(std::move(failed)); });
  }
  return OkStatus();
}

JobManagerServer::~JobManagerServer() {
  Stop();
}

void JobManagerServer::RunOnExecutor(Closure task) {
  std::promise<void> done;
  executor_->Post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

void JobManagerServer::Stop() {
  std::lock_guard lock(lifecycle_mutex_);
  if (std::exchange(stopped_, true)) return;
  rpc_.reset();
  if (executor_ != nullptr) {
    RunOnExecutor([this] { job_manager_.reset(); });
    if (io_ != nullptr) io_->Stop();
    executor_->Stop();
  }
  artifacts_.reset();
  work_directory_.reset();
}

std::vector<MetricSample> JobManagerServer::CollectMetrics() {
  std::lock_guard lock(lifecycle_mutex_);
  if (stopped_) return {};
  std::vector<MetricSample> samples;
  RunOnExecutor([&] { samples = job_manager_->CollectMetrics(); });
  process_metrics_->Update();
  std::vector<MetricSample> of_process = registry_.Collect();
  std::move(of_process.begin(), of_process.end(), std::back_inserter(samples));
  return samples;
}

}  // namespace eagre
