#include "jobmanager/poison_hunt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/record_origin.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

proto::FailureInfo FailureIn(const std::string& operator_id, const std::string& origin = "") {
  proto::FailureInfo failure;
  failure.set_message("no such account");
  if (!operator_id.empty()) failure.set_operator_name("Map");  // of all, as where a job names none
  failure.set_operator_id(operator_id);
  failure.set_origin(origin);
  failure.set_in_user_code(true);
  return failure;
}

RecordOrigin Payment(Poison policy) {
  return {.operator_id = "a1", .source = "payments", .split = "/in/a\tb@0-9", .position = "byte 7", .policy = policy};
}

TEST(PoisonHuntTest, BeginsAfterFailuresInARowInTheSameOperator) {
  PoisonHunt hunt(2);
  hunt.BeginAttempt(nullptr);
  const proto::FailureInfo first = FailureIn("risk");
  const proto::FailureInfo other = FailureIn("alerts");
  const proto::FailureInfo lost = FailureIn("");  // a TaskManager
  hunt.BeginAttempt(&first);
  EXPECT_FALSE(hunt.isolating());
  hunt.BeginAttempt(&other);
  EXPECT_FALSE(hunt.isolating());
  hunt.BeginAttempt(&first);
  hunt.BeginAttempt(&lost);
  hunt.BeginAttempt(&first);
  EXPECT_FALSE(hunt.isolating());
  hunt.BeginAttempt(&first);
  EXPECT_TRUE(hunt.isolating());
  PoisonHunt never(0);
  for (int i = 0; i < 5; ++i) never.BeginAttempt(&first);
  EXPECT_FALSE(never.isolating());
}

TEST(PoisonHuntTest, ARecordThatIsNamedIsPutAsideByAllLaterAttemptsWhenItsSourceSaysSo) {
  PoisonHunt hunt(1);
  proto::FailureInfo failure = FailureIn("risk");
  hunt.BeginAttempt(&failure);
  failure = FailureIn("risk", Payment(Poison::kSkip).Encode());
  hunt.Explain(failure);
  EXPECT_THAT(failure.message(), AllOf(HasSubstr("no such account"), HasSubstr("the record at byte 7 of /in/a\tb@0-9"),
                                       HasSubstr("source 'payments'"), HasSubstr("skipped from now on")));
  hunt.BeginAttempt(&failure);
  hunt.BeginAttempt(nullptr);
  EXPECT_TRUE(hunt.isolating());
  proto::Isolation isolation;
  hunt.Fill(isolation);
  ASSERT_EQ(isolation.poison_size(), 1);
  EXPECT_EQ(isolation.poison(0).operator_id(), "a1");
  EXPECT_EQ(isolation.poison(0).split(), "/in/a\tb@0-9");
  EXPECT_EQ(isolation.poison(0).position(), "byte 7");
}

TEST(PoisonHuntTest, ARecordOfASourceThatFailsIsOnlyNamed) {
  PoisonHunt hunt(1);
  proto::FailureInfo failure = FailureIn("risk");
  hunt.BeginAttempt(&failure);
  failure = FailureIn("risk", Payment(Poison::kFail).Encode());
  hunt.Explain(failure);
  EXPECT_THAT(failure.message(), HasSubstr(".OnPoison(Poison::kSkip)"));
  hunt.BeginAttempt(&failure);
  proto::Isolation isolation;
  hunt.Fill(isolation);
  EXPECT_EQ(isolation.poison_size(), 0);
}

TEST(PoisonHuntTest, WhatNeitherThrewNorCrashedInUserCodeIsNoRecordsFault) {
  PoisonHunt hunt(1);
  proto::FailureInfo full = FailureIn("files", Payment(Poison::kSkip).Encode());
  full.set_in_user_code(false);
  hunt.BeginAttempt(&full);
  EXPECT_FALSE(hunt.isolating()) << "a full disk is not looked for record by record";
  const proto::FailureInfo thrown = FailureIn("risk");
  hunt.BeginAttempt(&thrown);
  ASSERT_TRUE(hunt.isolating());
  proto::FailureInfo none = FailureIn("files");
  none.set_in_user_code(false);
  hunt.Explain(none);
  EXPECT_EQ(none.message(), "no such account");
  hunt.Explain(full);
  EXPECT_THAT(full.message(), AllOf(HasSubstr("the record at byte 7 of"), HasSubstr("which is kept"),
                                    Not(HasSubstr("skipped")), Not(HasSubstr("OnPoison"))));
  hunt.BeginAttempt(&full);
  proto::Isolation isolation;
  hunt.Fill(isolation);
  EXPECT_EQ(isolation.poison_size(), 0);
}

TEST(PoisonHuntTest, AFailureOutsideOfARecordSaysSoButOnlyWhileItHunts) {
  PoisonHunt hunt(1);
  proto::FailureInfo failure = FailureIn("risk");
  hunt.Explain(failure);
  EXPECT_EQ(failure.message(), "no such account");
  hunt.BeginAttempt(&failure);
  hunt.Explain(failure);
  EXPECT_THAT(failure.message(), HasSubstr("It was not processing a record"));
}

TEST(RecordOriginTest, WhateverItsNamesHoldItIsOneLine) {
  const RecordOrigin origin = Payment(Poison::kSideOutput);
  EXPECT_EQ(origin.Encode().find('\n'), std::string::npos);
  const auto decoded = RecordOrigin::Decode(origin.Encode());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->split, origin.split);
  EXPECT_EQ(decoded->policy, Poison::kSideOutput);
  EXPECT_FALSE(RecordOrigin::Decode("").has_value());
  EXPECT_FALSE(RecordOrigin::Decode("7\ta\tb\tc\td").has_value());
}

}  // namespace
}  // namespace eagre
