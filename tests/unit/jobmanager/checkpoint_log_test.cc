// Who may say that a checkpoint is complete, whatever JobManagers believe of each other.
#include "jobmanager/checkpoint_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/testing/faulty_file_system.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckpointLogTest : public ::testing::Test {
 protected:
  CheckpointLog LogOf(const std::string& writer) { return CheckpointLog(files_, folder_, writer); }

  static std::vector<int64_t> Ids(const StatusOr<CheckpointLog::Claimed>& claimed) {
    EXPECT_TRUE(claimed.ok()) << claimed.status();
    std::vector<int64_t> ids;
    if (!claimed.ok()) return ids;
    for (const proto::CompletedCheckpoint& completion : claimed->completions) ids.push_back(completion.checkpoint_id());
    return ids;
  }
  static std::vector<proto::CompletedCheckpoint> Marked(const std::vector<int64_t>& ids) {
    std::vector<proto::CompletedCheckpoint> marked;
    for (const int64_t id : ids) marked.emplace_back().set_checkpoint_id(id);
    return marked;
  }
  void Damage(const std::string& entry) { scratch_.Write("log/" + entry, scratch_.Read("log/" + entry) + "x"); }
  static Status Append(CheckpointLog& log, int64_t id) {
    proto::CompletedCheckpoint completion;
    completion.set_checkpoint_id(id);
    return log.Append(completion, /*time_ms=*/0);
  }
  size_t Entries() { return files_.List(folder_)->size(); }

  FaultyFileSystem files_;
  ScratchDirectory scratch_;
  const std::string folder_ = JoinPath(scratch_.path(), "log");
};

TEST_F(CheckpointLogTest, WhoTakesOverFindsWhatIsComplete) {
  CheckpointLog a = LogOf("a");
  EXPECT_THAT(Ids(a.Claim(0)), IsEmpty());
  ASSERT_TRUE(Append(a, 1).ok());
  ASSERT_TRUE(Append(a, 2).ok());
  CheckpointLog b = LogOf("b");
  EXPECT_THAT(Ids(b.Claim(0)), ElementsAre(1, 2));
  ASSERT_TRUE(Append(b, 5).ok());
  EXPECT_THAT(Ids(LogOf("c").Claim(0)), ElementsAre(1, 2, 5));
}

TEST_F(CheckpointLogTest, WhoWasTakenOverCompletesNothingAnyMore) {
  CheckpointLog a = LogOf("a");
  ASSERT_TRUE(a.Claim(0).ok());
  ASSERT_TRUE(Append(a, 1).ok());
  CheckpointLog b = LogOf("b");
  ASSERT_TRUE(b.Claim(0).ok());
  EXPECT_EQ(Append(a, 2).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Append(a, 3).code(), absl::StatusCode::kAborted) << "for good";
  EXPECT_EQ(a.Close(0).code(), absl::StatusCode::kAborted);
  ASSERT_TRUE(Append(b, 2).ok());
  EXPECT_THAT(Ids(LogOf("c").Claim(0)), ElementsAre(1, 2));
}

TEST_F(CheckpointLogTest, WhoLeadsNoMoreTakesNothingOver) {
  bool a_leads = true;
  CheckpointLog a(files_, folder_, "a", [&a_leads]() -> Status {
    return a_leads ? OkStatus() : MakeStatus(absl::StatusCode::kAborted, "another leads");
  });
  CheckpointLog b = LogOf("b");
  ASSERT_TRUE(b.Claim(0).ok());
  a_leads = false;
  EXPECT_EQ(a.Claim(0).status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(Append(b, 1).ok()) << "b is not locked out";
}

TEST_F(CheckpointLogTest, WhoComesToLeadMeanwhileIsNotLockedOut) {
  CheckpointLog b = LogOf("b");
  int asked = 0;
  CheckpointLog a(files_, folder_, "a", [&]() -> Status {
    if (++asked > 1) return MakeStatus(absl::StatusCode::kAborted, "another leads");
    EXPECT_TRUE(b.Claim(0).ok()) << "a stands still behind its question";
    return OkStatus();
  });
  EXPECT_EQ(a.Claim(0).status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(Append(b, 1).ok());
}

TEST_F(CheckpointLogTest, WhoLeadsNoMoreClosesNothing) {
  bool a_leads = true;
  CheckpointLog a(files_, folder_, "a", [&a_leads]() -> Status {
    return a_leads ? OkStatus() : MakeStatus(absl::StatusCode::kAborted, "another leads");
  });
  ASSERT_TRUE(a.Claim(0).ok());
  ASSERT_TRUE(Append(a, 1).ok());
  a_leads = false;
  EXPECT_EQ(a.Close(0).code(), absl::StatusCode::kAborted);
  EXPECT_THAT(Ids(LogOf("b").Claim(0)), ElementsAre(1)) << "b goes on from what a had completed";
}

TEST_F(CheckpointLogTest, ANumberThatWasUsedAndRemovedCompletesNothing) {
  CheckpointLog a = LogOf("a");
  ASSERT_TRUE(a.Claim(0).ok());
  CheckpointLog b = LogOf("b");
  ASSERT_TRUE(b.Claim(0).ok());
  CheckpointLog c = LogOf("c");
  ASSERT_TRUE(c.Claim(0).ok());
  ASSERT_TRUE(Append(c, 8).ok());
  c.Trim(1);
  EXPECT_EQ(Append(a, 2).code(), absl::StatusCode::kAborted) << "entry 2, which b had, is free again";
  EXPECT_THAT(Ids(LogOf("d").Claim(0)), ElementsAre(8));
}

TEST_F(CheckpointLogTest, TheLogStaysShort) {
  CheckpointLog log = LogOf("a");
  ASSERT_TRUE(log.Claim(0).ok());
  for (int id = 1; id <= 50; ++id) {
    ASSERT_TRUE(Append(log, id).ok());
    log.Trim(2);
    EXPECT_LE(Entries(), 3u);
  }
  EXPECT_THAT(Ids(LogOf("b").Claim(0)), ElementsAre(49, 50));
}

TEST_F(CheckpointLogTest, AFullDiskFailsOneEntryAndNotTheLog) {
  CheckpointLog log = LogOf("a");
  ASSERT_TRUE(log.Claim(0).ok());
  ASSERT_TRUE(Append(log, 1).ok());
  files_.SetFault([](FaultyFileSystem::Operation operation, const std::string& path) {
    if (operation != FaultyFileSystem::Operation::kAppend) return OkStatus();
    return ResourceExhausted("cannot write to {}: No space left on device", path);
  });
  EXPECT_THAT(std::string(StatusMessage(Append(log, 2))), HasSubstr("No space left"));
  files_.SetFault({});
  ASSERT_TRUE(Append(log, 3).ok());
  EXPECT_THAT(Ids(LogOf("b").Claim(0)), ElementsAre(1, 3));
}

TEST_F(CheckpointLogTest, AnEntryWhoseFolderCouldNotBeSyncedDoesNotLockItsWriterOut) {
  CheckpointLog log = LogOf("a");
  ASSERT_TRUE(log.Claim(0).ok());
  files_.SetFault([this](FaultyFileSystem::Operation operation, const std::string& path) {
    return operation == FaultyFileSystem::Operation::kSync && path == folder_ ? Unavailable("I/O error") : OkStatus();
  });
  EXPECT_EQ(Append(log, 1).code(), absl::StatusCode::kUnavailable);
  files_.SetFault({});
  EXPECT_TRUE(Append(log, 2).ok());
}

TEST_F(CheckpointLogTest, ALogWhoseNewestEntryIsDamagedIsNotTakenOverUnlessThatIsPermitted) {
  CheckpointLog log = LogOf("a");
  ASSERT_TRUE(log.Claim(0).ok());
  ASSERT_TRUE(Append(log, 1).ok());
  ASSERT_TRUE(Append(log, 2).ok());
  Damage("00000003");
  for (int i = 0; i < 2; ++i) {
    CheckpointLog b = LogOf("b");
    const auto claimed = b.Claim(0);
    EXPECT_THAT(Ids(claimed), ElementsAre(1)) << "and the next one finds the damage again";
    EXPECT_EQ(claimed->damage.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(StatusMessage(claimed->damage)), HasSubstr(JoinPath(folder_, "00000003")));
    EXPECT_EQ(Append(b, 5).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(b.Close(0).code(), absl::StatusCode::kFailedPrecondition);
  }
  CheckpointLog c = LogOf("c");
  EXPECT_FALSE(c.Claim(0, {}, /*permits_loss=*/true)->damage.ok());
  ASSERT_TRUE(Append(c, 3).ok());
  const auto claimed = LogOf("d").Claim(0);
  EXPECT_THAT(Ids(claimed), ElementsAre(1, 3));
  EXPECT_TRUE(claimed->damage.ok()) << claimed->damage;
}

TEST_F(CheckpointLogTest, WhatIsMarkedMakesUpForEntriesThatAreGoneOrDamaged) {
  CheckpointLog log = LogOf("a");
  ASSERT_TRUE(log.Claim(0).ok());
  for (const int64_t id : {1, 2, 3}) ASSERT_TRUE(Append(log, id).ok());
  Damage("00000003");
  ASSERT_TRUE(files_.Remove(JoinPath(folder_, "00000004")).ok());
  const auto claimed = LogOf("b").Claim(0, Marked({1, 3}));
  EXPECT_THAT(Ids(claimed), ElementsAre(1, 3));
  EXPECT_TRUE(claimed->damage.ok()) << claimed->damage;
  EXPECT_THAT(Ids(LogOf("c").Claim(0)), ElementsAre(1, 3)) << "it is in the log again";
}

TEST_F(CheckpointLogTest, DamageBehindWhichThereAreNewerEntriesCostsOlderCheckpointsOnly) {
  for (const char* entry : {"00000001", "00000002", "00000003"}) {
    SCOPED_TRACE(entry);
    ASSERT_TRUE(files_.RemoveTree(folder_).ok());
    CheckpointLog a = LogOf("a");
    ASSERT_TRUE(a.Claim(0).ok());
    ASSERT_TRUE(Append(a, 1).ok());
    CheckpointLog b = LogOf("b");
    ASSERT_TRUE(b.Claim(0).ok());
    ASSERT_TRUE(Append(b, 2).ok());
    Damage(entry);
    const auto claimed = LogOf("c").Claim(0);
    EXPECT_THAT(Ids(claimed), ElementsAre(1, 2));
    EXPECT_TRUE(claimed->damage.ok()) << claimed->damage;
  }
}

}  // namespace
}  // namespace eagre
