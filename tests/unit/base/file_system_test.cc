#include "base/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "base/file_copy.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  PosixFileSystemTest() {
    std::string folder = JoinPath(::testing::TempDir(), "eagre-files-XXXXXX");
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~PosixFileSystemTest() override { EXPECT_TRUE(files_.RemoveTree(folder_).ok()); }

  std::string At(std::string_view name) const { return JoinPath(folder_, name); }
  std::vector<std::string> Globbed(std::string_view pattern) {
    std::vector<std::string> names;
    const auto matches = files_.Glob(At(pattern));
    EXPECT_TRUE(matches.ok()) << matches.status();
    for (const FileInfo& file : *matches) names.push_back(file.path.substr(folder_.size() + 1));
    return names;
  }

  FileSystem& files_ = PosixFileSystem();
  std::string folder_;
};

TEST_F(PosixFileSystemTest, WhatIsWrittenIsRead) {
  const std::string large(300'000, 'x');
  auto file = files_.OpenForWrite(At("a"), OpenMode::kTruncate);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Append("head ").ok());
  ASSERT_TRUE((*file)->Append(large).ok());
  ASSERT_TRUE((*file)->Append(" tail").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(*files_.ReadFile(At("a")), "head " + large + " tail");

  auto reader = files_.OpenForRead(At("a"));
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(*(*reader)->Size(), 300'010);
  char buffer[100];
  EXPECT_EQ(*(*reader)->ReadAt(300'006, buffer, sizeof(buffer)), 4u);
  EXPECT_EQ(std::string_view(buffer, 4), "tail");
  EXPECT_EQ(*(*reader)->ReadAt(999'999, buffer, sizeof(buffer)), 0u);
}

TEST_F(PosixFileSystemTest, WhatIsNoFileIsRefusedAndNotWaitedFor) {
  ASSERT_EQ(mkfifo(At("pipe").c_str(), 0600), 0);
  const StatusOr<std::string> pipe = files_.ReadFile(At("pipe"));
  EXPECT_THAT(std::string(StatusMessage(pipe.status())), HasSubstr("cannot read " + At("pipe") + ": it is a pipe"));
  EXPECT_FALSE(files_.ReadFile(folder_).ok());
  EXPECT_EQ(*files_.ReadFile("/dev/null"), "");
}

TEST_F(PosixFileSystemTest, AppendingContinuesAndCreatingNewRefuses) {
  ASSERT_TRUE(files_.WriteFile(At("a"), "one").ok());
  {
    auto file = files_.OpenForWrite(At("a"), OpenMode::kAppend);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Append(" two").ok());
  }  // the destructor closes
  EXPECT_EQ(*files_.ReadFile(At("a")), "one two");
  EXPECT_EQ(files_.OpenForWrite(At("a"), OpenMode::kCreateNew).status().code(), absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(files_.WriteFileAtomically(At("a"), "three").ok());
  EXPECT_EQ(*files_.ReadFile(At("a")), "three");
  EXPECT_EQ(files_.List(folder_)->size(), 1u) << "nothing temporary is left";
}

TEST_F(PosixFileSystemTest, AFileIsCreatedOnceByOneOfMany) {
  ASSERT_TRUE(files_.CreateFileOnce(At("00000001"), "first", "x").ok());
  EXPECT_EQ(files_.CreateFileOnce(At("00000001"), "second", "y").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*files_.ReadFile(At("00000001")), "first");
  EXPECT_EQ(files_.List(folder_)->size(), 1u) << "nothing temporary is left";
  EXPECT_FALSE(files_.CreateFileOnce(At("nowhere/1"), "", "x").ok());

  ASSERT_TRUE(files_.Link(At("00000001"), At("second name")).ok());
  EXPECT_EQ(files_.Link(At("00000001"), At("second name")).code(), absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(files_.Remove(At("00000001")).ok());
  EXPECT_EQ(*files_.ReadFile(At("second name")), "first");

  const std::string large(3'000'000, 'x');
  ASSERT_TRUE(files_.WriteFile(At("large"), large).ok());
  ASSERT_TRUE(CopyFile(files_, At("large"), At("copy")).ok());
  EXPECT_EQ(*files_.ReadFile(At("copy")), large);
  EXPECT_EQ(CopyFile(files_, At("large"), At("copy")).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(PosixFileSystemTest, ErrorsNameThePath) {
  const Status missing = files_.OpenForRead(At("nowhere/b")).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(StatusMessage(missing)), HasSubstr(At("nowhere/b")));
  EXPECT_FALSE(files_.OpenForRead(folder_).ok()) << "a folder is no file";
  EXPECT_EQ(files_.List(At("nowhere")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(files_.Remove(At("nowhere")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(files_.Stat(At("nowhere")).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(files_.WriteFile(At("file"), "").ok());
  EXPECT_FALSE(files_.CreateDirectories(At("file/below")).ok());
}

TEST_F(PosixFileSystemTest, FoldersAreMadeListedRenamedAndRemoved) {
  ASSERT_TRUE(files_.CreateDirectories(At("x/y/z")).ok());
  ASSERT_TRUE(files_.CreateDirectories(At("x/y/z")).ok());
  ASSERT_TRUE(files_.WriteFile(At("x/b"), "12").ok());
  ASSERT_TRUE(files_.WriteFile(At("x/a"), "1").ok());
  const auto entries = files_.List(At("x"));
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[0].path, At("x/a"));
  EXPECT_EQ((*entries)[1].size, 2);
  EXPECT_TRUE((*entries)[2].is_directory);
  ASSERT_TRUE(files_.Rename(At("x/a"), At("x/b")).ok());
  EXPECT_EQ(*files_.ReadFile(At("x/b")), "1");
  ASSERT_TRUE(files_.SyncDirectory(At("x")).ok());
  ASSERT_TRUE(files_.RemoveTree(At("x")).ok());
  ASSERT_TRUE(files_.RemoveTree(At("x")).ok()) << "nothing there is no error";
  EXPECT_FALSE(files_.Exists(At("x")));
  EXPECT_GT(*files_.FreeBytes(folder_), 0);
}

TEST_F(PosixFileSystemTest, ALinkBackToAFolderAboveIsNotListed) {
  const auto names = [&](std::string_view folder) {
    const auto entries = files_.List(At(folder));
    EXPECT_TRUE(entries.ok()) << entries.status();
    std::vector<std::string> names;
    for (const FileInfo& entry : *entries) names.emplace_back(BaseName(entry.path));
    return names;
  };
  ASSERT_TRUE(files_.CreateDirectories(At("d/sub")).ok());
  ASSERT_TRUE(files_.CreateDirectories(At("e")).ok());
  ASSERT_TRUE(files_.WriteFile(At("d/sub/file"), "").ok());
  for (const auto& [target, link] :
       {std::pair("..", "d/sub/loop"), std::pair(".", "d/self"), std::pair("/", "d/root"), std::pair("../e", "d/to_e"),
        std::pair("../d", "e/to_d"), std::pair("sub/file", "d/to_file"), std::pair("d/sub", "to_sub")}) {
    ASSERT_EQ(symlink(target, At(link).c_str()), 0);
  }
  EXPECT_THAT(names("d"), ElementsAre("sub", "to_e", "to_file"));
  EXPECT_THAT(names("d/sub"), ElementsAre("file"));
  EXPECT_THAT(names("to_sub"), ElementsAre("file")) << "its target lies in d, whatever the link is called";
  EXPECT_THAT(names("e"), ElementsAre("to_d"));
  EXPECT_THAT(names("d/to_e"), IsEmpty());
}

TEST_F(PosixFileSystemTest, ALinkToNowhereIsNotListed) {
  ASSERT_TRUE(files_.WriteFile(At("file"), "").ok());
  const std::string too_long(300, 'x');
  for (const auto& [target, link] :
       {std::pair("none", "a"), std::pair("b", "b"), std::pair("file/none", "c"), std::pair(too_long.c_str(), "d")}) {
    ASSERT_EQ(symlink(target, At(link).c_str()), 0);
  }
  const auto entries = files_.List(folder_);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_THAT(*entries, SizeIs(1));
  EXPECT_EQ((*entries)[0].path, At("file"));
}

TEST_F(PosixFileSystemTest, AFolderWhoseEntriesCannotBeLookedAtIsNotAnEmptyOne) {
  ASSERT_TRUE(files_.CreateDirectories(At("sealed")).ok());
  ASSERT_TRUE(files_.WriteFile(At("sealed/file"), "").ok());
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  ASSERT_EQ(chmod(At("sealed").c_str(), 0444), 0);
  // To root everything is open, so that this thread becomes somebody else.
  constexpr uid_t kNobody = 65534;
  const int self = setfsuid(kNobody);
  const auto entries = files_.List(At("sealed"));
  setfsuid(static_cast<uid_t>(self));
  EXPECT_EQ(chmod(At("sealed").c_str(), 0755), 0);
  EXPECT_EQ(entries.status().code(), absl::StatusCode::kPermissionDenied) << entries.status();
}

TEST_F(PosixFileSystemTest, WhatIsNoFileOfBytesHasNoSize) {
  ASSERT_EQ(mkfifo(At("pipe").c_str(), 0600), 0);
  EXPECT_EQ(files_.Stat(At("pipe"))->size, -1);
  EXPECT_EQ(files_.Stat("/dev/zero")->size, -1);
  EXPECT_EQ(files_.List(folder_)->front().size, -1);
}

TEST_F(PosixFileSystemTest, GlobFindsFilesSorted) {
  ASSERT_TRUE(files_.CreateDirectories(At("d1/sub")).ok());
  ASSERT_TRUE(files_.CreateDirectories(At("d2")).ok());
  for (const char* name :
       {"d1/b.json", "d1/a.json", "d2/a.json", "d1/.hidden.json", "d1/sub/c.json", "d2/a.csv", "d2/[x"}) {
    ASSERT_TRUE(files_.WriteFile(At(name), "").ok());
  }
  EXPECT_THAT(Globbed("d1/*.json"), ElementsAre("d1/a.json", "d1/b.json"));
  EXPECT_THAT(Globbed("*/a.*"), ElementsAre("d1/a.json", "d2/a.csv", "d2/a.json"));
  EXPECT_THAT(Globbed("d[12]/?.json"), ElementsAre("d1/a.json", "d1/b.json", "d2/a.json"));
  EXPECT_THAT(Globbed("d[!1]/*.json"), ElementsAre("d2/a.json"));
  EXPECT_THAT(Globbed("d1/*"), ElementsAre("d1/a.json", "d1/b.json")) << "folders and hidden files are not matched";
  EXPECT_THAT(Globbed("d2/a.json"), ElementsAre("d2/a.json"));
  EXPECT_THAT(Globbed("d2/[x"), ElementsAre("d2/[x"));
  EXPECT_THAT(Globbed("nothing/*"), ElementsAre());
}

TEST(Paths, AreJoinedAndSplit) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath("/", "b"), "/b");
  EXPECT_EQ(ParentPath("/a/b"), "/a");
  EXPECT_EQ(ParentPath("/a"), "/");
  EXPECT_EQ(ParentPath("a"), ".");
  EXPECT_EQ(BaseName("/a/b.so"), "b.so");
  EXPECT_EQ(BaseName("b"), "b");
}

}  // namespace
}  // namespace eagre
