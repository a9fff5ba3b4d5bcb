#include "jobmanager/artifact_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/hash.h"

namespace eagre {
namespace {

using ::testing::HasSubstr;

class ArtifactStoreTest : public ::testing::Test {
 protected:
  ArtifactStoreTest() : directory_(JoinPath(::testing::TempDir(), "eagre-artifact-store-test")) {
    auto store = ArtifactStore::Open(PosixFileSystem(), {.directory = directory_, .max_artifact_bytes = 1'000});
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = std::move(*store);
  }

  static proto::Artifact InfoOf(const std::string& bytes) {
    proto::Artifact info;
    info.set_file_name("job.so");
    info.set_digest(Hash128Hex(bytes));
    info.set_bytes(bytes.size());
    return info;
  }

  StatusOr<std::shared_ptr<const StoredArtifact>> Store(const proto::Artifact& info, const std::string& bytes) {
    EAGRE_ASSIGN_OR_RETURN(auto upload, store_->BeginUpload(info));
    for (size_t i = 0; i < bytes.size(); i += 10) EAGRE_RETURN_IF_ERROR(upload->Append(bytes.substr(i, 10)));
    return upload->Finish();
  }

  size_t FilesOnDisk() { return PosixFileSystem().List(directory_)->size(); }

  const std::string directory_;
  std::unique_ptr<ArtifactStore> store_;
};

TEST_F(ArtifactStoreTest, KeepsOneFilePerContentWhileSomebodyRefersToIt) {
  const std::string bytes(95, 'x');
  auto first = *Store(InfoOf(bytes), bytes);
  auto second = *Store(InfoOf(bytes), bytes);
  EXPECT_EQ(first, second);
  EXPECT_EQ(FilesOnDisk(), 1u);
  EXPECT_EQ(*PosixFileSystem().ReadFile(first->path), bytes);
  EXPECT_EQ(store_->Find(InfoOf(bytes).digest()), first);
  first.reset();
  EXPECT_EQ(FilesOnDisk(), 1u);
  second.reset();
  EXPECT_EQ(FilesOnDisk(), 0u);
  EXPECT_EQ(store_->Find(InfoOf(bytes).digest()), nullptr);
  EXPECT_TRUE(Store(InfoOf(bytes), bytes).ok());
}

TEST_F(ArtifactStoreTest, DamagedContentIsRefusedAndLeavesNothing) {
  const std::string bytes(50, 'x');
  std::string damaged = bytes;
  damaged[20] = 'y';
  const auto stored = Store(InfoOf(bytes), damaged);
  EXPECT_EQ(stored.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Store(InfoOf(bytes), bytes.substr(1)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(FilesOnDisk(), 0u);
}

TEST_F(ArtifactStoreTest, SizesAreLimited) {
  const std::string large(1'001, 'x');
  const auto too_large = store_->BeginUpload(InfoOf(large));
  EXPECT_THAT(std::string(StatusMessage(too_large.status())), HasSubstr("at most 1000b"));
  proto::Artifact lies = InfoOf("short");
  EXPECT_EQ(Store(lies, large).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(FilesOnDisk(), 0u);
}

TEST_F(ArtifactStoreTest, ADigestIsNoPath) {
  proto::Artifact info = InfoOf("x");
  info.set_digest("../../../../etc/passwd");
  EXPECT_EQ(store_->BeginUpload(info).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ArtifactStoreTest, ReferencesMayOutliveTheStore) {
  const std::string bytes = "bytes";
  auto stored = *Store(InfoOf(bytes), bytes);
  store_.reset();
  stored.reset();
}

}  // namespace
}  // namespace eagre
