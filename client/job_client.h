// A program's connection to a JobManager: submits, lists, watches and cancels jobs over gRPC.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "proto/client.pb.h"

namespace eagre {

struct JobClientOptions {
  int64_t connect_timeout_ms = 5'000;
  int64_t call_timeout_ms = 30'000;       // of calls that answer at once
  int64_t reconnect_timeout_ms = 30'000;  // how long a watch goes on trying when the JobManager is lost
};

// Connects with the first call. Blocking and thread-safe: a job may be cancelled while another thread watches it.
//
// Failures name the address and what to do: UNAVAILABLE when there is no JobManager, else what the JobManager said.
class JobClient {
 public:
  // `address` is host:port.
  explicit JobClient(std::string address, JobClientOptions options = {});
  ~JobClient();
  JobClient(const JobClient&) = delete;
  JobClient& operator=(const JobClient&) = delete;

  // Sends the library at `library_path` along and fills in the header's artifact. Returns the new job's id.
  StatusOr<std::string> SubmitJob(proto::SubmitJobHeader header, const std::string& library_path);
  StatusOr<proto::ListJobsReply> ListJobs();
  StatusOr<proto::JobDetails> GetJob(const std::string& job_id);
  // Returns when the JobManager has begun to stop the job; watch it to see its end.
  Status CancelJob(const std::string& job_id);
  // These wait for as long as it takes, and end with UNAVAILABLE when the JobManager goes away meanwhile. `directory`
  // is where to make the savepoint's folder, as the JobManager sees it; empty: as the job's configuration says.
  StatusOr<proto::TriggerCheckpointReply> TriggerCheckpoint(const std::string& job_id);
  // Returns the savepoint's path. `detached`: at once, where the savepoint will be.
  StatusOr<std::string> TriggerSavepoint(const std::string& job_id, const std::string& directory,
                                         bool detached = false);
  // The same; the job has ended behind it, or, detached, will.
  StatusOr<std::string> StopJob(const std::string& job_id, const std::string& directory, bool drain,
                                bool detached = false);
  StatusOr<proto::ClusterDetails> GetCluster();

  // Tells the present state, every change of it, and progress each `interval_ms`, on this thread, until the job has
  // ended; returns its last state. When the connection breaks it connects again and goes on.
  StatusOr<proto::JobDetails> WatchJob(const std::string& job_id, int64_t interval_ms,
                                       const std::function<void(const proto::JobDetails&)>& on_update);

  // Tells the output of the job's workers, piece by piece, on this thread, until there is no more.
  Status GetLogs(const std::string& job_id, const std::function<void(const proto::LogPart&)>& on_part);

  // Makes WatchJob and GetLogs return CANCELLED, now and whenever they are called. Any thread; safe to call again.
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eagre
