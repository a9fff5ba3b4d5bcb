#include "runtime/task_files.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "state/checkpoint_metadata.h"

namespace eagre {
namespace {

// Takes what is in none of the sets out of `names`.
std::vector<std::string> TakeUnused(std::set<std::string>& names, const std::set<std::string>& current,
                                    const std::map<int64_t, std::set<std::string>>& acknowledged) {
  std::vector<std::string> unused;
  for (auto name = names.begin(); name != names.end();) {
    const bool needed = current.contains(*name) ||
                        std::any_of(acknowledged.begin(), acknowledged.end(),
                                    [&](const auto& checkpoint) { return checkpoint.second.contains(*name); });
    if (needed) {
      ++name;
    } else {
      unused.push_back(*name);
      name = names.erase(name);
    }
  }
  return unused;
}

}  // namespace

TaskFiles::TaskFiles(FileSystem& files, Executor& io, std::string directory, std::string local_directory,
                     std::string suffix)
    : files_(files),
      io_(io),
      directory_(std::move(directory)),
      local_directory_(std::move(local_directory)),
      suffix_(std::move(suffix)) {}

void TaskFiles::OnRestored(std::set<std::string> files) {
  if (local_directory_.empty()) return;
  copies_ = files;
  acknowledged_[0] = std::move(files);
  const StatusOr<std::vector<FileInfo>> found = files_.List(JoinPath(local_directory_, kSharedFolder));
  if (!found.ok()) return;  // there is none yet
  std::vector<std::string> unused;
  for (const FileInfo& file : *found) {
    const std::string name = JoinPath(kSharedFolder, BaseName(file.path));
    if (name.ends_with(suffix_) && !copies_.contains(name)) unused.push_back(name);
  }
  Remove(local_directory_, std::move(unused));
}

void TaskFiles::OnWritten(const std::string& file) {
  own_.insert(file);
  if (!local_directory_.empty()) copies_.insert(file);
}

void TaskFiles::OnAcknowledged(int64_t checkpoint_id, std::set<std::string> files) {
  acknowledged_[checkpoint_id] = std::move(files);
}

void TaskFiles::OnComplete(int64_t checkpoint_id) {
  newest_decided_ = std::max(newest_decided_, checkpoint_id);
  const auto after = acknowledged_.upper_bound(checkpoint_id);
  for (auto one = acknowledged_.begin(); one != after; ++one) {
    for (const std::string& file : one->second) own_.erase(file);
  }
  acknowledged_.erase(acknowledged_.begin(), acknowledged_.lower_bound(checkpoint_id));
}

void TaskFiles::OnAborted(int64_t checkpoint_id) {
  newest_decided_ = std::max(newest_decided_, checkpoint_id);
  acknowledged_.erase(checkpoint_id);
}

void TaskFiles::RemoveUnused(const std::set<std::string>& current) {
  Remove(directory_, TakeUnused(own_, current, acknowledged_));
  Remove(local_directory_, TakeUnused(copies_, current, acknowledged_));
}

void TaskFiles::Remove(const std::string& directory, std::vector<std::string> names) const {
  if (names.empty()) return;
  io_.Post([names = std::move(names), &files = files_, directory] {
    for (const std::string& name : names) {
      const Status removed = files.Remove(JoinPath(directory, name));
      if (!removed.ok() && !absl::IsNotFound(removed)) {
        EAGRE_LOG_WARN("cannot remove a file of state that nobody needs: {}", StatusMessage(removed));
      }
    }
  });
}

}  // namespace eagre
