// A daemon's folder goes with it, whatever way it went.
#include "base/work_directory.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_system.h"

namespace eagre {
namespace {

class WorkDirectoryTest : public ::testing::Test {
 protected:
  ~WorkDirectoryTest() override { (void)PosixFileSystem().RemoveTree(base_); }
  static std::string NewFolder() {
    std::string pattern = "/tmp/eagre_work_directory_XXXXXX";
    return mkdtemp(pattern.data());
  }
  const std::string base_ = NewFolder();
};

TEST_F(WorkDirectoryTest, IsMadeAndRemoved) {
  std::string path;
  {
    auto directory = WorkDirectory::Create(base_ + "/deep/er", "taskmanager", "a");
    ASSERT_TRUE(directory.ok()) << directory.status();
    path = (*directory)->path();
    EXPECT_TRUE(PosixFileSystem().Exists(path));
    ASSERT_TRUE(PosixFileSystem().WriteFile(path + "/file", "x").ok());
  }
  EXPECT_FALSE(PosixFileSystem().Exists(path));
}

TEST_F(WorkDirectoryTest, FoldersOfTheDeadAreSweptAndThoseOfTheLivingAreNot) {
  pid_t child = fork();
  if (child == 0) {  // dies without cleaning up
    auto directory = WorkDirectory::Create(base_, "taskmanager", "dead");
    _exit(directory.ok() && PosixFileSystem().CreateDirectories((*directory)->path() + "/workers/w").ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  auto living = WorkDirectory::Create(base_, "taskmanager", "living");
  ASSERT_TRUE(living.ok());
  EXPECT_FALSE(PosixFileSystem().Exists(base_ + "/taskmanager-dead"));
  ASSERT_TRUE(PosixFileSystem().CreateDirectories(base_ + "/something-else").ok());
  auto another = WorkDirectory::Create(base_, "taskmanager", "another");
  ASSERT_TRUE(another.ok());
  EXPECT_TRUE(PosixFileSystem().Exists((*living)->path()));
  EXPECT_TRUE(PosixFileSystem().Exists(base_ + "/something-else")) << "removed what is not a daemon's";
}

TEST_F(WorkDirectoryTest, FolderThatCannotBeMadeNamesTheKey) {
  ASSERT_TRUE(PosixFileSystem().WriteFile(base_ + "/taskmanager-a", "in the way").ok());
  auto directory = WorkDirectory::Create(base_, "taskmanager", "a");
  ASSERT_FALSE(directory.ok());
  EXPECT_NE(StatusMessage(directory.status()).find("eagre.work.dir"), std::string_view::npos);
}

}  // namespace
}  // namespace eagre
