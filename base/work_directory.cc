#include "base/work_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/file_system.h"
#include "base/logging.h"

namespace eagre {
namespace {

constexpr std::string_view kLockName = "lock";

StatusOr<UniqueFd> OpenLockFile(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) {
    return FailedPrecondition("cannot open {}: {} (set eagre.work.dir to a folder that this user can write to)", path,
                              std::strerror(errno));
  }
  return fd;
}

void SweepDead(const std::string& base, const std::string& prefix) {
  auto entries = PosixFileSystem().List(base);
  if (!entries.ok()) return;
  for (const FileInfo& entry : *entries) {
    if (!entry.is_directory || !BaseName(entry.path).starts_with(prefix)) continue;
    UniqueFd lock(open(JoinPath(entry.path, kLockName).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (lock.valid() && flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;  // its owner lives
    if (!lock.valid() && errno != ENOENT) continue;                           // another user's
    EAGRE_LOG_INFO("removing what a dead daemon left: {}", entry.path);
    if (Status removed = PosixFileSystem().RemoveTree(entry.path); !removed.ok()) {
      EAGRE_LOG_WARN("cannot remove what a dead daemon left: {}", StatusMessage(removed));
    }
  }
}

}  // namespace

StatusOr<std::unique_ptr<WorkDirectory>> WorkDirectory::Create(const std::string& base, const std::string& kind,
                                                               const std::string& id) {
  EAGRE_RETURN_IF_ERROR(PosixFileSystem().CreateDirectories(base));
  // Held while a folder is made and not yet locked, so that nobody takes it for a dead one's.
  EAGRE_ASSIGN_OR_RETURN(UniqueFd guard, OpenLockFile(JoinPath(base, kind + "s.lock")));
  if (flock(guard.get(), LOCK_EX) != 0) return Unavailable("cannot lock {}: {}", base, std::strerror(errno));
  SweepDead(base, kind + "-");
  std::string path = JoinPath(base, kind + "-" + id);
  if (mkdir(path.c_str(), 0700) != 0) {
    return FailedPrecondition(
        "cannot make the folder {}: {} (set eagre.work.dir to a folder that this user can write to)", path,
        std::strerror(errno));
  }
  EAGRE_ASSIGN_OR_RETURN(UniqueFd lock, OpenLockFile(JoinPath(path, kLockName)));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return Unavailable("cannot lock {}: {}", path, std::strerror(errno));
  return std::unique_ptr<WorkDirectory>(new WorkDirectory(std::move(path), std::move(lock)));
}

WorkDirectory::~WorkDirectory() {
  if (Status removed = PosixFileSystem().RemoveTree(path_); !removed.ok()) {
    EAGRE_LOG_WARN("cannot remove the work folder: {}", StatusMessage(removed));
  }
}

}  // namespace eagre
