#include "jobmanager/slot_assignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eagre {
namespace {

using ::testing::ElementsAre;

TEST(SlotAssignmentTest, DealsRoundRobin) {
  const auto groups = AssignSlots({{"a", 4}, {"b", 4}}, 5);
  ASSERT_TRUE(groups.has_value());
  ASSERT_EQ(groups->size(), 2u);
  EXPECT_THAT((*groups)[0].job_slots, ElementsAre(0, 2, 4));
  EXPECT_THAT((*groups)[1].job_slots, ElementsAre(1, 3));
}

TEST(SlotAssignmentTest, GoesOnWithThoseThatHaveSlotsLeft) {
  const auto groups = AssignSlots({{"a", 1}, {"b", 0}, {"c", 3}}, 4);
  ASSERT_TRUE(groups.has_value());
  ASSERT_EQ(groups->size(), 2u);
  EXPECT_EQ((*groups)[0].task_manager_id, "c") << "the emptiest comes first";
  EXPECT_THAT((*groups)[0].job_slots, ElementsAre(0, 2, 3));
  EXPECT_THAT((*groups)[1].job_slots, ElementsAre(1));
}

TEST(SlotAssignmentTest, UsesNobodyItDoesNotNeed) {
  const auto groups = AssignSlots({{"a", 2}, {"b", 2}}, 1);
  ASSERT_TRUE(groups.has_value());
  EXPECT_EQ(groups->size(), 1u);
}

TEST(SlotAssignmentTest, ASlotGoesBackToWhoeverHadIt) {
  const auto groups = AssignSlots({{"a", 2}, {"b", 2}, {"c", 2}}, 4, {{"b"}, {"c"}, {"b"}, {"c"}});
  ASSERT_TRUE(groups.has_value());
  ASSERT_EQ(groups->size(), 2u);
  EXPECT_EQ((*groups)[0].task_manager_id, "b");
  EXPECT_THAT((*groups)[0].job_slots, ElementsAre(0, 2));
  EXPECT_THAT((*groups)[1].job_slots, ElementsAre(1, 3));
}

TEST(SlotAssignmentTest, WhatNobodyCanHaveBackIsSpreadOverTheOthers) {
  // "lost" is gone, "b" has a slot less than before.
  const auto groups = AssignSlots({{"a", 2}, {"b", 1}, {"c", 3}}, 5, {{"lost"}, {"b"}, {"lost"}, {"b"}, {}});
  ASSERT_TRUE(groups.has_value());
  ASSERT_EQ(groups->size(), 3u);
  EXPECT_EQ((*groups)[0].task_manager_id, "c");
  EXPECT_THAT((*groups)[0].job_slots, ElementsAre(0, 3));
  EXPECT_EQ((*groups)[1].task_manager_id, "a");
  EXPECT_THAT((*groups)[1].job_slots, ElementsAre(2, 4));
  EXPECT_THAT((*groups)[2].job_slots, ElementsAre(1));
}

TEST(SlotAssignmentTest, ATaskManagerOfTheSameHostTakesThePlaceOfOneThatIsGone) {
  const auto groups = AssignSlots({{"a", 4, "one"}, {"new", 1, "two"}, {"b", 1, "two"}}, 3,
                                  {{"gone", "two"}, {"b", "two"}, {"gone", "two"}});
  ASSERT_TRUE(groups.has_value());
  ASSERT_EQ(groups->size(), 3u);
  EXPECT_EQ((*groups)[1].task_manager_id, "new");
  EXPECT_THAT((*groups)[1].job_slots, ElementsAre(0));
  EXPECT_EQ((*groups)[2].task_manager_id, "b");
  EXPECT_THAT((*groups)[2].job_slots, ElementsAre(1)) << "whoever lives comes before those that take a place";
  EXPECT_THAT((*groups)[0].job_slots, ElementsAre(2)) << "there is no slot left on the host";
}

TEST(SlotAssignmentTest, AllOrNothing) {
  EXPECT_FALSE(AssignSlots({{"a", 1}, {"b", 1}}, 3).has_value());
  EXPECT_FALSE(AssignSlots({}, 1).has_value());
}

}  // namespace
}  // namespace eagre
