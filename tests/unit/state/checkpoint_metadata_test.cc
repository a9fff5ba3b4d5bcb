#include "state/checkpoint_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/connectors/scratch_directory.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

proto::CheckpointMetadata SomeMetadata() {
  proto::CheckpointMetadata metadata;
  metadata.set_job_id("0123456789abcdef0123456789abcdef");
  metadata.set_checkpoint_id(7);
  metadata.set_files_root("..");
  proto::OperatorSnapshot& op = *metadata.add_operators();
  op.set_operator_id("op");
  op.set_parallelism(2);
  proto::StateSnapshot& state = *op.add_subtasks()->add_states();
  state.set_name("count");
  state.add_segments()->set_file("shared/0-7-0-0");
  return metadata;
}

class CheckpointMetadataTest : public ::testing::Test {
 protected:
  std::string Written() {
    const auto bytes = WriteCheckpointMetadata(files_, scratch_.path(), SomeMetadata(), "writer");
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return scratch_.Read("_metadata");
  }

  FileSystem& files_ = PosixFileSystem();
  ScratchDirectory scratch_;
};

TEST_F(CheckpointMetadataTest, WhatIsWrittenIsReadByFolderOrFile) {
  Written();
  for (const std::string& path : {scratch_.path(), JoinPath(scratch_.path(), "_metadata")}) {
    const auto read = ReadCheckpointMetadata(files_, path);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->SerializeAsString(), SomeMetadata().SerializeAsString());
  }
}

TEST_F(CheckpointMetadataTest, MetadataIsNeverReplaced) {
  const std::string before = Written();
  const auto again = WriteCheckpointMetadata(files_, scratch_.path(), proto::CheckpointMetadata(), "another");
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(scratch_.Read("_metadata"), before);
}

TEST_F(CheckpointMetadataTest, EveryFlippedBitIsFoundAndTheFileNamed) {
  const std::string bytes = Written();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    scratch_.Write("_metadata", damaged);
    const Status read = ReadCheckpointMetadata(files_, scratch_.path()).status();
    ASSERT_FALSE(read.ok()) << "bit " << bit;
    EXPECT_THAT(std::string(StatusMessage(read)), HasSubstr(JoinPath(scratch_.path(), "_metadata"))) << "bit " << bit;
  }
}

TEST_F(CheckpointMetadataTest, EveryTruncationIsFoundAndSoIsWhatFollows) {
  const std::string bytes = Written();
  for (size_t size = 0; size < bytes.size(); ++size) {
    scratch_.Write("_metadata", bytes.substr(0, size));
    EXPECT_EQ(ReadCheckpointMetadata(files_, scratch_.path()).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  scratch_.Write("_metadata", bytes + "x");
  EXPECT_EQ(ReadCheckpointMetadata(files_, scratch_.path()).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(CheckpointMetadataTest, WhatIsNoCheckpointIsSaidToBeNone) {
  const Status nothing = ReadCheckpointMetadata(files_, JoinPath(scratch_.path(), "nowhere")).status();
  EXPECT_EQ(nothing.code(), absl::StatusCode::kNotFound);
  const Status folder = ReadCheckpointMetadata(files_, scratch_.path()).status();
  EXPECT_EQ(folder.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(StatusMessage(folder)), HasSubstr("is no checkpoint or savepoint"));
}

}  // namespace
}  // namespace eagre
