// A folder of one test, removed with it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/file_system.h"

namespace eagre {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("eagre-") + test->test_suite_name() + "-" + test->name();
    for (char& c : name) {
      if (c == '/') c = '-';
    }
    path_ = JoinPath(testing::TempDir(), name);
    EXPECT_TRUE(PosixFileSystem().RemoveTree(path_).ok());
    EXPECT_TRUE(PosixFileSystem().CreateDirectories(path_).ok());
  }
  ~ScratchDirectory() { PosixFileSystem().RemoveTree(path_).IgnoreError(); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }
  // Writes a file with its folders; returns its path.
  std::string Write(std::string_view name, std::string_view content) const {
    const std::string file = JoinPath(path_, name);
    EXPECT_TRUE(PosixFileSystem().CreateDirectories(ParentPath(file)).ok());
    EXPECT_TRUE(PosixFileSystem().WriteFile(file, content).ok());
    return file;
  }
  std::string Read(std::string_view name) const {
    StatusOr<std::string> content = PosixFileSystem().ReadFile(JoinPath(path_, name));
    EXPECT_TRUE(content.ok()) << content.status();
    return content.ok() ? *content : "";
  }

 private:
  std::string path_;
};

}  // namespace eagre
