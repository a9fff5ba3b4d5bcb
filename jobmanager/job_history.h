// What is kept of jobs that have ended, for `eagre list -a`, `eagre info` and `eagre logs`: the newest ones, up to
// jobstore.max-capacity.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jobmanager/artifact.h"
#include "proto/client.pb.h"

namespace eagre {

struct EndedJob {
  proto::JobDetails details;
  std::shared_ptr<const StoredArtifact> artifact;
  std::vector<std::pair<std::string, std::string>> task_managers_used;  // id -> host
};

// Lives on the JobManager's executor.
class JobHistory {
 public:
  explicit JobHistory(size_t capacity) : capacity_(capacity) {}

  // Returns the jobs that had to go for it, oldest first (itself, when the capacity is 0).
  std::vector<EndedJob> Add(EndedJob job);
  // Null when unknown or gone.
  const EndedJob* Find(const std::string& job_id) const;
  bool Uses(const std::string& digest) const;
  const std::deque<EndedJob>& jobs() const { return jobs_; }  // in the order in which they ended

 private:
  const size_t capacity_;
  std::deque<EndedJob> jobs_;
};

}  // namespace eagre
