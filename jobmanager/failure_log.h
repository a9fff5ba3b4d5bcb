// The failures of a job, attempt by attempt, and which of each attempt's is the cause.
//
// One crash makes many failures: the worker that died, and every worker whose connection to it broke, in any order. The
// cause of an attempt is its first failure that is not marked secondary; a secondary one stands only until such a one
// arrives. Since an attempt is over only when all its workers are gone, the true cause always arrives in time.
#pragma once

#include <cstddef>
#include <vector>

#include "proto/client.pb.h"
#include "proto/control.pb.h"

namespace eagre {

class FailureLog {
 public:
  // Keeps the failures of the newest `max_attempts` failed attempts, and of each attempt the cause and a few more.
  explicit FailureLog(size_t max_attempts) : max_attempts_(max_attempts) {}

  // Opens the log of a new attempt.
  void BeginAttempt() { attempt_failed_ = false; }
  // True when this failure is (now) the cause of the current attempt.
  bool Add(const proto::FailureInfo& failure);
  // Null until the current attempt failed.
  const proto::FailureInfo* cause() const;

  // Newest attempt first, its cause before what else failed in it.
  void Fill(proto::JobDetails& details) const;

 private:
  static constexpr size_t kMaxFailuresPerAttempt = 8;

  const size_t max_attempts_;
  bool attempt_failed_ = false;
  std::vector<std::vector<proto::FailureInfo>> attempts_;  // oldest first; of each, the cause first
};

}  // namespace eagre
