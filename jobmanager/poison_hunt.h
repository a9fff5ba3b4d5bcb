// Finds the record that fails a job again and again (docs/decisions/0052-poison-records.md).
//
// Only an exception of the job's code or a crash can be a record's fault: a full disk, a store that fails or a lost
// connection fails whatever record comes.
//
// When attempts in a row have so failed in the same operator, the next one is isolated: its sources hand on one record
// at a time, with its origin, which a failure then brings along. What becomes of the record is the policy of its
// source; the sources of later attempts are told of the records that were found.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "proto/control.pb.h"

namespace eagre {

// One per job; lives on the job's executor.
class PoisonHunt {
 public:
  // `after_failures`: so many in the same operator; 0: never.
  explicit PoisonHunt(int64_t after_failures) : after_failures_(after_failures) {}

  // `failed`: why the attempt before failed; null when it did not.
  void BeginAttempt(const proto::FailureInfo* failed);
  // Whether this attempt hunts.
  bool isolating() const { return isolating_; }
  // REQUIRES: isolating().
  void Fill(proto::Isolation& isolation) const;
  // Says in a failure of this attempt which record it processed, and what is done about it.
  void Explain(proto::FailureInfo& failure) const;

 private:
  // More than so many are not poison records but a broken job; the oldest are behind the job by then.
  static constexpr size_t kMaxPoison = 1'000;

  bool Knows(const proto::Isolation::Record& record) const;

  const int64_t after_failures_;
  bool isolating_ = false;
  std::string operator_id_;  // that failed last (names need not differ), and how often in a row
  int64_t failures_ = 0;
  std::deque<proto::Isolation::Record> poison_;
};

}  // namespace eagre
