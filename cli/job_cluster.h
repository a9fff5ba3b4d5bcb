// A cluster as `eagre run` sees it: something that takes a job, tells how it goes and can cancel it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/config.h"
#include "base/status.h"
#include "proto/client.pb.h"

namespace eagre {

// Thread-safe: a job is cancelled from another thread than the one that watches it.
class JobCluster {
 public:
  virtual ~JobCluster() = default;
  // Returns the job's id.
  virtual StatusOr<std::string> Submit(const proto::SubmitJobHeader& header, const std::string& library) = 0;
  // Blocks until the job has ended and returns its last state. `on_progress` is told every state and, each
  // `interval_ms`, the progress, on this thread or another, one call at a time.
  virtual StatusOr<proto::JobDetails> Watch(const std::string& job_id, int64_t interval_ms,
                                            std::function<void(const proto::JobDetails&)> on_progress) = 0;
  virtual Status Cancel(const std::string& job_id) = 0;
  // Stops the job with a savepoint in a folder below `directory`. Returns its path when the job has ended behind it;
  // when it fails the job goes on.
  virtual StatusOr<std::string> StopWithSavepoint(const std::string& job_id, const std::string& directory) = 0;
};

// The cluster whose JobManager serves at `address`.
std::unique_ptr<JobCluster> NewRemoteCluster(std::string address);

// JobManager, TaskManager and workers in this process, with as many slots as asked for and no port. A job of it that
// never returns from user code keeps the destructor from returning.
std::unique_ptr<JobCluster> NewLocalCluster(const Configuration& config, int slots);

}  // namespace eagre
