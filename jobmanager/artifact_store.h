// The libraries of jobs on the JobManager's disk: stored once per content, deleted when nobody refers to them any more.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/hash.h"
#include "base/status.h"
#include "jobmanager/artifact.h"
#include "proto/control.pb.h"

namespace eagre {

struct ArtifactStoreOptions {
  std::string directory;  // of this store alone: it is emptied when the store opens and removed when it closes
  int64_t max_artifact_bytes = int64_t{1} << 30;
};

// Thread-safe. References that are given out may outlive the store; its files do not.
class ArtifactStore {
 public:
  class Upload;

  static StatusOr<std::unique_ptr<ArtifactStore>> Open(FileSystem& files, ArtifactStoreOptions options);
  ~ArtifactStore();

  // Begins to take a library in. INVALID_ARGUMENT when it announces more bytes than allowed, or no digest.
  StatusOr<std::unique_ptr<Upload>> BeginUpload(const proto::Artifact& info);
  // Null when there is no such library (any more).
  std::shared_ptr<const StoredArtifact> Find(const std::string& digest);

 private:
  struct Files;

  explicit ArtifactStore(std::shared_ptr<Files> shared) : shared_(std::move(shared)) {}

  const std::shared_ptr<Files> shared_;
};

// One library on its way in; one thread. Whatever was written is deleted unless Finish succeeded.
class ArtifactStore::Upload {
 public:
  ~Upload();
  // RESOURCE_EXHAUSTED when more bytes come than were announced.
  Status Append(std::string_view bytes);
  // Checks size and digest, DATA_LOSS when they differ from what was announced. Equal content that is stored already is
  // shared.
  StatusOr<std::shared_ptr<const StoredArtifact>> Finish();

 private:
  friend class ArtifactStore;
  Upload(std::shared_ptr<Files> shared, proto::Artifact info, std::string path, std::unique_ptr<WritableFile> file);

  const std::shared_ptr<Files> shared_;
  const proto::Artifact info_;
  const std::string path_;  // until Finish renames it
  std::unique_ptr<WritableFile> file_;
  Hasher128 hasher_;
  uint64_t received_bytes_ = 0;
};

}  // namespace eagre
