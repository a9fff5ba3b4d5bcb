#include "jobmanager/failure_log.h"

namespace eagre {

bool FailureLog::Add(const proto::FailureInfo& failure) {
  if (!attempt_failed_) {
    attempt_failed_ = true;
    if (attempts_.size() == max_attempts_) attempts_.erase(attempts_.begin());
    attempts_.push_back({failure});
    return true;
  }
  std::vector<proto::FailureInfo>& failures = attempts_.back();
  if (failure.secondary()) return false;
  if (failures.front().secondary()) {
    failures.assign(1, failure);
    return true;
  }
  if (failures.size() < kMaxFailuresPerAttempt) failures.push_back(failure);
  return false;
}

const proto::FailureInfo* FailureLog::cause() const {
  return attempt_failed_ ? &attempts_.back().front() : nullptr;
}

void FailureLog::Fill(proto::JobDetails& details) const {
  for (auto attempt = attempts_.rbegin(); attempt != attempts_.rend(); ++attempt) {
    for (const proto::FailureInfo& failure : *attempt) *details.add_failures() = failure;
  }
}

}  // namespace eagre
