#include "jobmanager/checkpoint_storage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "jobmanager/restore_check.h"
#include "state/checkpoint_metadata.h"
#include "tests/testing/faulty_file_system.h"
#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Operation = FaultyFileSystem::Operation;

class CheckpointStorageTest : public ::testing::Test {
 protected:
  CheckpointStorage StorageOf(const std::string& writer, size_t retained = 1) {
    return CheckpointStorage(files_, JoinPath(scratch_.path(), "job"), writer, retained);
  }
  void WriteShared(const std::vector<std::string>& names) {
    for (const std::string& name : names) scratch_.Write("job/shared/" + name, "state of " + name);
  }
  static CheckpointStorage::Request RequestOf(int64_t id, int attempt, const std::vector<std::string>& names) {
    CheckpointStorage::Request request;
    request.metadata.set_checkpoint_id(id);
    request.metadata.set_files_root("..");
    proto::StateSnapshot& state = *request.metadata.add_operators()->add_subtasks()->add_states();
    for (const std::string& name : names) {
      proto::StateSegment& segment = *state.add_segments();
      segment.set_file("shared/" + name);
      segment.set_length(std::string("state of " + name).size());
    }
    request.completion.set_checkpoint_id(id);
    request.completion.set_attempt(attempt);
    return request;
  }
  std::vector<std::string> NamesIn(const std::string& folder) {
    std::vector<std::string> names;
    const auto entries = files_.List(JoinPath(scratch_.path(), folder));
    EXPECT_TRUE(entries.ok()) << entries.status();
    if (!entries.ok()) return names;
    for (const FileInfo& entry : *entries) names.emplace_back(BaseName(entry.path));
    return names;
  }

  FaultyFileSystem files_;
  ScratchDirectory scratch_;
};

TEST_F(CheckpointStorageTest, FilesLiveAsLongAsARetainedCheckpointRefersToThem) {
  CheckpointStorage storage = StorageOf("a", /*retained=*/2);
  ASSERT_TRUE(storage.Open(0).ok());
  WriteShared({"0-1-a", "0-2-a", "0-3-a", "0-4-a", "foreign"});
  const std::vector<std::vector<std::string>> checkpoints = {
      {"0-1-a"}, {"0-1-a", "0-2-a"}, {"0-2-a", "0-3-a"}, {"0-3-a"}};
  const std::vector<std::vector<std::string>> left = {
      {"0-1-a", "0-2-a", "0-3-a", "0-4-a", "foreign"},
      {"0-1-a", "0-2-a", "0-3-a", "0-4-a", "foreign"},
      {"0-1-a", "0-2-a", "0-3-a", "0-4-a", "foreign"},
      {"0-2-a", "0-3-a", "foreign"},  // 0-4-a belonged to the checkpoint that is complete without it
  };
  for (size_t i = 0; i < checkpoints.size(); ++i) {
    ASSERT_TRUE(storage.Complete(RequestOf(static_cast<int64_t>(i) + 1, 0, checkpoints[i])).ok());
    storage.DeleteUnused();
    EXPECT_EQ(NamesIn("job/shared"), left[i]) << "after checkpoint " << i + 1;
  }
  EXPECT_THAT(NamesIn("job"), ElementsAre("chk-3", "chk-4", "log", "shared"));
}

TEST_F(CheckpointStorageTest, WhatAnEarlierAttemptLeftIsDeletedAndWhatIsBeingWrittenIsNot) {
  CheckpointStorage storage = StorageOf("a");
  ASSERT_TRUE(storage.Open(0).ok());
  WriteShared({"0-9-late", "1-3-a", "1-4-next"});
  ASSERT_TRUE(storage.Complete(RequestOf(3, 1, {"1-3-a"})).ok());
  storage.DeleteUnused();
  EXPECT_THAT(NamesIn("job/shared"), ElementsAre("1-3-a", "1-4-next"));
}

// A base belongs to no checkpoint until one refers to it.
TEST_F(CheckpointStorageTest, BasesLiveWhileTheyAreWrittenAndWhileACheckpointRefersToThem) {
  CheckpointStorage storage = StorageOf("a");
  ASSERT_TRUE(storage.Open(0).ok());
  WriteShared({"0-1-a", "0-base1-a", "0-base2-a", "0-2-a", "0-3-a", "1-4-a"});
  const std::vector<std::vector<std::string>> checkpoints = {{"0-1-a"}, {"0-base1-a", "0-2-a"}, {"0-base2-a", "0-3-a"}};
  const std::vector<std::vector<std::string>> left = {
      {"0-1-a", "0-2-a", "0-3-a", "0-base1-a", "0-base2-a", "1-4-a"},
      {"0-2-a", "0-3-a", "0-base1-a", "0-base2-a", "1-4-a"},
      {"0-3-a", "0-base2-a", "1-4-a"},
  };
  for (size_t i = 0; i < checkpoints.size(); ++i) {
    ASSERT_TRUE(storage.Complete(RequestOf(static_cast<int64_t>(i) + 1, 0, checkpoints[i])).ok());
    storage.DeleteUnused();
    EXPECT_EQ(NamesIn("job/shared"), left[i]) << "after checkpoint " << i + 1;
  }
  ASSERT_TRUE(storage.Complete(RequestOf(4, 1, {"1-4-a"})).ok());
  storage.DeleteUnused();
  EXPECT_THAT(NamesIn("job/shared"), ElementsAre("1-4-a")) << "of an attempt that is over";
}

// However often the job is restarted before a checkpoint is complete.
TEST_F(CheckpointStorageTest, WhatEarlierAttemptsLeftIsDeletedWhenTheNextOneRuns) {
  CheckpointStorage storage = StorageOf("a");
  ASSERT_TRUE(storage.Open(0).ok());
  WriteShared({"0-1-a", "0-2-a", "0-base1-a", "foreign"});
  storage.DeleteLeftBefore(1);
  EXPECT_THAT(NamesIn("job/shared"), ElementsAre("foreign")) << "no checkpoint was ever complete";

  WriteShared({"1-3-a", "1-base1-a", "1-4-a", "2-5-a"});
  ASSERT_TRUE(storage.Complete(RequestOf(3, 1, {"1-3-a", "1-base1-a"})).ok());
  storage.DeleteLeftBefore(2);
  EXPECT_THAT(NamesIn("job/shared"), ElementsAre("1-3-a", "1-base1-a", "2-5-a", "foreign"));

  CheckpointStorage successor = StorageOf("b");
  ASSERT_TRUE(successor.Open(0).ok());
  successor.DeleteLeftBefore(3);
  EXPECT_THAT(NamesIn("job/shared"), ElementsAre("1-3-a", "1-base1-a", "foreign"));
}

TEST_F(CheckpointStorageTest, WhatMayBeCompleteOrCannotBeReadKeepsItsFilesInALaterAttempt) {
  {
    CheckpointStorage storage = StorageOf("a", /*retained=*/2);
    ASSERT_TRUE(storage.Open(0).ok());
    WriteShared({"0-1-a", "0-2-a"});
    ASSERT_TRUE(storage.Complete(RequestOf(1, 0, {"0-1-a"})).ok());
    // The entry is there, and may not survive a crash.
    files_.SetFault([](Operation operation, const std::string& path) {
      return operation == Operation::kSync && path.ends_with("/log") ? Unavailable("I/O error") : OkStatus();
    });
    EXPECT_FALSE(storage.Complete(RequestOf(2, 0, {"0-2-a"})).ok());
    EXPECT_TRUE(storage.may_stand());
    files_.SetFault({});
    storage.DeleteLeftBefore(1);
    EXPECT_THAT(NamesIn("job/shared"), ElementsAre("0-1-a", "0-2-a"));
  }
  scratch_.Write("job/chk-1/_metadata", "damaged");
  CheckpointStorage successor = StorageOf("b", /*retained=*/2);
  const auto opened = successor.Open(0);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->points.size(), 2u);
  EXPECT_EQ(opened->points[1].completion.checkpoint_id(), 2);
  EXPECT_TRUE(opened->points[1].usable.ok()) << opened->points[1].usable;
  successor.DeleteLeftBefore(2);
  EXPECT_THAT(NamesIn("job/shared"), ElementsAre("0-1-a", "0-2-a"));
}

TEST_F(CheckpointStorageTest, ASuccessorGoesOnWithTheNewestAndWithNewNumbers) {
  {
    CheckpointStorage storage = StorageOf("a");
    const auto opened = storage.Open(0);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->next_checkpoint_id, 1);
    EXPECT_THAT(opened->points, IsEmpty());
    WriteShared({"0-1-a", "0-6-unfinished"});
    ASSERT_TRUE(storage.Complete(RequestOf(1, 0, {"0-1-a"})).ok());
  }
  CheckpointStorage successor = StorageOf("b");
  const auto opened = successor.Open(0);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->points.size(), 1u);
  EXPECT_EQ(opened->points[0].path, JoinPath(scratch_.path(), "job/chk-1"));
  EXPECT_EQ(opened->next_checkpoint_id, 7);
  successor.DeleteUnused();
  EXPECT_THAT(NamesIn("job/shared"), ElementsAre("0-1-a", "0-6-unfinished")) << "others may still write";
}

TEST_F(CheckpointStorageTest, OneThatWasTakenOverLeavesEverythingAlone) {
  CheckpointStorage a = StorageOf("a");
  ASSERT_TRUE(a.Open(0).ok());
  WriteShared({"0-1-a", "0-2-a"});
  ASSERT_TRUE(a.Complete(RequestOf(1, 0, {"0-1-a"})).ok());
  CheckpointStorage b = StorageOf("b");
  ASSERT_TRUE(b.Open(0).ok());
  EXPECT_EQ(a.Complete(RequestOf(2, 0, {"0-2-a"})).status().code(), absl::StatusCode::kAborted);
  a.DeleteAll(0);
  EXPECT_THAT(NamesIn("job"), ElementsAre("chk-1", "log", "shared"));
  ASSERT_TRUE(b.Complete(RequestOf(3, 1, {"0-1-a"})).ok());
  EXPECT_EQ(StorageOf("c").Open(0)->points.back().completion.checkpoint_id(), 3);
}

// Of a checkpoint that a successor has found complete, although who completed it was told that it is not.
TEST_F(CheckpointStorageTest, WhoIsTakenOverBehindItsEntryLeavesTheCheckpointToItsSuccessor) {
  CheckpointStorage a = StorageOf("a");
  CheckpointStorage b = StorageOf("b");
  ASSERT_TRUE(a.Open(0).ok());
  WriteShared({"0-1-a"});
  bool entry_stands = false;
  files_.SetFault([&](Operation operation, const std::string& path) {
    const bool syncs_log = operation == Operation::kSync && path.ends_with("/log");
    if (syncs_log && !std::exchange(entry_stands, true)) {
      EXPECT_TRUE(b.Open(0).ok()) << "while a stands still";
    }
    return OkStatus();
  });
  EXPECT_EQ(a.Complete(RequestOf(1, 0, {"0-1-a"})).status().code(), absl::StatusCode::kAborted);
  const auto opened = StorageOf("c").Open(0);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->points.size(), 1u);
  EXPECT_TRUE(opened->points[0].usable.ok()) << opened->points[0].usable;
}

TEST_F(CheckpointStorageTest, WhatStandsInTheLogUnsyncedStaysUsable) {
  CheckpointStorage a = StorageOf("a");
  ASSERT_TRUE(a.Open(0).ok());
  WriteShared({"0-1-a", "0-2-a"});
  files_.SetFault([&](Operation operation, const std::string& path) {
    return operation == Operation::kSync && path.ends_with("/log") ? Unavailable("cannot sync {}", path) : OkStatus();
  });
  EXPECT_FALSE(a.Complete(RequestOf(1, 0, {"0-1-a"})).ok());
  files_.SetFault({});
  const auto opened = StorageOf("b").Open(0);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->points.size(), 1u);
  EXPECT_TRUE(opened->points[0].usable.ok()) << opened->points[0].usable;
}

TEST_F(CheckpointStorageTest, WhenAllThatIsExpectedIsGoneNothingIsMadeAndTheMessageSaysWhatToDo) {
  const std::string folder = JoinPath(scratch_.path(), "job");
  const auto open = [&](CheckpointStorage storage, const std::string& directory) {
    const Status status = storage.Open(0, {.directory = directory}).status();
    storage.DeleteAll(0);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    return std::string(StatusMessage(status));
  };
  EXPECT_THAT(open(StorageOf("a"), folder), AllOf(HasSubstr(folder + "/log, is empty or gone"), HasSubstr("mounted")));
  EXPECT_FALSE(files_.Exists(folder));
  EXPECT_THAT(open(StorageOf("a"), "/before/job"), HasSubstr("they were in /before/job"));

  CheckpointStorage storage = StorageOf("a", /*retained=*/2);
  ASSERT_TRUE(storage.Open(0).ok());
  WriteShared({"0-1-a", "0-2-a"});
  ASSERT_TRUE(storage.Complete(RequestOf(1, 0, {"0-1-a"})).ok());
  ASSERT_TRUE(storage.Complete(RequestOf(2, 0, {"0-2-a"})).ok());
  ASSERT_TRUE(files_.RemoveTree(folder + "/log").ok());
  EXPECT_THAT(open(StorageOf("b"), folder), HasSubstr("start the job anew with -s " + folder + "/chk-2"));
  EXPECT_THAT(NamesIn("job"), ElementsAre("chk-1", "chk-2", "shared"));
  ASSERT_TRUE(files_.Remove(folder + "/shared/0-2-a").ok());
  EXPECT_THAT(open(StorageOf("b"), folder), HasSubstr("start the job anew with -s " + folder + "/chk-1"));
}

TEST_F(CheckpointStorageTest, ACheckpointThatIsExpectedAndThatTheLogDoesNotHaveIsNotUsable) {
  CheckpointStorage a = StorageOf("a");
  ASSERT_TRUE(a.Open(0).ok());
  WriteShared({"0-1-a"});
  ASSERT_TRUE(a.Complete(RequestOf(1, 0, {"0-1-a"})).ok());
  const auto opened = StorageOf("b").Open(0, {.directory = a.directory(), .newest_id = 1});
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->points.size(), 1u);
  EXPECT_TRUE(opened->points[0].usable.ok());
  const auto older = StorageOf("c").Open(0, {.directory = a.directory(), .newest_id = 7});
  ASSERT_TRUE(older.ok()) << older.status();
  ASSERT_EQ(older->points.size(), 2u);
  EXPECT_EQ(older->points[1].path, a.directory() + "/chk-7");
  EXPECT_EQ(older->points[1].usable.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(older->points[1].commits);
  EXPECT_EQ(older->next_checkpoint_id, 8);
}

TEST_F(CheckpointStorageTest, AMarkThatCannotBeWrittenHarmsNothing) {
  CheckpointStorage storage = StorageOf("a");
  ASSERT_TRUE(storage.Open(0).ok());
  WriteShared({"0-1-a"});
  files_.SetFault([](Operation operation, const std::string& path) {
    const bool hit = operation == Operation::kAppend && path.ends_with("/_complete");
    return hit ? ResourceExhausted("cannot write to {}: No space left on device", path) : OkStatus();
  });
  ASSERT_TRUE(storage.Complete(RequestOf(1, 0, {"0-1-a"})).ok());
  files_.SetFault({});
  const auto opened = StorageOf("b").Open(0);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->points.back().usable.ok());
  ASSERT_TRUE(files_.RemoveTree(JoinPath(scratch_.path(), "job/log")).ok());
  EXPECT_EQ(StorageOf("c").Open(0)->points.size(), 1u) << "who went on from it has marked it";
}

TEST_F(CheckpointStorageTest, AMetadataFileOfAnotherIsNotReplaced) {
  CheckpointStorage storage = StorageOf("a");
  ASSERT_TRUE(storage.Open(0).ok());
  scratch_.Write("job/chk-1/_metadata", "of another");
  EXPECT_EQ(storage.Complete(RequestOf(1, 0, {})).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(scratch_.Read("job/chk-1/_metadata"), "of another");
}

// Each fault lets checkpoint 2 and its savepoint fail; checkpoint 1 stays what a restart begins with, and 3 succeeds.
TEST_F(CheckpointStorageTest, AFailureLeavesNothingOfACheckpointAndHarmsNoOther) {
  struct Case {
    const char* name;
    Operation operation;
    const char* in_path;
  };
  const std::vector<Case> cases = {{"the disk is full for the metadata", Operation::kAppend, "chk-2/_metadata"},
                                   {"the metadata cannot be synced", Operation::kSync, "chk-2/_metadata"},
                                   {"the metadata cannot be named", Operation::kLink, "chk-2/_metadata"},
                                   {"the disk is full for the log", Operation::kAppend, "/log/"},
                                   {"the log cannot be written", Operation::kOpen, "/log/"},
                                   {"the disk is full for the savepoint", Operation::kAppend, "sp/_metadata"}};
  for (const Case& fault : cases) {
    SCOPED_TRACE(fault.name);
    ASSERT_TRUE(files_.RemoveTree(JoinPath(scratch_.path(), "job")).ok());
    CheckpointStorage storage = StorageOf("a");
    ASSERT_TRUE(storage.Open(0).ok());
    WriteShared({"0-1-a", "0-2-a"});
    ASSERT_TRUE(storage.Complete(RequestOf(1, 0, {"0-1-a"})).ok());
    files_.SetFault([&](Operation operation, const std::string& path) {
      const bool hit = operation == fault.operation && path.find(fault.in_path) != std::string::npos;
      return hit ? ResourceExhausted("cannot write to {}: No space left on device", path) : OkStatus();
    });
    CheckpointStorage::Request request = RequestOf(2, 0, {"0-1-a", "0-2-a"});
    request.savepoint_path = JoinPath(scratch_.path(), "sp");
    const Status failed = storage.Complete(request).status();
    EXPECT_THAT(std::string(StatusMessage(failed)), HasSubstr("No space left on device"));
    EXPECT_FALSE(files_.Exists(request.savepoint_path));
    EXPECT_THAT(NamesIn("job"), ElementsAre("chk-1", "log", "shared"));
    files_.SetFault({});
    EXPECT_TRUE(ReadRestorePoint(files_, JoinPath(scratch_.path(), "job/chk-1")).ok());
    ASSERT_TRUE(storage.Complete(RequestOf(3, 0, {"0-2-a"})).ok());
    EXPECT_EQ(StorageOf("b").Open(0)->points.back().completion.checkpoint_id(), 3);
  }
}

TEST_F(CheckpointStorageTest, ASavepointIsCompleteInItselfAndCanBeMoved) {
  for (const bool can_link : {true, false}) {
    SCOPED_TRACE(can_link);
    ASSERT_TRUE(files_.RemoveTree(JoinPath(scratch_.path(), "job")).ok());
    CheckpointStorage storage = StorageOf("a");
    ASSERT_TRUE(storage.Open(0).ok());
    WriteShared({"0-1-a", "0-1-b"});
    CheckpointStorage::Request request = RequestOf(1, 0, {"0-1-a", "0-1-b", "0-1-a"});
    request.savepoint_path = JoinPath(scratch_.path(), "savepoints/one");
    files_.SetFault([&](Operation operation, const std::string& path) {
      const bool is_copy = operation == Operation::kLink && path.find("one/0-") != std::string::npos;
      return is_copy && !can_link ? Unavailable("cannot link {}: Invalid cross-device link", path) : OkStatus();
    });
    const auto completed = storage.Complete(request);
    ASSERT_TRUE(completed.ok()) << completed.status();
    files_.SetFault({});
    storage.DeleteAll(0);
    EXPECT_FALSE(files_.Exists(JoinPath(scratch_.path(), "job")));
    const std::string moved = JoinPath(scratch_.path(), "moved");
    ASSERT_TRUE(files_.Rename(request.savepoint_path, moved).ok());
    const auto metadata = ReadRestorePoint(files_, moved);
    ASSERT_TRUE(metadata.ok()) << metadata.status();
    EXPECT_TRUE(metadata->savepoint());
    EXPECT_EQ(CheckpointFilesRoot(moved, *metadata), moved);
    EXPECT_EQ(scratch_.Read("moved/0-1-a"), "state of 0-1-a");
    EXPECT_THAT(NamesIn("moved"), ElementsAre("0-1-a", "0-1-b", "_metadata"));
    ASSERT_TRUE(files_.RemoveTree(moved).ok());
  }
}

TEST_F(CheckpointStorageTest, MissingAndShortenedFilesAreNamedBeforeAnythingRuns) {
  CheckpointStorage storage = StorageOf("a");
  ASSERT_TRUE(storage.Open(0).ok());
  WriteShared({"0-1-a"});
  const auto completed = storage.Complete(RequestOf(1, 0, {"0-1-a"}));
  ASSERT_TRUE(completed.ok()) << completed.status();
  scratch_.Write("job/shared/0-1-a", "state");
  EXPECT_THAT(std::string(StatusMessage(ReadRestorePoint(files_, completed->path).status())),
              HasSubstr("shared/0-1-a is cut off at 5 of 14 bytes"));
  ASSERT_TRUE(files_.Remove(JoinPath(scratch_.path(), "job/shared/0-1-a")).ok());
  EXPECT_THAT(std::string(StatusMessage(ReadRestorePoint(files_, completed->path).status())),
              HasSubstr("shared/0-1-a is missing"));
}

}  // namespace
}  // namespace eagre
