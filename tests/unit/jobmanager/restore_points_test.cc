// Which checkpoint a job goes on from when the newest is damaged.
#include "jobmanager/restore_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "jobmanager/checkpoint_storage.h"
#include "state/checkpointed_state.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Two checkpoints, 1 and 2, of a job whose sink commits when `commits`, each with a file of its own.
class RestorePointsTest : public ::testing::Test {
 protected:
  void TakeCheckpoints(bool commits) {
    CheckpointStorage storage(PosixFileSystem(), Folder(), "first", /*retained=*/2);
    ASSERT_TRUE(storage.Open(0).ok());
    for (int64_t id : {1, 2}) {
      const std::string file = fmt::format("shared/0-{}-v0-s0.state", id);
      scratch_.Write("job/" + file, "state");
      CheckpointStorage::Request request;
      request.metadata.set_files_root("..");
      request.completion.set_checkpoint_id(id);
      proto::SubtaskSnapshot& subtask = *request.metadata.add_operators()->add_subtasks();
      proto::StateSnapshot& state = *subtask.add_states();
      state.set_name(commits ? kCommittablesStateName : "keyed state");
      state.add_segments()->set_file(file);
      state.mutable_segments(0)->set_length(5);
      ASSERT_TRUE(storage.Complete(request).ok());
    }
  }
  std::string Folder() const { return JoinPath(scratch_.path(), "job"); }
  void Flip(const std::string& file) {
    std::string bytes = scratch_.Read(file);
    bytes[bytes.size() / 2] ^= 1;
    scratch_.Write(file, bytes);
  }
  // What a JobManager that takes the job over goes on from, or why it does not.
  std::string TakenAfterwards(bool permits_duplicates) {
    CheckpointStorage storage(PosixFileSystem(), Folder(), fmt::format("writer{}", ++writers_), /*retained=*/2);
    auto opened = storage.Open(0);
    if (!opened.ok()) return std::string(StatusMessage(opened.status()));
    RestorePoints points(2, permits_duplicates);
    if (const Status chosen = points.Open(std::move(opened->points)); !chosen.ok()) {
      return std::string(StatusMessage(chosen));
    }
    return points.newest() == nullptr ? "nothing" : std::string(BaseName(points.newest()->path));
  }

  ScratchDirectory scratch_;
  int writers_ = 0;
};

TEST_F(RestorePointsTest, AnOlderCheckpointIsTakenOnlyWhenNoSinkHasCommittedALaterOne) {
  struct Damage {
    const char* name;
    std::function<void()> damage;
    const char* complaint;
    bool readable;  // whether the metadata still says that there was nothing to commit
  };
  const std::string file = JoinPath(Folder(), "shared/0-2-v0-s0.state");
  const std::string metadata = JoinPath(Folder(), "chk-2/_metadata");
  const std::vector<Damage> damages = {
      {"a flipped bit in the metadata", [&] { Flip("job/chk-2/_metadata"); }, "damaged", false},
      {"the metadata cut off", [&] { scratch_.Write("job/chk-2/_metadata", "eagreckp"); }, "_metadata", false},
      {"a foreign file as metadata", [&] { scratch_.Write("job/chk-2/_metadata", "a photograph of a cat"); },
       "_metadata", false},
      {"no metadata", [&] { ASSERT_TRUE(PosixFileSystem().Remove(metadata).ok()); }, "chk-2", false},
      {"a missing file", [&] { ASSERT_TRUE(PosixFileSystem().Remove(file).ok()); }, "is missing", true},
      {"a file cut off", [&] { scratch_.Write("job/shared/0-2-v0-s0.state", "sta"); }, "cut off", true},
  };
  for (const Damage& damage : damages) {
    for (const bool commits : {false, true}) {
      SCOPED_TRACE(fmt::format("{}, commits: {}", damage.name, commits));
      ASSERT_TRUE(PosixFileSystem().RemoveTree(Folder()).ok());
      TakeCheckpoints(commits);
      EXPECT_EQ(TakenAfterwards(/*permits_duplicates=*/false), "chk-2");
      damage.damage();
      EXPECT_EQ(TakenAfterwards(/*permits_duplicates=*/true), "chk-1");
      const std::string taken = TakenAfterwards(/*permits_duplicates=*/false);
      if (commits || !damage.readable) {
        EXPECT_THAT(taken, AllOf(HasSubstr("chk-2"), HasSubstr(damage.complaint), HasSubstr("chk-1"),
                                 HasSubstr("execution.checkpointing.recover-with-duplicates")));
      } else {
        EXPECT_EQ(taken, "chk-1");
      }
    }
  }
}

// The log has entries 1, a claim, and 2 and 3, of the two checkpoints.
TEST_F(RestorePointsTest, ALogThatHasLostItsNewestEntryIsAsADamagedCheckpoint) {
  struct Damage {
    const char* name;
    std::function<void()> damage;
    const char* complaint;  // empty: the checkpoint's mark makes up for it
    bool readable;          // whether the metadata still says that there was nothing to commit
  };
  const auto remove = [this](const char* file) {
    ASSERT_TRUE(PosixFileSystem().Remove(JoinPath(Folder(), file)).ok());
  };
  const std::vector<Damage> damages = {
      {"no entry", [&] { remove("log/00000003"); }, "", true},
      {"a flipped bit in the entry", [&] { Flip("job/log/00000003"); }, "", true},
      {"no entry, and an empty mark",
       [&] {
         remove("log/00000003");
         scratch_.Write("job/chk-2/_complete", "");
       },
       "it is whole: to go on with it, start the job anew with -s", true},
      {"a flipped bit in the entry, and none else that knows of it",
       [&] {
         Flip("job/log/00000003");
         remove("chk-2/_complete");
       },
       "log/00000003 is damaged", false},
      {"the entry cut off, and the checkpoint gone",
       [&] {
         scratch_.Write("job/log/00000003", "eagrelog");
         ASSERT_TRUE(PosixFileSystem().RemoveTree(JoinPath(Folder(), "chk-2")).ok());
       },
       "log/00000003 is cut off", false},
  };
  for (const Damage& damage : damages) {
    for (const bool commits : {false, true}) {
      SCOPED_TRACE(fmt::format("{}, commits: {}", damage.name, commits));
      ASSERT_TRUE(PosixFileSystem().RemoveTree(Folder()).ok());
      TakeCheckpoints(commits);
      damage.damage();
      const std::string whole = *damage.complaint == '\0' ? "chk-2" : "chk-1";
      for (int i = 0; i < 2; ++i) {
        const std::string taken = TakenAfterwards(/*permits_duplicates=*/false);
        if (whole == "chk-2" || (damage.readable && !commits)) {
          EXPECT_EQ(taken, whole);
        } else {
          EXPECT_THAT(taken, AllOf(HasSubstr(damage.complaint), HasSubstr("chk-1 is older and whole"),
                                   HasSubstr("execution.checkpointing.recover-with-duplicates")));
        }
      }
      EXPECT_EQ(TakenAfterwards(/*permits_duplicates=*/true), whole);
    }
  }
}

TEST_F(RestorePointsTest, WithoutAnOlderOneTheJobStopsWhateverIsPermitted) {
  TakeCheckpoints(/*commits=*/false);
  Flip("job/chk-2/_metadata");
  Flip("job/chk-1/_metadata");
  EXPECT_THAT(TakenAfterwards(true), HasSubstr("there is no older one (execution.checkpointing.num-retained)"));
}

TEST_F(RestorePointsTest, OnlyTheRetainedOnesAreFallenBackTo) {
  RestorePoints points(/*retained=*/2, /*permits_duplicates=*/true);
  for (const char* path : {"1", "2", "3"}) points.Add({.completion = {}, .path = path, .commits = true, .usable = {}});
  EXPECT_TRUE(points.DropNewest(DataLoss("bad")).ok());
  EXPECT_EQ(points.newest()->path, "2");
  EXPECT_FALSE(points.DropNewest(DataLoss("bad")).ok());
}

}  // namespace
}  // namespace eagre
