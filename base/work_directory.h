// A daemon's folder on disk: libraries, workers' output and temporary files. Everything in it is worthless once the
// daemon is gone, however it went: it is removed at an orderly end, and after a crash by the next daemon of its kind
// that starts beside it.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "base/unique_fd.h"

namespace eagre {

// A lock on a file in the folder says that its owner lives; the kernel takes it away with the process.
class WorkDirectory {
 public:
  // Makes <base>/<kind>-<id>, readable by this user only, and removes the folders of dead daemons of that kind
  // ("taskmanager", "jobmanager").
  static StatusOr<std::unique_ptr<WorkDirectory>> Create(const std::string& base, const std::string& kind,
                                                         const std::string& id);
  ~WorkDirectory();
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  WorkDirectory(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  const std::string path_;
  UniqueFd lock_;
};

}  // namespace eagre
