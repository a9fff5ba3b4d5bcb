// What clients ask, over gRPC: each call hops to the JobManager's executor and back.
#pragma once

#include "base/executor.h"
#include "jobmanager/artifact_store.h"
#include "jobmanager/job_manager.h"
#include "jobmanager/upload_slots.h"
#include "proto/client.grpc.pb.h"

namespace eagre {

// Thread-safe. Executor, JobManager and store outlive the server that the service is registered with.
class RpcClientService final : public proto::ClientService::CallbackService {
 public:
  RpcClientService(Executor& executor, JobManager& job_manager, ArtifactStore& artifacts);

  grpc::ServerReadReactor<proto::SubmitJobPart>* SubmitJob(grpc::CallbackServerContext* context,
                                                           proto::SubmitJobReply* reply) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const proto::ListJobsRequest* request,
                                     proto::ListJobsReply* reply) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const proto::GetJobRequest* request,
                                   proto::JobDetails* reply) override;
  grpc::ServerWriteReactor<proto::JobDetails>* WatchJob(grpc::CallbackServerContext* context,
                                                        const proto::WatchJobRequest* request) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context, const proto::CancelJobRequest* request,
                                      proto::CancelJobReply* reply) override;
  grpc::ServerUnaryReactor* TriggerCheckpoint(grpc::CallbackServerContext* context,
                                              const proto::TriggerCheckpointRequest* request,
                                              proto::TriggerCheckpointReply* reply) override;
  grpc::ServerUnaryReactor* TriggerSavepoint(grpc::CallbackServerContext* context,
                                             const proto::TriggerSavepointRequest* request,
                                             proto::TriggerSavepointReply* reply) override;
  grpc::ServerUnaryReactor* StopJob(grpc::CallbackServerContext* context, const proto::StopJobRequest* request,
                                    proto::TriggerSavepointReply* reply) override;
  grpc::ServerUnaryReactor* GetCluster(grpc::CallbackServerContext* context, const proto::GetClusterRequest* request,
                                       proto::ClusterDetails* reply) override;
  grpc::ServerWriteReactor<proto::LogPart>* GetLogs(grpc::CallbackServerContext* context,
                                                    const proto::GetLogsRequest* request) override;

 private:
  // Answers a unary call with what `ask` returns on the executor.
  template <typename Ask>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, Ask ask);

  Executor& executor_;
  JobManager& job_manager_;
  ArtifactStore& artifacts_;
  UploadSlots uploads_;
};

}  // namespace eagre
