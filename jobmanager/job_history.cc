#include "jobmanager/job_history.h"

#include <algorithm>

namespace eagre {

std::vector<EndedJob> JobHistory::Add(EndedJob job) {
  jobs_.push_back(std::move(job));
  std::vector<EndedJob> dropped;
  while (jobs_.size() > capacity_) {
    dropped.push_back(std::move(jobs_.front()));
    jobs_.pop_front();
  }
  return dropped;
}

const EndedJob* JobHistory::Find(const std::string& job_id) const {
  auto job = std::find_if(jobs_.begin(), jobs_.end(),
                          [&](const EndedJob& ended) { return ended.details.summary().job_id() == job_id; });
  return job == jobs_.end() ? nullptr : &*job;
}

bool JobHistory::Uses(const std::string& digest) const {
  return std::any_of(jobs_.begin(), jobs_.end(),
                     [&](const EndedJob& ended) { return ended.artifact->info.digest() == digest; });
}

}  // namespace eagre
