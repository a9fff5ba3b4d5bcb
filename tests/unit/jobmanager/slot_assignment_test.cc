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

TEST(SlotAssignmentTest, AllOrNothing) {
  EXPECT_FALSE(AssignSlots({{"a", 1}, {"b", 1}}, 3).has_value());
  EXPECT_FALSE(AssignSlots({}, 1).has_value());
}

}  // namespace
}  // namespace eagre
