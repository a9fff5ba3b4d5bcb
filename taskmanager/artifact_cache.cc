#include "taskmanager/artifact_cache.h"

#include <utility>

#include "base/hash.h"
#include "base/ids.h"
#include "base/logging.h"

namespace eagre {
namespace {

constexpr std::string_view kPartName = "part";  // of a file that is not complete yet
constexpr size_t kMaxNameBytes = 200;

// What is left of the user's name once it can be nothing but a file name.
std::string SafeFileName(const std::string& file_name) {
  std::string name(BaseName(file_name).substr(0, kMaxNameBytes));
  if (name.empty() || name == "." || name == ".." || name == kPartName || name.find('\0') != std::string::npos) {
    return "job.so";
  }
  return name;
}

// Hashes what passes through, on the thread that downloads, so that the executor never reads the file again.
class HashingFile final : public WritableFile {
 public:
  explicit HashingFile(std::unique_ptr<WritableFile> file) : file_(std::move(file)) {}
  const std::string& path() const override { return file_->path(); }
  Status Append(std::string_view bytes) override {
    hasher_.Update(bytes);
    bytes_ += static_cast<int64_t>(bytes.size());
    return file_->Append(bytes);
  }
  Status Flush() override { return file_->Flush(); }
  Status Sync() override { return file_->Sync(); }
  Status Close() override { return file_->Close(); }

  std::string Digest() const { return hasher_.Hex(); }
  int64_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<WritableFile> file_;
  Hasher128 hasher_;
  int64_t bytes_ = 0;
};

}  // namespace

struct ArtifactCache::Download {
  proto::Artifact artifact;
  std::unique_ptr<HashingFile> file;
  std::vector<Done> waiting;
};

ArtifactCache::ArtifactCache(std::string directory, int64_t capacity_bytes, FileSystem& files, Executor& executor,
                             ArtifactSource& source)
    : directory_(std::move(directory)),
      capacity_bytes_(capacity_bytes),
      files_(files),
      executor_(executor),
      source_(source) {}

ArtifactCache::~ArtifactCache() = default;

std::string ArtifactCache::FolderOf(const std::string& digest) const {
  return JoinPath(directory_, digest);
}

void ArtifactCache::Fetch(const proto::Artifact& artifact, Done done) {
  const std::string& digest = artifact.digest();
  // The digest becomes a file name: it must not be anything else.
  if (!IsHexId(digest)) return done(InvalidArgument("'{}' is not the digest of an artifact", digest));
  if (auto found = entries_.find(digest); found != entries_.end()) {
    // Somebody may have cleaned the folder under us.
    if (StatusOr<FileInfo> info = files_.Stat(found->second.path); info.ok() && info->size == found->second.bytes) {
      found->second.released = false;
      Pin(found->second);
      return done(found->second.path);
    }
    bytes_ -= found->second.bytes;
    entries_.erase(found);
  }
  if (auto running = downloads_.find(digest); running != downloads_.end()) {
    running->second->waiting.push_back(std::move(done));
    return;
  }
  StartDownload(artifact, std::move(done));
}

void ArtifactCache::StartDownload(const proto::Artifact& artifact, Done done) {
  if (Status made = files_.CreateDirectories(FolderOf(artifact.digest())); !made.ok()) return done(made);
  auto file = files_.OpenForWrite(JoinPath(FolderOf(artifact.digest()), kPartName), OpenMode::kTruncate);
  if (!file.ok()) return done(file.status());
  auto download = std::make_shared<Download>();
  download->artifact = artifact;
  download->file = std::make_unique<HashingFile>(*std::move(file));
  download->waiting.push_back(std::move(done));
  downloads_[artifact.digest()] = download;
  std::weak_ptr<bool> alive = alive_;
  // The closure holds the download, and with it the file, however long the source takes.
  source_.Download(artifact, *download->file, [this, alive, download](Status status) {
    executor_.Post([this, alive, download, status = std::move(status)]() mutable {
      if (!alive.expired()) FinishDownload(download->artifact.digest(), std::move(status));
    });
  });
}

Status ArtifactCache::Admit(const Download& download, Status status) {
  const proto::Artifact& artifact = download.artifact;
  EAGRE_RETURN_IF_ERROR(status);
  EAGRE_RETURN_IF_ERROR(download.file->Close());
  if (download.file->bytes() != static_cast<int64_t>(artifact.bytes()) ||
      download.file->Digest() != artifact.digest()) {
    return DataLoss("'{}' arrived damaged: {} bytes with digest {}, expected {} bytes with digest {}",
                    artifact.file_name(), download.file->bytes(), download.file->Digest(), artifact.bytes(),
                    artifact.digest());
  }
  return files_.Rename(download.file->path(),
                       JoinPath(FolderOf(artifact.digest()), SafeFileName(artifact.file_name())));
}

void ArtifactCache::FinishDownload(const std::string& digest, Status status) {
  std::shared_ptr<Download> download = std::move(downloads_.extract(digest).mapped());
  status = Admit(*download, std::move(status));
  if (!status.ok()) {
    (void)files_.RemoveTree(FolderOf(digest));
    for (Done& done : download->waiting) done(status);
    return;
  }
  Entry& entry = entries_[digest];
  entry.path = JoinPath(FolderOf(digest), SafeFileName(download->artifact.file_name()));
  entry.bytes = download->file->bytes();
  bytes_ += entry.bytes;
  // All pins before the first callback, so that nothing one of them does can remove the file from under the others.
  for (size_t i = 0; i < download->waiting.size(); ++i) Pin(entry);
  Evict();
  const std::string path = entry.path;  // a callback may remove the entry
  for (Done& done : download->waiting) done(path);
}

void ArtifactCache::Pin(Entry& entry) {
  ++entry.pins;
  entry.last_use = ++uses_;
}

void ArtifactCache::Unpin(const std::string& digest) {
  auto found = entries_.find(digest);
  if (found == entries_.end() || found->second.pins == 0) return;
  if (--found->second.pins > 0) return;
  if (found->second.released) return Remove(digest);
  Evict();
}

void ArtifactCache::Release(const std::string& digest) {
  auto found = entries_.find(digest);
  if (found == entries_.end()) return;
  found->second.released = true;
  if (found->second.pins == 0) Remove(digest);
}

void ArtifactCache::ReleaseOthers(const std::set<std::string>& digests) {
  std::vector<std::string> others;
  for (const auto& [digest, entry] : entries_) {
    if (!digests.contains(digest)) others.push_back(digest);
  }
  for (const std::string& digest : others) Release(digest);
}

void ArtifactCache::Remove(const std::string& digest) {
  auto found = entries_.find(digest);
  if (Status removed = files_.RemoveTree(FolderOf(digest)); !removed.ok()) {
    EAGRE_LOG_WARN("cannot remove a cached library: {}", StatusMessage(removed));
  }
  bytes_ -= found->second.bytes;
  entries_.erase(found);
}

void ArtifactCache::Evict() {
  while (bytes_ > capacity_bytes_) {
    const std::string* oldest = nullptr;
    for (const auto& [digest, entry] : entries_) {
      if (entry.pins == 0 && (oldest == nullptr || entry.last_use < entries_[*oldest].last_use)) oldest = &digest;
    }
    if (oldest == nullptr) return;  // all are in use: the slots bound how many
    Remove(std::string(*oldest));
  }
}

}  // namespace eagre
