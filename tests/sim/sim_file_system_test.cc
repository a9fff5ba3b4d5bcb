// What the simulated disk keeps of a crash, and what it may lose: as little as the machine's own files promise.
#include "tests/sim/sim_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/synced_folder.h"

namespace eagre {
namespace {

using testing::AnyOf;
using testing::IsSupersetOf;

constexpr uint64_t kSeeds = 60;

class World {
 public:
  explicit World(uint64_t seed) : scheduler_(seed), disk_(scheduler_) {
    EXPECT_TRUE(outside_.CreateDirectories("/data").ok());
    EXPECT_TRUE(outside_.SyncDirectory("/").ok());
  }

  SimScheduler& scheduler() { return scheduler_; }
  SimDisk& disk() { return disk_; }
  SimFiles& outside() { return outside_; }
  SimFiles& files(int machine) { return machine == 1 ? first_ : second_; }
  SimProcess& process() { return processes_[0]; }

  // What is in the file, or "-".
  std::string Read(const std::string& path) { return outside_.ReadFile(path).value_or("-"); }

 private:
  SimScheduler scheduler_;
  SimDisk disk_;
  SimProcess processes_[2] = {{.name = "first", .machine = 1}, {.name = "second", .machine = 2}};
  SimFiles outside_{scheduler_, disk_, nullptr};
  SimFiles first_{scheduler_, disk_, &processes_[0]};
  SimFiles second_{scheduler_, disk_, &processes_[1]};
};

// What `read` finds after `write` and a crash of everything, over many seeds.
std::set<std::string> Outcomes(const std::function<void(SimFiles&)>& write,
                               const std::function<std::string(World&)>& read) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    World world(seed);
    write(world.files(1));
    world.disk().CrashAll();
    outcomes.insert(read(world));
  }
  return outcomes;
}

void Write(SimFiles& files, const std::string& path, std::string_view content, bool sync) {
  const auto file = files.OpenForWrite(path, OpenMode::kTruncate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append(content).ok());
  if (sync) {
    ASSERT_TRUE((*file)->Sync().ok());
  }
  ASSERT_TRUE((*file)->Close().ok());
}

TEST(SimFileSystemTest, WhatWasSyncedSurvivesACrash) {
  const auto outcomes = Outcomes(
      [](SimFiles& files) {
        Write(files, "/data/a", "content", /*sync=*/true);
        ASSERT_TRUE(files.SyncDirectory("/data").ok());
      },
      [](World& world) { return world.Read("/data/a"); });
  EXPECT_EQ(outcomes, std::set<std::string>{"content"});
}

TEST(SimFileSystemTest, UnsyncedContentIsThereOrInPartOrAsZeros) {
  const auto outcomes = Outcomes(
      [](SimFiles& files) {
        Write(files, "/data/a", "content", /*sync=*/false);
        ASSERT_TRUE(files.SyncDirectory("/data").ok());
      },
      [](World& world) { return world.Read("/data/a"); });
  EXPECT_THAT(outcomes, IsSupersetOf({std::string("content"), std::string("")}));
  EXPECT_GT(outcomes.size(), 4u);
  for (const std::string& outcome : outcomes) {
    const size_t kept = std::min(outcome.find('\0'), outcome.size());
    EXPECT_EQ(outcome.substr(0, kept), std::string("content").substr(0, kept));
    EXPECT_THAT(outcome.size(), AnyOf(kept, std::string("content").size()));
  }
}

TEST(SimFileSystemTest, AnUnsyncedEntryMayBeLostAlthoughItsFileIsSynced) {
  const auto outcomes = Outcomes([](SimFiles& files) { Write(files, "/data/a", "content", /*sync=*/true); },
                                 [](World& world) { return world.Read("/data/a"); });
  EXPECT_EQ(outcomes, (std::set<std::string>{"-", "content"}));
}

TEST(SimFileSystemTest, ARenameHappensAsAWholeOrNotAtAll) {
  const auto outcomes = Outcomes(
      [](SimFiles& files) {
        Write(files, "/data/old", "content", /*sync=*/true);
        ASSERT_TRUE(files.SyncDirectory("/data").ok());
        ASSERT_TRUE(files.Rename("/data/old", "/data/new").ok());
      },
      [](World& world) { return world.Read("/data/old") + " " + world.Read("/data/new"); });
  EXPECT_EQ(outcomes, (std::set<std::string>{"content -", "- content"}));
}

TEST(SimFileSystemTest, AnUnsyncedRemovalMayNotHaveHappened) {
  const auto outcomes = Outcomes(
      [](SimFiles& files) {
        Write(files, "/data/a", "content", /*sync=*/true);
        ASSERT_TRUE(files.SyncDirectory("/data").ok());
        ASSERT_TRUE(files.Remove("/data/a").ok());
      },
      [](World& world) { return world.Read("/data/a"); });
  EXPECT_EQ(outcomes, (std::set<std::string>{"-", "content"}));
}

TEST(SimFileSystemTest, EntriesOfAFolderAreLostFromSomePointOn) {
  const auto outcomes = Outcomes(
      [](SimFiles& files) {
        for (const char* name : {"/data/a", "/data/b", "/data/c"}) Write(files, name, name, /*sync=*/true);
      },
      [](World& world) {
        std::string names;
        const std::vector<FileInfo> entries = world.outside().List("/data").value();
        for (const FileInfo& entry : entries) names += BaseName(entry.path);
        return names;
      });
  EXPECT_EQ(outcomes, (std::set<std::string>{"", "a", "ab", "abc"}));
}

TEST(SimFileSystemTest, AFolderIsLostWithItsNameHoweverSyncedItsFilesAre) {
  const auto outcomes = Outcomes(
      [](SimFiles& files) {
        ASSERT_TRUE(files.CreateDirectories("/made/folder").ok());
        Write(files, "/made/folder/a", "content", /*sync=*/true);
        ASSERT_TRUE(files.SyncDirectory("/made/folder").ok());
        ASSERT_TRUE(files.SyncDirectory("/made").ok());
      },
      [](World& world) { return world.Read("/made/folder/a"); });
  EXPECT_EQ(outcomes, (std::set<std::string>{"-", "content"}));
}

TEST(SimFileSystemTest, ASyncedFolderSurvivesWithAllItsParents) {
  const auto outcomes = Outcomes(
      [](SimFiles& files) {
        // By another that dies before it has synced anything.
        ASSERT_TRUE(files.CreateDirectories("/made/by").ok());
        ASSERT_TRUE(CreateSyncedFolder(files, "/made/by/others/and/me").ok());
        Write(files, "/made/by/others/and/me/a", "content", /*sync=*/true);
        ASSERT_TRUE(files.SyncDirectory("/made/by/others/and/me").ok());
      },
      [](World& world) { return world.Read("/made/by/others/and/me/a"); });
  EXPECT_EQ(outcomes, std::set<std::string>{"content"});
}

TEST(SimFileSystemTest, ACrashOfOneMachineLosesNothingOfAnother) {
  std::set<std::string> of_first;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    World world(seed);
    Write(world.files(1), "/data/of-first", "first", /*sync=*/false);
    Write(world.files(2), "/data/of-second", "second", /*sync=*/false);
    world.disk().Crash(1);
    EXPECT_EQ(world.Read("/data/of-second"), "second");
    of_first.insert(world.Read("/data/of-first"));
  }
  EXPECT_THAT(of_first, IsSupersetOf({std::string("first"), std::string("-")}));
}

TEST(SimFileSystemTest, WhatAnotherMachineHasSeenDoesNotGoWithOne) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    World world(seed);
    Write(world.files(1), "/data/a", "content", /*sync=*/false);
    ASSERT_TRUE(world.files(1).Rename("/data/a", "/data/b").ok());
    ASSERT_FALSE(world.files(2).Exists("/data/a"));
    ASSERT_TRUE(world.files(2).Exists("/data/b"));
    world.disk().Crash(1);
    EXPECT_EQ(world.Read("/data/b"), "content");
    EXPECT_EQ(world.Read("/data/a"), "-");
  }
}

TEST(SimFileSystemTest, TheDeathOfAProcessLosesWhatItHadNotFlushed) {
  World world(1);
  const auto file = world.files(1).OpenForWrite("/data/a", OpenMode::kTruncate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append("flushed").ok());
  ASSERT_TRUE((*file)->Flush().ok());
  ASSERT_TRUE((*file)->Append("buffered").ok());
  world.process().alive = false;
  EXPECT_FALSE((*file)->Close().ok());
  EXPECT_FALSE(world.files(1).Remove("/data/a").ok()) << "what a dead process does has no effect";
  EXPECT_EQ(world.Read("/data/a"), "flushed");
}

TEST(SimFileSystemTest, AProcessDiesBetweenTwoOperations) {
  World world(1);
  world.process().operations_left = 2;
  world.process().interrupt = [&world] { world.process().alive = false; };
  EXPECT_TRUE(world.files(1).CreateDirectories("/data/a").ok());
  EXPECT_TRUE(world.files(1).CreateDirectories("/data/b").ok());
  EXPECT_FALSE(world.files(1).CreateDirectories("/data/c").ok());
  EXPECT_EQ(world.outside().List("/data")->size(), 2u);
}

TEST(SimFileSystemTest, AFullDiskTakesNothingNewUntilItHasRoomAgain) {
  World world(1);
  ASSERT_TRUE(world.files(1).WriteFile("/data/a", "a").ok());
  world.disk().FillUpUntil(world.scheduler().now_ns() + 1'000'000);
  EXPECT_TRUE(world.disk().in_trouble());
  EXPECT_TRUE(absl::IsResourceExhausted(world.files(1).WriteFile("/data/b", "b")));
  EXPECT_TRUE(absl::IsResourceExhausted(world.files(1).CreateDirectories("/data/folder")));
  EXPECT_EQ(*world.files(1).ReadFile("/data/a"), "a");
  EXPECT_TRUE(world.files(1).Remove("/data/a").ok());
  EXPECT_TRUE(world.outside().WriteFile("/data/c", "c").ok()) << "of no process";
  world.scheduler().RunUntil([] { return false; }, 2);
  EXPECT_FALSE(world.disk().in_trouble());
  EXPECT_TRUE(world.files(1).WriteFile("/data/b", "b").ok());
}

TEST(SimFileSystemTest, WhatAFailedSyncLeftBehindIsNotSyncedByALaterOne) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    World world(seed);
    auto file = world.files(1).OpenForWrite("/data/a", OpenMode::kTruncate);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Append("bytes").ok());
    ASSERT_TRUE((*file)->Flush().ok());
    ASSERT_TRUE(world.files(1).SyncDirectory("/data").ok());
    world.disk().FailUntil(world.scheduler().now_ns() + 1'000'000, /*one_in=*/1);
    EXPECT_TRUE(absl::IsUnavailable((*file)->Sync()));
    world.scheduler().RunUntil([] { return false; }, 2);
    EXPECT_TRUE((*file)->Sync().ok());
    world.disk().CrashAll();
    outcomes.insert(world.Read("/data/a"));
  }
  EXPECT_THAT(outcomes, IsSupersetOf({"", "bytes"}));
}

TEST(SimFileSystemTest, AThreadThatWaitsForTheDiskHoldsUpNobodyElse) {
  World world(1);
  int64_t slow_operations = 0;
  const SimFileFaults faults{.slow_one_in = 1, .slow_ns = 1'000'000'000, .slow_operations = &slow_operations};
  SimFiles slow(world.scheduler(), world.disk(), &world.process(), &faults);
  SimExecutor disk(world.scheduler(), "disk", &world.process());
  SimExecutor other(world.scheduler(), "other", &world.process());
  std::string order;
  disk.Post([&] {
    ASSERT_TRUE(slow.CreateDirectories("/data/a").ok());
    order += "a";
  });
  disk.Post([&] { order += "b"; });
  other.PostAfter(1, [&] { order += "c"; });
  EXPECT_TRUE(world.scheduler().RunUntil([&] { return order.size() == 3; }, 10'000));
  EXPECT_EQ(order, "cab");
  EXPECT_EQ(slow_operations, 1);
}

TEST(SimFileSystemTest, AStoppedProcessGoesOnInOrder) {
  World world(1);
  SimExecutor executor(world.scheduler(), "stopped", &world.process());
  std::string order;
  world.scheduler().Stop(world.process());
  for (const char* name : {"a", "b", "c"}) executor.Post([&order, name] { order += name; });
  world.scheduler().Schedule(1'000'000, "continue", [&] {
    EXPECT_EQ(order, "");
    world.scheduler().Continue(world.process());
  });
  EXPECT_TRUE(world.scheduler().RunUntil([&] { return order.size() == 3; }, 10'000));
  EXPECT_EQ(order, "abc");
}

}  // namespace
}  // namespace eagre
