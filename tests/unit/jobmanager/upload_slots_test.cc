#include "jobmanager/upload_slots.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/testing/manual_executor.h"

namespace eagre {
namespace {

class FakeUpload final : public UploadSlots::Upload {
 public:
  explicit FakeUpload(const Clock& clock) : clock_(clock), heard_ns_(clock.MonotonicNs()) {}
  int64_t last_heard_ns() const override { return heard_ns_; }
  bool MakeRoom() override {
    ended_ = !complete_;
    return ended_;
  }
  void Hear() { heard_ns_ = clock_.MonotonicNs(); }

  bool complete_ = false;
  bool ended_ = false;

 private:
  const Clock& clock_;
  int64_t heard_ns_;
};

class UploadSlotsTest : public ::testing::Test {
 protected:
  std::shared_ptr<FakeUpload> New() const { return std::make_shared<FakeUpload>(executor_.clock()); }

  ManualExecutor executor_;
  UploadSlots slots_{executor_.clock(), 2, 10'000};
};

TEST_F(UploadSlotsTest, WhoIsHeardOfKeepsItsPlaceAndWhoLeavesGivesItUp) {
  const auto first = New();
  const auto second = New();
  EXPECT_TRUE(slots_.Enter(first));
  EXPECT_TRUE(slots_.Enter(second));
  executor_.Advance(9'999);
  EXPECT_FALSE(slots_.Enter(New()));
  first->Hear();
  second->Hear();
  executor_.Advance(9'999);
  EXPECT_FALSE(slots_.Enter(New()));
  EXPECT_FALSE(first->ended_ || second->ended_);
  slots_.Leave(first.get());
  slots_.Leave(first.get());
  EXPECT_TRUE(slots_.Enter(New()));
  EXPECT_FALSE(slots_.Enter(New()));
}

TEST_F(UploadSlotsTest, WhoHasBeenSilentLongestMakesRoomUnlessItIsComplete) {
  const auto first = New();
  EXPECT_TRUE(slots_.Enter(first));
  executor_.Advance(1'000);
  const auto second = New();
  EXPECT_TRUE(slots_.Enter(second));
  executor_.Advance(9'000);
  first->complete_ = true;
  EXPECT_FALSE(slots_.Enter(New())) << "the second was heard of 9 s ago";
  executor_.Advance(1'000);
  const auto third = New();
  EXPECT_TRUE(slots_.Enter(third));
  EXPECT_FALSE(first->ended_);
  EXPECT_TRUE(second->ended_);
  executor_.Advance(10'000);
  first->complete_ = false;
  EXPECT_TRUE(slots_.Enter(New()));
  EXPECT_TRUE(first->ended_);
  EXPECT_FALSE(third->ended_);
}

}  // namespace
}  // namespace eagre
