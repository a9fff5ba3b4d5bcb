#include "base/machine_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>

#include "tests/testing/temporary_folder.h"

namespace eagre {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

class MachineMemoryTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(files_.CreateDirectories(std::string(ParentPath(folder_.path() + path))).ok());
    ASSERT_TRUE(files_.WriteFile(folder_.path() + path, text).ok());
  }
  int64_t LimitOf(std::string_view cgroups) { return ControlGroupMemoryLimit(files_, folder_.path(), cgroups); }

  FileSystem& files_ = PosixFileSystem();
  const TemporaryFolder folder_{"machine_memory"};
};

TEST_F(MachineMemoryTest, OfVersion2TheLowestLimitOfTheGroupAndThoseAboveItCounts) {
  EXPECT_EQ(LimitOf("0::/a.slice/b.service\n"), kNoLimit);
  Write("/a.slice/b.service/memory.max", "max\n");
  EXPECT_EQ(LimitOf("0::/a.slice/b.service\n"), kNoLimit);
  Write("/a.slice/memory.max", "2000000\n");
  EXPECT_EQ(LimitOf("0::/a.slice/b.service\n"), 2'000'000);
  Write("/a.slice/b.service/memory.max", "3000000\n");
  EXPECT_EQ(LimitOf("0::/a.slice/b.service\n"), 2'000'000);
  EXPECT_EQ(LimitOf("0::/other\n"), kNoLimit);
}

TEST_F(MachineMemoryTest, InAContainerTheLimitStandsAtTheRoot) {
  Write("/memory.max", "1000000\n");
  EXPECT_EQ(LimitOf("0::/\n"), 1'000'000);
  EXPECT_EQ(LimitOf("0::/docker/0123456789ab\n"), 1'000'000);
  EXPECT_EQ(LimitOf("0::/../..\n"), 1'000'000);
}

TEST_F(MachineMemoryTest, OfVersion1TheMemoryControllersGroupCounts) {
  const std::string groups = "11:cpu,cpuacct:/c\n9:hugetlb,memory:/docker/x\n1:name=systemd:/docker/x\n0::/\n";
  EXPECT_EQ(LimitOf(groups), kNoLimit);
  Write("/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_GT(LimitOf(groups), int64_t{1} << 60);
  Write("/memory/docker/x/memory.limit_in_bytes", "4000000\n");
  Write("/memory/c/memory.limit_in_bytes", "5\n");
  EXPECT_EQ(LimitOf(groups), 4'000'000);
}

TEST_F(MachineMemoryTest, WhatCannotBeReadIsNoLimit) {
  for (const char* text : {"", "\n", "0", "::", "0::", "0:memory", "x:y:z\n:::\n"}) EXPECT_EQ(LimitOf(text), kNoLimit);
}

TEST_F(MachineMemoryTest, TheMachineHasNoMoreThanItsPages) {
  EXPECT_GT(MachineMemoryBytes(), 0);
  EXPECT_LE(MachineMemoryBytes(), int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE));
}

}  // namespace
}  // namespace eagre
