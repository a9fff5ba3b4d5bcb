// The folders of a TaskManager in which its workers keep copies of their jobs' state: <directory>/<job id>/.
//
// Workers make and use them (runtime/local_copy.h); here they go when a job has ended. What is in them is never
// needed: without it state is restored from the checkpoint.
#pragma once

#include <set>
#include <string>

#include "base/executor.h"

namespace eagre {

// Any thread. Deletes on a thread of its own, which the destructor waits for.
class LocalStateFolders {
 public:
  explicit LocalStateFolders(std::string directory);

  const std::string& directory() const { return directory_; }
  void DeleteJob(const std::string& job_id);
  // Deletes the folders of all jobs but these.
  void DeleteOtherJobs(const std::set<std::string>& job_ids);

 private:
  const std::string directory_;
  ThreadExecutor executor_;
};

}  // namespace eagre
