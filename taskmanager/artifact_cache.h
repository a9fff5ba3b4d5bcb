// The libraries of jobs on this machine, one per digest, fetched once however many attempts ask. A library keeps the
// name that its user gave it, in a folder named by the digest, so that messages and stacks say what he knows.
//
// Only complete and verified files carry their final name. The least recently used files that no worker needs are
// removed when the cache exceeds its size.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/file_system.h"
#include "taskmanager/artifact_fetcher.h"

namespace eagre {

// Brings an artifact's bytes here: from the JobManager over gRPC (rpc_client.h), or from a test.
class ArtifactSource {
 public:
  virtual ~ArtifactSource() = default;
  // Appends the bytes to `file` and calls `done` once, both on any thread; `file` is alive until then.
  virtual void Download(const proto::Artifact& artifact, WritableFile& file, std::function<void(Status)> done) = 0;
};

// Lives on one executor, which outlives it; the source outlives it too.
class ArtifactCache final : public ArtifactFetcher {
 public:
  // `directory` belongs to this cache alone; it is made with the first file.
  ArtifactCache(std::string directory, int64_t capacity_bytes, FileSystem& files, Executor& executor,
                ArtifactSource& source);
  ~ArtifactCache() override;

  void Fetch(const proto::Artifact& artifact, std::function<void(StatusOr<std::string>)> done) override;
  void Unpin(const std::string& digest) override;
  // Removed now, or as soon as the last worker that needs it is gone.
  void Release(const std::string& digest) override;
  void ReleaseOthers(const std::set<std::string>& digests) override;

  int64_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::string path;
    int64_t bytes = 0;
    int pins = 0;
    uint64_t last_use = 0;
    bool released = false;
  };
  struct Download;
  using Done = std::function<void(StatusOr<std::string>)>;

  std::string FolderOf(const std::string& digest) const;
  void StartDownload(const proto::Artifact& artifact, Done done);
  void FinishDownload(const std::string& digest, Status status);
  Status Admit(const Download& download, Status status);
  void Pin(Entry& entry);
  void Remove(const std::string& digest);
  void Evict();

  const std::string directory_;
  const int64_t capacity_bytes_;
  FileSystem& files_;
  Executor& executor_;
  ArtifactSource& source_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::shared_ptr<Download>> downloads_;
  int64_t bytes_ = 0;
  uint64_t uses_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace eagre
