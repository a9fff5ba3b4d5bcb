#include "taskmanager/local_state_folders.h"

#include <utility>

#include "base/file_system.h"
#include "base/ids.h"
#include "base/logging.h"

namespace eagre {
namespace {

void DeleteFolder(const std::string& path) {
  if (Status removed = PosixFileSystem().RemoveTree(path); !removed.ok()) {
    EAGRE_LOG_WARN("cannot delete the copies of a job's state: {}", StatusMessage(removed));
  }
}

}  // namespace

LocalStateFolders::LocalStateFolders(std::string directory)
    : directory_(std::move(directory)), executor_("local-state") {}

void LocalStateFolders::DeleteJob(const std::string& job_id) {
  if (!IsHexId(job_id)) return;
  executor_.Post([path = JoinPath(directory_, job_id)] { DeleteFolder(path); });
}

void LocalStateFolders::DeleteOtherJobs(const std::set<std::string>& job_ids) {
  executor_.Post([directory = directory_, job_ids] {
    const auto folders = PosixFileSystem().List(directory);
    if (!folders.ok()) return;  // no worker has made one yet
    for (const FileInfo& folder : *folders) {
      const std::string job_id(BaseName(folder.path));
      if (IsHexId(job_id) && !job_ids.contains(job_id)) DeleteFolder(folder.path);
    }
  });
}

}  // namespace eagre
