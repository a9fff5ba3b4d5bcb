#include "jobmanager/artifact_store.h"

#include <utility>

#include "base/duration.h"
#include "base/ids.h"
#include "base/logging.h"

namespace eagre {

// Shared by the store, its uploads and the deleters of its references, whichever goes last.
struct ArtifactStore::Files {
  Files(FileSystem& file_system, ArtifactStoreOptions store_options)
      : files(file_system), options(std::move(store_options)) {}

  // Takes the finished file at `path` in, or drops it in favour of an equal one.
  StatusOr<std::shared_ptr<const StoredArtifact>> Adopt(const std::shared_ptr<Files>& self, const proto::Artifact& info,
                                                        const std::string& path);
  void Release(const StoredArtifact* artifact);

  FileSystem& files;
  const ArtifactStoreOptions options;
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<const StoredArtifact>> by_digest;
  uint64_t next_file = 0;
};

StatusOr<std::shared_ptr<const StoredArtifact>> ArtifactStore::Files::Adopt(const std::shared_ptr<Files>& self,
                                                                            const proto::Artifact& info,
                                                                            const std::string& path) {
  std::shared_ptr<const StoredArtifact> stored;
  {
    std::lock_guard lock(mutex);
    auto known = by_digest.find(info.digest());
    if (known != by_digest.end()) stored = known->second.lock();
    if (stored == nullptr) {
      auto artifact = std::make_unique<StoredArtifact>(StoredArtifact{info, path});
      stored = std::shared_ptr<const StoredArtifact>(artifact.release(), [self](const StoredArtifact* last) {
        self->Release(last);
        delete last;
      });
      by_digest[info.digest()] = stored;
      return stored;
    }
  }
  EAGRE_RETURN_IF_ERROR(files.Remove(path));
  return stored;
}

void ArtifactStore::Files::Release(const StoredArtifact* artifact) {
  {
    std::lock_guard lock(mutex);
    // The digest may have been uploaded anew since the last reference went.
    auto known = by_digest.find(artifact->info.digest());
    if (known != by_digest.end() && known->second.expired()) by_digest.erase(known);
  }
  const Status removed = files.Remove(artifact->path);
  if (!removed.ok() && removed.code() != absl::StatusCode::kNotFound) {
    EAGRE_LOG_WARN("cannot delete a job's library: {}", StatusMessage(removed));
  }
}

StatusOr<std::unique_ptr<ArtifactStore>> ArtifactStore::Open(FileSystem& files, ArtifactStoreOptions options) {
  EAGRE_RETURN_IF_ERROR(WithContext(files.RemoveTree(options.directory), "cannot prepare the JobManager's artifacts"));
  EAGRE_RETURN_IF_ERROR(
      WithContext(files.CreateDirectories(options.directory), "cannot prepare the JobManager's artifacts"));
  return std::unique_ptr<ArtifactStore>(new ArtifactStore(std::make_shared<Files>(files, std::move(options))));
}

ArtifactStore::~ArtifactStore() {
  const Status removed = shared_->files.RemoveTree(shared_->options.directory);
  if (!removed.ok()) EAGRE_LOG_WARN("cannot remove the JobManager's artifacts: {}", StatusMessage(removed));
}

StatusOr<std::unique_ptr<ArtifactStore::Upload>> ArtifactStore::BeginUpload(const proto::Artifact& info) {
  if (!IsHexId(info.digest())) {
    return InvalidArgument("the library {} has the digest '{}'; expected 32 hexadecimal characters", info.file_name(),
                           info.digest());
  }
  if (info.bytes() > static_cast<uint64_t>(shared_->options.max_artifact_bytes)) {
    return InvalidArgument("the library {} has {}; this cluster takes at most {} (artifact-cache.max-size)",
                           info.file_name(), FormatMemorySize(static_cast<int64_t>(info.bytes())),
                           FormatMemorySize(shared_->options.max_artifact_bytes));
  }
  uint64_t number;
  {
    std::lock_guard lock(shared_->mutex);
    number = shared_->next_file++;
  }
  // A name of its own for every upload: equal content may be coming in twice, or leaving while it comes in again.
  std::string path = JoinPath(shared_->options.directory, fmt::format("{}-{}.so", info.digest(), number));
  EAGRE_ASSIGN_OR_RETURN(auto file, shared_->files.OpenForWrite(path, OpenMode::kCreateNew));
  return std::unique_ptr<Upload>(new Upload(shared_, info, std::move(path), std::move(file)));
}

std::shared_ptr<const StoredArtifact> ArtifactStore::Find(const std::string& digest) {
  std::lock_guard lock(shared_->mutex);
  auto known = shared_->by_digest.find(digest);
  return known == shared_->by_digest.end() ? nullptr : known->second.lock();
}

ArtifactStore::Upload::Upload(std::shared_ptr<Files> shared, proto::Artifact info, std::string path,
                              std::unique_ptr<WritableFile> file)
    : shared_(std::move(shared)), info_(std::move(info)), path_(std::move(path)), file_(std::move(file)) {}

ArtifactStore::Upload::~Upload() {
  if (file_ == nullptr) return;
  file_.reset();
  const Status removed = shared_->files.Remove(path_);
  if (!removed.ok()) EAGRE_LOG_WARN("cannot delete an unfinished upload: {}", StatusMessage(removed));
}

Status ArtifactStore::Upload::Append(std::string_view bytes) {
  received_bytes_ += bytes.size();
  if (received_bytes_ > info_.bytes()) {
    return ResourceExhausted("the library {} was announced with {} bytes and is longer", info_.file_name(),
                             info_.bytes());
  }
  hasher_.Update(bytes);
  return file_->Append(bytes);
}

StatusOr<std::shared_ptr<const StoredArtifact>> ArtifactStore::Upload::Finish() {
  if (received_bytes_ != info_.bytes() || hasher_.Hex() != info_.digest()) {
    return DataLoss("the library {} arrived damaged: {} bytes of digest {}; expected {} bytes of digest {}",
                    info_.file_name(), received_bytes_, hasher_.Hex(), info_.bytes(), info_.digest());
  }
  EAGRE_RETURN_IF_ERROR(file_->Close());
  file_.reset();
  return shared_->Adopt(shared_, info_, path_);
}

}  // namespace eagre
