// What TaskManagers do with the JobManager, over gRPC: the control stream as a Link, libraries to fetch, logs to push.
#pragma once

#include "base/executor.h"
#include "base/file_system.h"
#include "jobmanager/artifact_store.h"
#include "jobmanager/job_manager.h"
#include "proto/client.grpc.pb.h"

namespace eagre {

// Thread-safe. Everything given outlives the server that the service is registered with.
class RpcTaskManagerService final : public proto::TaskManagerService::CallbackService {
 public:
  RpcTaskManagerService(Executor& executor, JobManager& job_manager, ArtifactStore& artifacts, FileSystem& files)
      : executor_(executor), job_manager_(job_manager), artifacts_(artifacts), files_(files) {}

  grpc::ServerBidiReactor<proto::TaskManagerToJobManager, proto::JobManagerToTaskManager>* Connect(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<proto::ArtifactPart>* FetchArtifact(grpc::CallbackServerContext* context,
                                                               const proto::FetchArtifactRequest* request) override;
  grpc::ServerReadReactor<proto::LogPart>* PushLogs(grpc::CallbackServerContext* context,
                                                    proto::PushLogsReply* reply) override;

 private:
  Executor& executor_;
  JobManager& job_manager_;
  ArtifactStore& artifacts_;
  FileSystem& files_;
};

}  // namespace eagre
