#include "jobmanager/poison_hunt.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "runtime/record_origin.h"

namespace eagre {
namespace {

proto::Isolation::Record RecordOf(const RecordOrigin& origin) {
  proto::Isolation::Record record;
  record.set_operator_id(origin.operator_id);
  record.set_split(origin.split);
  record.set_position(origin.position);
  return record;
}

const char* WhatIsDone(Poison policy) {
  switch (policy) {
    case Poison::kFail:
      return "to go on without it, set .OnPoison(Poison::kSkip) or .OnPoison(Poison::kSideOutput) on the source and "
             "submit the job anew";
    case Poison::kSkip: return "it is skipped from now on (Poison::kSkip)";
    case Poison::kSideOutput: return "it goes to the side output 'poison-records' from now on (Poison::kSideOutput)";
  }
  return "";
}

}  // namespace

void PoisonHunt::BeginAttempt(const proto::FailureInfo* failed) {
  if (after_failures_ <= 0) return;
  if (failed == nullptr || failed->operator_id().empty() || !failed->in_user_code()) {
    failures_ = 0;
  } else {
    failures_ = failed->operator_id() == operator_id_ ? failures_ + 1 : 1;
    operator_id_ = failed->operator_id();
    const std::optional<RecordOrigin> origin = RecordOrigin::Decode(failed->origin());
    if (origin && origin->policy != Poison::kFail && !Knows(RecordOf(*origin))) {
      poison_.push_back(RecordOf(*origin));
      if (poison_.size() > kMaxPoison) poison_.pop_front();
    }
  }
  isolating_ = failures_ >= after_failures_ || !poison_.empty();
}

void PoisonHunt::Fill(proto::Isolation& isolation) const {
  for (const proto::Isolation::Record& record : poison_) *isolation.add_poison() = record;
}

void PoisonHunt::Explain(proto::FailureInfo& failure) const {
  if (!isolating_ || failure.operator_id().empty()) return;
  const std::optional<RecordOrigin> origin = RecordOrigin::Decode(failure.origin());
  if (!failure.in_user_code()) {
    if (!origin) return;
    failure.set_message(fmt::format(
        "{}\nIt was processing the record at {} of {}, from source '{}', which is kept: only an exception of the job's "
        "code or a crash is taken for a record's fault.",
        failure.message(), origin->position, origin->split, origin->source));
    return;
  }
  if (!origin) {
    failure.set_message(
        fmt::format("{}\nIt was not processing a record whose origin is known: it was in a timer, a window that fired, "
                    "at a checkpoint, or at a record that was in flight in the unaligned checkpoint that the job was "
                    "restored from. So none can be named.",
                    failure.message()));
    return;
  }
  failure.set_message(fmt::format("{}\nIt was processing the record at {} of {}, from source '{}'; {}.",
                                  failure.message(), origin->position, origin->split, origin->source,
                                  WhatIsDone(origin->policy)));
}

bool PoisonHunt::Knows(const proto::Isolation::Record& record) const {
  return std::any_of(poison_.begin(), poison_.end(), [&record](const proto::Isolation::Record& known) {
    return known.operator_id() == record.operator_id() && known.split() == record.split() &&
           known.position() == record.position();
  });
}

}  // namespace eagre
