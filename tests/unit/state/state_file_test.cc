// State files give back what was written, or say that they do not.
#include "state/state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "state/state_entry.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

class StateFileTest : public testing::Test {
 protected:
  StateFileTest() {
    std::string pattern = testing::TempDir() + "/state_file_XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~StateFileTest() override { std::filesystem::remove_all(root_); }

  proto::StateSegment WriteOne(const std::string& bytes) {
    auto file = StateFileWriter::Create(PosixFileSystem(), root_, "a.state");
    EXPECT_TRUE(file.ok()) << file.status();
    EXPECT_TRUE((*file)->Append("first", 1).ok());
    const StatusOr<proto::StateSegment> segment = (*file)->Append(bytes, 2);
    EXPECT_TRUE(segment.ok());
    EXPECT_TRUE((*file)->Finish().ok());
    return *segment;
  }

  std::string root_;
};

TEST_F(StateFileTest, SegmentsComeBack) {
  const proto::StateSegment segment = WriteOne("the second segment");
  EXPECT_EQ(segment.file(), "a.state");
  EXPECT_EQ(segment.entries(), 2u);
  const StatusOr<std::string> bytes = ReadStateSegment(PosixFileSystem(), root_, segment);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, "the second segment");
}

TEST_F(StateFileTest, EveryFlippedBitOfASegmentAndTheHeaderIsFoundAndTheFileNamed) {
  const proto::StateSegment segment = WriteOne("ab");
  const std::string path = JoinPath(root_, "a.state");
  const std::string good = *PosixFileSystem().ReadFile(path);
  for (size_t byte = 0; byte < good.size(); ++byte) {
    if (byte >= 16 && byte < segment.offset()) continue;  // another segment's
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[byte] = static_cast<char>(bad[byte] ^ (1 << bit));
      ASSERT_TRUE(PosixFileSystem().WriteFile(path, bad).ok());
      const StatusOr<std::string> bytes = ReadStateSegment(PosixFileSystem(), root_, segment);
      ASSERT_EQ(bytes.status().code(), absl::StatusCode::kDataLoss) << "byte " << byte << " bit " << bit;
      EXPECT_THAT(StatusMessage(bytes.status()), HasSubstr(path));
    }
  }
}

TEST_F(StateFileTest, CutOffAndMissingFilesAreNamed) {
  const proto::StateSegment segment = WriteOne("the second segment");
  const std::string path = JoinPath(root_, "a.state");
  const std::string good = *PosixFileSystem().ReadFile(path);
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_TRUE(PosixFileSystem().WriteFile(path, good.substr(0, size)).ok());
    const StatusOr<std::string> bytes = ReadStateSegment(PosixFileSystem(), root_, segment);
    ASSERT_EQ(bytes.status().code(), absl::StatusCode::kDataLoss) << size;
    EXPECT_THAT(StatusMessage(bytes.status()), HasSubstr(path));
  }
  ASSERT_TRUE(PosixFileSystem().Remove(path).ok());
  EXPECT_EQ(ReadStateSegment(PosixFileSystem(), root_, segment).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(StateFileTest, AnUnfinishedFileGoesAway) {
  {
    auto file = StateFileWriter::Create(PosixFileSystem(), root_, "b.state");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Append("bytes", 1).ok());
  }
  EXPECT_FALSE(PosixFileSystem().Exists(JoinPath(root_, "b.state")));
}

TEST_F(StateFileTest, AFileIsNotWrittenTwice) {
  WriteOne("x");
  EXPECT_EQ(StateFileWriter::Create(PosixFileSystem(), root_, "a.state").status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST(StateEntries, ComeBackInOrder) {
  StateEntryWriter writer;
  writer.BeginKey(7).Raw("key");
  writer.BeginValue().Raw("value");
  writer.End();
  writer.BeginKey(8).Raw("gone");
  writer.EndErased();
  writer.BeginKey(0);
  writer.BeginValue();
  writer.End();
  EXPECT_EQ(writer.entries(), 3u);
  const std::string bytes = writer.Take();
  StateEntryReader reader(bytes);
  StateEntry entry;
  ASSERT_TRUE(*reader.Next(entry));
  EXPECT_EQ(entry.hash, 7u);
  EXPECT_EQ(entry.key, "key");
  EXPECT_EQ(entry.value, "value");
  EXPECT_FALSE(entry.erased);
  ASSERT_TRUE(*reader.Next(entry));
  EXPECT_EQ(entry.key, "gone");
  EXPECT_TRUE(entry.erased);
  ASSERT_TRUE(*reader.Next(entry));
  EXPECT_EQ(entry.key, "");
  EXPECT_EQ(entry.value, "");
  EXPECT_FALSE(entry.erased);
  EXPECT_FALSE(*reader.Next(entry));
  for (size_t size = 1; size < bytes.size(); ++size) {
    StateEntryReader cut(std::string_view(bytes).substr(0, size));
    StatusOr<bool> next = cut.Next(entry);
    while (next.ok() && *next) next = cut.Next(entry);
    if (size == 24 || size == 44) {  // where an entry ends
      EXPECT_TRUE(next.ok());
    } else {
      EXPECT_EQ(next.status().code(), absl::StatusCode::kDataLoss) << size;
    }
  }
}

}  // namespace
}  // namespace eagre
