// Where a TaskManager gets the libraries of jobs from, as the logic sees it.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "base/status.h"
#include "proto/control.pb.h"

namespace eagre {

// Used on the TaskManager's executor.
class ArtifactFetcher {
 public:
  virtual ~ArtifactFetcher() = default;
  // Calls `done` on the executor, possibly before Fetch returns, with the path of a local file that has the artifact's
  // bytes. The file stays until Unpin was called as often as Fetch succeeded.
  virtual void Fetch(const proto::Artifact& artifact, std::function<void(StatusOr<std::string>)> done) = 0;
  virtual void Unpin(const std::string& digest) = 0;
  // No known job uses it any more.
  virtual void Release(const std::string& digest) = 0;
  // Known jobs use these only.
  virtual void ReleaseOthers(const std::set<std::string>& digests) = 0;
};

// For a TaskManager that lives in one process with its JobManager: the file is where `locate` says.
class LocalArtifactFetcher final : public ArtifactFetcher {
 public:
  explicit LocalArtifactFetcher(std::function<StatusOr<std::string>(const proto::Artifact&)> locate)
      : locate_(std::move(locate)) {}
  void Fetch(const proto::Artifact& artifact, std::function<void(StatusOr<std::string>)> done) override {
    done(locate_(artifact));
  }
  void Unpin(const std::string&) override {}
  void Release(const std::string&) override {}
  void ReleaseOthers(const std::set<std::string>&) override {}

 private:
  std::function<StatusOr<std::string>(const proto::Artifact&)> locate_;
};

}  // namespace eagre
